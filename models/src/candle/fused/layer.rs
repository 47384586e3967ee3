//! A layer made of the kernels and matrix products.

use candle_core::{Result, Tensor};

use super::super::Shape;
use super::super::attention::Rotation;
use super::super::group::Plan;
use super::super::layer::Layer;
use super::super::load::Linear;
use crate::weights::{Activation, NormOrder};

impl Layer {
    /// What [`Layer::forward`] gives, within the precision of bf16.
    pub(in super::super) fn forward_fused(
        &self,
        hidden: &Tensor,
        plan: &Plan,
        shape: &Shape,
        rotation: Option<&Rotation>,
    ) -> Result<Tensor> {
        let attend = |x: &Tensor| {
            let qkv = self.qkv.product(x)?;
            let rotation = rotation.map(|rotation| (rotation, self.local));
            super::attention(&qkv, self.qkv.bias.as_ref(), rotation, plan, shape)
        };
        match shape.order {
            NormOrder::Post => {
                let found = attend(hidden)?;
                let hidden = match &self.attention_norm {
                    Some(norm) => add(&self.attention_out, &found, hidden, norm)?.1,
                    None => (hidden + self.attention_out.forward(&found)?)?,
                };
                let inner = self.inner_fused(&hidden, shape)?;
                Ok(add(&self.down, &inner, &hidden, &self.feed_forward_norm)?.1)
            }
            NormOrder::Pre => {
                let found = match &self.attention_norm {
                    Some(norm) => attend(&norm.forward(hidden)?)?,
                    None => attend(hidden)?,
                };
                let (hidden, normed) =
                    add(&self.attention_out, &found, hidden, &self.feed_forward_norm)?;
                let inner = self.inner_fused(&normed, shape)?;
                hidden + self.down.forward(&inner)?
            }
        }
    }

    fn inner_fused(&self, x: &Tensor, shape: &Shape) -> Result<Tensor> {
        match (shape.activation, &self.gate) {
            (Activation::Gelu, _) => {
                super::gelu(&self.up.product(x)?, self.up.bias.as_ref(), false)
            }
            (Activation::GeGlu, None) => {
                super::gelu(&self.up.product(x)?, self.up.bias.as_ref(), true)
            }
            _ => self.inner(x, shape),
        }
    }
}

/// What a map makes of `x`, added to `hidden`; and the normalised sum.
fn add(map: &Linear, x: &Tensor, hidden: &Tensor, norm: &super::Norm) -> Result<(Tensor, Tensor)> {
    super::add_norm(hidden, &map.product(x)?, map.bias.as_ref(), norm)
}
