//! One layer over a table with a row a token.

use candle_core::{Result, Tensor};

use super::attention::{Relative, Rotation};
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
        let inner = self.up.forward(x)?;
        let inner = match (shape.activation, &self.gate) {
            (Activation::Gelu, _) => gelu::gelu(&inner)?,
            (Activation::GeluTanh, _) => inner.gelu()?,
            (Activation::Relu, _) => inner.relu()?,
            (Activation::GeGlu, Some(gate)) => (gelu::gelu(&inner)? * gate.forward(x)?)?,
            (Activation::GeGlu, None) => gelu::geglu(&inner)?,
        };
        self.down.forward(&inner)
    }

    /// Attention, group by group.
    fn attend(
        &self,
        x: &Tensor,
        plan: &Plan,
        shape: &Shape,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let qkv = self.qkv.forward(x)?;
        let mut found = Vec::with_capacity(plan.groups.len());
        for group in &plan.groups {
            let rows = group.pad(&qkv)?;
            let parts = super::attention::Parts::new(&rows, group, shape)?;
            let window = match rotation {
                Some(rotation) => rotation.window.filter(|_| self.local),
                None => None,
            };
            let parts = match rotation {
                Some(rotation) => rotation.turn(parts, self.local)?,
                None => parts,
            };
            let rows = match (&self.relative, window) {
                (Some(relative), _) => relative.attend(&parts, group, plan, shape)?,
                (None, Some(window)) if group.longest > window + 1 => {
                    parts.attend_near(window, group, shape)?
                }
                (None, _) => parts.attend_all(group, shape)?,
            };
            found.push(group.unpad(&rows)?);
        }
        let found = match &found[..] {
            [one] => one.clone(),
            many => Tensor::cat(many, 0)?,
        };
        self.attention_out.forward(&found)
    }
}
