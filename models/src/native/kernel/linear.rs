//! A linear map over packed weights.

use std::ops::Range;

use super::pack::{PackedLinear, Panels};
use super::tile::{Ahead, Sums, even, tile, with_rows};
use super::{Dot, Full, Isa, Job, Simd, TILE_REGISTERS};
use crate::native::threads::Threads;

/// Words of activations that one pass over a panel uses: they stay in the second-level cache.
const CACHED_WORDS: usize = 48 << 10;

/// Rows of activations in the order the tile reads them; [`super::rows`] writes them.
#[derive(Clone, Copy)]
pub(crate) struct Activations<'a> {
    /// Row after row, each of [`PackedLinear::words`] words.
    pub(crate) words: &'a [u32],
    /// A scale a row; unused where activations are not integers.
    pub(crate) scales: &'a [f32],
}

/// What becomes of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// They replace what is there.
    Set,
    /// They are added to what is there.
    Add,
}

/// `map(rows)` into `to`, whose rows have as many numbers as the map has outputs.
///
/// # Panics
/// When a length does not fit, or the map is packed for other lanes.
pub(crate) fn linear(
    isa: Isa,
    threads: &Threads,
    map: &PackedLinear,
    rows: Activations<'_>,
    to: &mut [f32],
    store: Store,
) {
    let count = to.len() / map.outputs;
    assert_eq!(to.len(), count * map.outputs, "whole rows of outputs");
    assert!(rows.words.len() >= count * map.words, "rows of activations");
    assert!(!map.quantised() || rows.scales.len() >= count, "scales");
    assert_eq!(map.lanes, isa.lanes(), "packed for this instruction set");
    let panels = map.panels();
    // Columns are what threads share: each thread then reads its own weights only.
    let pieces = threads.pieces(panels);
    let row_pieces = if pieces < 2 * threads.count() && threads.count() > 1 {
        (2 * threads.count())
            .div_ceil(pieces)
            .min(count.div_ceil(24))
            .max(1)
    } else {
        1
    };
    let target = Target(to.as_mut_ptr());
    threads.each(pieces * row_pieces, |piece| {
        let (column, row) = (piece % pieces, piece / pieces);
        isa.run(Block {
            map,
            rows,
            to: target,
            store,
            panels: cut(panels, pieces, column),
            range: cut(count, row_pieces, row),
        });
    });
}

/// The `index`-th of `pieces` nearly equal ranges.
pub(crate) fn cut(length: usize, pieces: usize, index: usize) -> Range<usize> {
    length * index / pieces..length * (index + 1) / pieces
}

/// Where outputs go. Several threads write to it, each to its own rows and columns.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: only `linear` makes one, from a slice that it borrows mutably for as long as the threads run, and gives each
// thread a block of rows and columns of its own (`Threads::each` runs each index once, `cut` gives disjoint ranges).
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

/// Some rows times some panels.
struct Block<'a> {
    map: &'a PackedLinear,
    rows: Activations<'a>,
    to: Target,
    store: Store,
    panels: Range<usize>,
    range: Range<usize>,
}

impl Job for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match &self.map.panels {
            Panels::Full(weights) => run(Full(simd), &self, weights.get()),
            Panels::Half(weights) => run(simd.half(), &self, weights.get()),
            Panels::Int8(weights) => run(simd.int8(), &self, weights.get()),
            Panels::Bytes(weights) => run(simd.bytes(), &self, weights.get()),
        }
    }
}

#[inline(always)]
fn run<D: Dot>(dot: D, block: &Block<'_>, weights: &[D::Element]) {
    let map = block.map;
    let (lanes, most) = (<D::Simd as Simd>::LANES, <D::Simd as Simd>::ROWS);
    let panel = map.words * D::GROUP * TILE_REGISTERS * lanes;
    let cached = (CACHED_WORDS / map.words.max(1)).next_multiple_of(most);
    let pieces = block.range.len().div_ceil(cached.max(1));
    for piece in 0..pieces {
        let piece = cut(block.range.len(), pieces, piece);
        let (tiles, short, longer) = even(piece.len(), most);
        for index in block.panels.clone() {
            let weights = &weights[index * panel..(index + 1) * panel];
            // Each weight is used by a few tiles only, which is too fast for memory to keep up by itself: the tiles of
            // this panel fetch the next one, each its part.
            let bytes = size_of_val(weights);
            let step = (bytes / map.words.max(1)).div_ceil(tiles);
            let mut row = block.range.start + piece.start;
            for tile in 0..tiles {
                let part = (tile * map.words * step).min(bytes);
                let ahead = Ahead {
                    from: weights.as_ptr().cast::<u8>().wrapping_add(bytes + part),
                    step,
                };
                let rows = short + usize::from(tile < longer);
                with_rows!(most, rows, one::<D>(dot, block, weights, index, row, ahead));
                row += rows;
            }
        }
    }
}

/// One tile: rows from `row` on times a panel.
#[inline(always)]
fn one<D: Dot, const ROWS: usize>(
    dot: D,
    block: &Block<'_>,
    weights: &[D::Element],
    panel: usize,
    row: usize,
    ahead: Ahead,
) {
    let map = block.map;
    let lanes = <D::Simd as Simd>::LANES;
    let left = &block.rows.words[row * map.words..(row + ROWS) * map.words];
    let step = D::GROUP * TILE_REGISTERS * lanes;
    assert_eq!(weights.len(), map.words * step);
    let column = panel * TILE_REGISTERS * lanes;
    let init = &map.init[column..column + TILE_REGISTERS * lanes];
    // SAFETY: `init` has `2 * LANES` elements.
    let start = unsafe { [dot.start(init.as_ptr()), dot.start(init[lanes..].as_ptr())] };
    let sums: Sums<D, ROWS> = [start; ROWS];
    // SAFETY: `left` holds `ROWS` rows of `words` words, and `weights` `words` steps of `step` elements.
    let sums = unsafe {
        let (left, right) = (left.as_ptr(), weights.as_ptr());
        tile::<_, ROWS, true>(dot, sums, left, map.words, right, step, map.words, ahead)
    };
    for (index, sums) in sums.into_iter().enumerate() {
        let row = row + index;
        for (half, sum) in sums.into_iter().enumerate() {
            let column = column + half * lanes;
            if column < map.outputs {
                let to = row * map.outputs + column;
                let places = lanes.min(map.outputs - column);
                // SAFETY: row and column lie inside the target, whose length `linear` checked, and belong to this
                // block alone.
                let to = unsafe { std::slice::from_raw_parts_mut(block.to.0.add(to), places) };
                finish(dot, block, sum, row, column, to);
            }
        }
    }
}

/// Scales the sums, adds the bias, and stores them.
#[inline(always)]
fn finish<D: Dot>(
    dot: D,
    block: &Block<'_>,
    sum: D::Sum,
    row: usize,
    column: usize,
    to: &mut [f32],
) {
    let simd = dot.simd();
    let mut values = dot.finish(sum);
    let bias = simd.load(&block.map.bias[column..]);
    if D::QUANTISED {
        let scale = simd.load(&block.map.scales[column..]);
        let scale = simd.mul(scale, simd.splat(block.rows.scales[row]));
        values = simd.fma(values, scale, bias);
    } else {
        values = simd.add(values, bias);
    }
    if block.store == Store::Add {
        values = simd.add(values, simd.load_at(to, 0));
    }
    simd.store_at(values, to, 0);
}
