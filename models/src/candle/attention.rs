//! Attention of a group of sequences: all to all, within a window, and DeBERTa's.
//!
//! Tensors of a group have the attention head as their first dimension: `heads × sequences × tokens × width`.

mod near;
mod relative;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::softmax_last_dim;

#[cfg(test)]
pub(super) use relative::bucket_table;
pub(super) use relative::{Relative, relative_tables};

use super::Shape;
use super::group::{Group, Plan};
use super::load::Loader;
use crate::rotary::Rotary;
use crate::weights::{EncoderWeights, Positions};

/// The angles of rotary positions.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Cosines and sines, a row a position, for layers that see everything and for those with a window.
    global: (Tensor, Tensor),
    local: (Tensor, Tensor),
    /// How far layers with a window see to either side.
    pub(super) window: Option<usize>,
}

/// Attention in a table with a row a token, group by group: query, key and value go in, what was found comes out.
/// `rotation` says too whether the layer has a window.
pub(super) fn attend(
    qkv: &Tensor,
    rotation: Option<(&Rotation, bool)>,
    relative: Option<&Relative>,
    plan: &Plan,
    shape: &Shape,
) -> Result<Tensor> {
    let window = rotation.and_then(|(rotation, local)| rotation.window.filter(|_| local));
    let mut found = Vec::with_capacity(plan.groups.len());
    for group in &plan.groups {
        let parts = Parts::new(&group.pad(qkv)?, group, shape)?;
        let parts = match rotation {
            Some((rotation, local)) => rotation.turn(parts, local)?,
            None => parts,
        };
        let rows = match (relative, window) {
            (Some(relative), _) => relative.attend(&parts, group, plan, shape)?,
            (None, Some(window)) if group.longest > window + 1 => {
                parts.attend_near(window, group, shape)?
            }
            (None, _) => parts.attend_all(group, shape)?,
        };
        found.push(group.unpad(&rows)?);
    }
    match &found[..] {
        [one] => Ok(one.clone()),
        many => Tensor::cat(many, 0),
    }
}

/// Query, key and value.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) query: Tensor,
    pub(super) key: Tensor,
    pub(super) value: Tensor,
}

impl Rotation {
    /// Nothing, for a model whose positions are not rotary.
    pub(super) fn new(weights: &EncoderWeights, loader: &Loader<'_>) -> Result<Option<Self>> {
        let Positions::Rotary {
            global,
            local,
            window,
        } = weights.positions
        else {
            return Ok(None);
        };
        let width = weights.hidden / weights.attention_heads;
        let tables = |rotary: Rotary| -> Result<(Tensor, Tensor)> {
            let turns = rotary.turns(width, weights.max_tokens);
            let table = |values| loader.table(values, weights.max_tokens, width / 2);
            Ok((table(turns.cos)?, table(turns.sin)?))
        };
        Ok(Some(Self {
            global: tables(global)?,
            local: tables(local)?,
            window: Some(window),
        }))
    }

    /// Cosines and sines for layers with a window, or for those without.
    pub(super) fn tables(&self, local: bool) -> &(Tensor, Tensor) {
        if local { &self.local } else { &self.global }
    }

    /// The same in 32 bits on the processor.
    pub(super) fn on_cpu(&self) -> Result<Self> {
        let there = |(cos, sin): &(Tensor, Tensor)| -> Result<(Tensor, Tensor)> {
            let there = |table: &Tensor| table.to_device(&Device::Cpu)?.to_dtype(DType::F32);
            Ok((there(cos)?, there(sin)?))
        };
        Ok(Self {
            global: there(&self.global)?,
            local: there(&self.local)?,
            window: self.window,
        })
    }

    /// Turns queries and keys.
    fn turn(&self, parts: Parts, local: bool) -> Result<Parts> {
        let (cos, sin) = self.tables(local);
        let tokens = parts.query.dim(2)?;
        let (cos, sin) = (cos.narrow(0, 0, tokens)?, sin.narrow(0, 0, tokens)?);
        let turn = |x: &Tensor| candle_nn::rotary_emb::rope(&x.contiguous()?, &cos, &sin);
        Ok(Parts {
            query: turn(&parts.query)?,
            key: turn(&parts.key)?,
            value: parts.value,
        })
    }
}

impl Parts {
    /// Cuts a table with a row a place, `3 * hidden` wide.
    pub(super) fn new(rows: &Tensor, group: &Group, shape: &Shape) -> Result<Self> {
        let (heads, width) = (shape.attention_heads, shape.hidden / shape.attention_heads);
        let parts = rows
            .reshape((group.sequences, group.longest, 3, heads, width))?
            .permute((2, 3, 0, 1, 4))?
            .contiguous()?;
        Ok(Self {
            query: parts.get(0)?,
            key: parts.get(1)?,
            value: parts.get(2)?,
        })
    }

    /// Every token looks at every token of its sequence.
    pub(super) fn attend_all(&self, group: &Group, shape: &Shape) -> Result<Tensor> {
        let (heads, sequences, tokens, _) = self.query.dims4()?;
        let keys = self.key.t()?;
        let mask = group.mask(self.query.device(), shape.dtype)?;
        let attend = |query: &Tensor| -> Result<Tensor> {
            let mut scores = query.matmul(&keys)?;
            if let Some(mask) = &mask {
                scores = scores.broadcast_add(mask)?;
            }
            softmax_last_dim(&scores)?.matmul(&self.value)
        };
        // Long sequences in strips, so that the scores of all tokens never lie in memory together.
        let strip = (shape.max_scores / (heads * sequences * tokens)).max(64);
        if tokens <= strip {
            return merge(&attend(&self.query)?, group, shape);
        }
        let mut strips = Vec::new();
        for start in (0..tokens).step_by(strip) {
            let count = strip.min(tokens - start);
            strips.push(attend(&self.query.narrow(2, start, count)?.contiguous()?)?);
        }
        merge(&Tensor::cat(&strips, 2)?, group, shape)
    }
}

/// Back to a table with a row a place.
fn merge(found: &Tensor, group: &Group, shape: &Shape) -> Result<Tensor> {
    found
        .permute((1, 2, 0, 3))?
        .reshape((group.sequences * group.longest, shape.hidden))
}

/// Numbers that are added to scores, in the model's precision.
fn additive(values: Vec<f32>, dims: &[usize], like: &Tensor, dtype: DType) -> Result<Tensor> {
    Tensor::from_vec(values, dims, like.device())?.to_dtype(dtype)
}
