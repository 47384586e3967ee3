//! Attention within a window: each block of tokens looks at itself and its two neighbours.

use candle_core::{Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::super::Shape;
use super::super::group::{Group, never, once};
use super::{Parts, additive, merge};

/// The least tokens of a block: smaller ones only make more and smaller multiplications.
const MIN_BLOCK: usize = 16;

impl Parts {
    /// Every token looks at those at most `window` away from it.
    pub(in super::super) fn attend_near(
        &self,
        window: usize,
        group: &Group,
        shape: &Shape,
    ) -> Result<Tensor> {
        let block = window.max(MIN_BLOCK);
        let tokens = group.longest;
        // Up to three blocks, blocks save nothing.
        if tokens <= 3 * block {
            let mask = once(&group.shared.near, || {
                near_mask(window, group, shape, (tokens, 1, 0), &self.query)
            })?;
            let scores = self.query.matmul(&self.key.t()?)?;
            let scores = scores.broadcast_add(&mask.squeeze(2)?)?;
            return merge(
                &softmax_last_dim(&scores)?.matmul(&self.value)?,
                group,
                shape,
            );
        }
        let (heads, sequences, _, width) = self.query.dims4()?;
        let blocks = tokens.div_ceil(block);
        let behind = blocks * block - tokens;
        let dims = (heads, sequences, blocks, block, width);
        let query = self.query.pad_with_zeros(2, 0, behind)?.reshape(dims)?;
        // Blocks with their neighbours; before the first and behind the last stand zeros.
        let neighbours = |x: &Tensor| -> Result<Tensor> {
            let x = x.pad_with_zeros(2, block, behind + block)?;
            let shifted = |index: usize| -> Result<Tensor> {
                x.narrow(2, index * block, blocks * block)?.reshape(dims)
            };
            Tensor::cat(&[shifted(0)?, shifted(1)?, shifted(2)?], 3)
        };
        let flat = |x: Tensor, rows: usize| x.reshape((heads * sequences * blocks, rows, width));
        let query = flat(query, block)?;
        let key = flat(neighbours(&self.key)?, 3 * block)?;
        let value = flat(neighbours(&self.value)?, 3 * block)?;
        let mask = once(&group.shared.near, || {
            near_mask(window, group, shape, (block, blocks, block), &self.query)
        })?;
        let scores = query
            .matmul(&key.t()?)?
            .reshape((heads, sequences, blocks, block, 3 * block))?
            .broadcast_add(&mask)?
            .reshape((heads * sequences * blocks, block, 3 * block))?;
        let found = softmax_last_dim(&scores)?
            .matmul(&value)?
            .reshape((heads, sequences, blocks * block, width))?
            .narrow(2, 0, tokens)?;
        merge(&found, group, shape)
    }
}

/// What to add to the scores of `blocks` blocks of `block` tokens, which look at `before` more tokens before and behind
/// themselves: `1 × sequences (or 1) × blocks × block × (block + 2 * before)`.
fn near_mask(
    window: usize,
    group: &Group,
    shape: &Shape,
    (block, blocks, before): (usize, usize, usize),
    like: &Tensor,
) -> Result<Tensor> {
    let never = never(shape.dtype);
    let equal = [group.longest];
    let lengths = group.lengths().unwrap_or(&equal);
    let columns = block + 2 * before;
    let mut values = Vec::with_capacity(lengths.len() * blocks * block * columns);
    for length in lengths {
        for token in 0..blocks * block {
            let first = token / block * block;
            for column in 0..columns {
                // Counted from `before` tokens before the sequence, so that nothing is negative.
                let seen = first + column;
                let inside = seen >= before && seen < before + length;
                let near = seen.abs_diff(token + before) <= window;
                values.push(if inside && near { 0.0 } else { never });
            }
        }
    }
    let dims = [1, lengths.len(), blocks, block, columns];
    additive(values, &dims, like, shape.dtype)
}
