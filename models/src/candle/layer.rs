//! One layer over a table with a row a token.

use candle_core::{Result, Tensor};

use super::attention::{self, Relative, Rotation};
use super::group::Plan;
use super::load::{Linear, Norm};
use super::{Shape, gelu};
use crate::weights::{Activation, NormOrder};

/// A layer's tensors.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Option<Norm>,
    /// The query's part gives scores that need no further division.
    pub(super) qkv: Linear,
    pub(super) attention_out: Linear,
    pub(super) feed_forward_norm: Norm,
    pub(super) up: Linear,
    /// What a gated feed-forward multiplies with, where it is a map of its own and not the second half of `up`.
    pub(super) gate: Option<Linear>,
    pub(super) down: Linear,
    pub(super) local: bool,
    pub(super) relative: Option<Relative>,
}

impl Layer {
    pub(super) fn forward(
        &self,
        hidden: &Tensor,
        plan: &Plan,
        shape: &Shape,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        if shape.fused {
            return self.forward_fused(hidden, plan, shape, rotation);
        }
        let norm = |hidden: &Tensor| match &self.attention_norm {
            Some(norm) => norm.forward(hidden),
            None => Ok(hidden.clone()),
        };
        match shape.order {
            NormOrder::Post => {
                let found = self.attend(hidden, plan, shape, rotation)?;
                let hidden = norm(&(hidden + found)?)?;
                let changed = self.feed_forward(&hidden, shape)?;
                self.feed_forward_norm.forward(&(hidden + changed)?)
            }
            NormOrder::Pre => {
                let found = self.attend(&norm(hidden)?, plan, shape, rotation)?;
                let hidden = (hidden + found)?;
                let normed = self.feed_forward_norm.forward(&hidden)?;
                let changed = self.feed_forward(&normed, shape)?;
                hidden + changed
            }
        }
    }

    fn feed_forward(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        self.down.forward(&self.inner(x, shape)?)
    }

    /// What stands between the feed-forward's two maps.
    pub(super) fn inner(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        let inner = self.up.forward(x)?;
        match (shape.activation, &self.gate) {
            (Activation::Gelu, _) => gelu::gelu(&inner),
            (Activation::GeluTanh, _) => inner.gelu(),
            (Activation::Relu, _) => inner.relu(),
            (Activation::GeGlu, Some(gate)) => gelu::gelu(&inner)? * gate.forward(x)?,
            (Activation::GeGlu, None) => gelu::geglu(&inner),
        }
    }

    fn attend(
        &self,
        x: &Tensor,
        plan: &Plan,
        shape: &Shape,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let qkv = self.qkv.forward(x)?;
        let rotation = rotation.map(|rotation| (rotation, self.local));
        let found = attention::attend(&qkv, rotation, self.relative.as_ref(), plan, shape)?;
        self.attention_out.forward(&found)
    }
}
