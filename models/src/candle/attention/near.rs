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
///
/// Put together on the device from two small tables: what is near is the same for all blocks, and where a sequence ends
/// the same for all tokens of a block. Whole, it would be the largest upload of a batch.
fn near_mask(
    window: usize,
    group: &Group,
    shape: &Shape,
    (block, blocks, before): (usize, usize, usize),
    like: &Tensor,
) -> Result<Tensor> {
    // Half of it, so that both together are finite.
    let never = never(shape.dtype) / 2.0;
    let score = |seen: bool| if seen { 0.0 } else { never };
    let equal = [group.longest];
    let lengths = group.lengths().unwrap_or(&equal);
    let columns = block + 2 * before;
    // Columns are counted from `before` tokens before the block, so that nothing is negative.
    let near = (0..block).flat_map(|token| {
        (0..columns).map(move |column| score(column.abs_diff(token + before) <= window))
    });
    let inside = lengths.iter().flat_map(|length| {
        (0..blocks).flat_map(move |index| {
            let place = move |column: usize| index * block + column;
            (0..columns)
                .map(move |column| score((before..before + length).contains(&place(column))))
        })
    });
    let near = additive(
        near.collect(),
        &[1, 1, 1, block, columns],
        like,
        shape.dtype,
    )?;
    let dims = [1, lengths.len(), blocks, 1, columns];
    additive(inside.collect(), &dims, like, shape.dtype)?.broadcast_add(&near)
}
