//! Attention over concatenated sequences: each row sees its own sequence, or a window of it, and nothing is padded.
//!
//! Keys and values are first put into the order of the tile ([`prepare`]): blocks of as many tokens as a panel has
//! columns. Blocks do not care where sequences begin; a row's scores are cut out of the blocks it touches.

use std::cell::Cell;
use std::ops::Range;

use super::math::exp;
use super::tile::{Ahead, Sums, even, tile, with_rows};
use super::{Full, Isa, Job, Simd, TILE_REGISTERS};
use crate::native::threads::Threads;
use crate::rotary::Turns;

/// The shape of attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Heads of a layer.
    pub(crate) heads: usize,
    /// Numbers of a head.
    pub(crate) width: usize,
    /// Lanes of the instruction set.
    pub(crate) lanes: usize,
}

impl Shape {
    /// Width of a token's vector.
    fn hidden(self) -> usize {
        self.heads * self.width
    }

    /// Tokens of a block.
    pub(crate) fn block(self) -> usize {
        TILE_REGISTERS * self.lanes
    }

    /// A head's width, padded to whole panels.
    fn padded(self) -> usize {
        self.width.next_multiple_of(self.block())
    }

    /// Numbers of the keys of so many tokens, in blocks.
    pub(crate) fn keys(self, tokens: usize) -> usize {
        tokens.next_multiple_of(self.block()) * self.hidden()
    }

    /// Numbers of the values of so many tokens, in blocks.
    pub(crate) fn values(self, tokens: usize) -> usize {
        tokens.next_multiple_of(self.block()) * self.heads * self.padded()
    }
}

/// Keys and values in blocks.
pub(crate) struct Blocks<'a> {
    /// Block after block: for each head, for each of its numbers, that of each token.
    pub(crate) keys: &'a mut [f32],
    /// Block after block: for each head, for each token, its numbers.
    pub(crate) values: &'a mut [f32],
}

/// The sequence that a row belongs to: rows from `start` to before `end`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The sequence's first row.
    pub(crate) start: usize,
    /// The row after its last.
    pub(crate) end: usize,
}

/// Turns queries and keys by their positions' angles, scales the queries, and puts keys and values into blocks.
///
/// `qkv` has a query, a key and a value a row; `places` has each row's sequence.
///
/// # Panics
/// When a length does not fit.
pub(crate) fn prepare(
    isa: Isa,
    threads: &Threads,
    shape: Shape,
    angles: Option<&Turns>,
    places: &[Place],
    qkv: &mut [f32],
    blocks: Blocks<'_>,
) {
    let count = places.len();
    assert_eq!(qkv.len(), count * 3 * shape.hidden(), "rows");
    assert_eq!(shape.lanes, isa.lanes(), "blocks of this instruction set");
    let block = shape.block();
    threads.rows(
        1,
        (qkv, block * 3 * shape.hidden()),
        (
            &mut blocks.keys[..shape.keys(count)],
            block * shape.hidden(),
        ),
        (
            &mut blocks.values[..shape.values(count)],
            block * shape.heads * shape.padded(),
        ),
        |index, qkv, keys, values| {
            isa.run(Prepare {
                shape,
                angles,
                first: index * block,
                places,
                qkv,
                keys,
                values,
            });
        },
    );
}

struct Prepare<'a> {
    shape: Shape,
    angles: Option<&'a Turns>,
    first: usize,
    places: &'a [Place],
    qkv: &'a mut [f32],
    keys: &'a mut [f32],
    values: &'a mut [f32],
}

impl Job for Prepare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (hidden, width) = (self.shape.hidden(), self.shape.width);
        let (block, padded) = (self.shape.block(), self.shape.padded());
        let scale = 1.0 / (width as f32).sqrt();
        self.values.fill(0.0);
        for (token, row) in self.qkv.chunks_exact_mut(3 * hidden).enumerate() {
            let (queries, rest) = row.split_at_mut(hidden);
            let (keys, values) = rest.split_at_mut(hidden);
            if let Some(angles) = self.angles {
                let row = self.first + token;
                let half = width / 2;
                let at = (row - self.places[row].start) * half;
                let (cos, sin) = (&angles.cos[at..at + half], &angles.sin[at..at + half]);
                turn(simd, queries, width, cos, sin, scale);
                turn(simd, keys, width, cos, sin, 1.0);
            } else {
                multiply(simd, queries, scale);
            }
            for (head, from) in values.chunks_exact(width).enumerate() {
                let to = (head * block + token) * padded;
                self.values[to..to + width].copy_from_slice(from);
            }
        }
        // Turned around: a token's numbers lie beside those of its neighbours.
        for (index, to) in self.keys.chunks_exact_mut(block).enumerate() {
            let from = self.qkv[hidden + index..].iter().step_by(3 * hidden);
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    }
}

/// Turns each head of a row: its first half and its second half are the coordinates.
#[inline(always)]
fn turn<S: Simd>(simd: S, row: &mut [f32], width: usize, cos: &[f32], sin: &[f32], scale: f32) {
    let scale = simd.splat(scale);
    for head in row.chunks_exact_mut(width) {
        let (x, y) = head.split_at_mut(width / 2);
        let mut at = 0;
        while at < x.len() {
            let (a, b) = (simd.load_at(x, at), simd.load_at(y, at));
            let cos = simd.mul(simd.load_at(cos, at), scale);
            let sin = simd.mul(simd.load_at(sin, at), scale);
            simd.store_at(simd.sub(simd.mul(a, cos), simd.mul(b, sin)), x, at);
            simd.store_at(simd.fma(b, cos, simd.mul(a, sin)), y, at);
            at += S::LANES;
        }
    }
}

#[inline(always)]
fn multiply<S: Simd>(simd: S, row: &mut [f32], factor: f32) {
    let factor = simd.splat(factor);
    let mut at = 0;
    while at < row.len() {
        simd.store_at(simd.mul(simd.load_at(row, at), factor), row, at);
        at += S::LANES;
    }
}

/// What attention reads.
#[derive(Clone, Copy)]
pub(crate) struct Attended<'a> {
    /// What [`prepare`] left: turned and scaled queries at the front of each row.
    pub(crate) qkv: &'a [f32],
    /// Keys in blocks.
    pub(crate) keys: &'a [f32],
    /// Values in blocks.
    pub(crate) values: &'a [f32],
    /// Each row's sequence.
    pub(crate) places: &'a [Place],
    /// So many tokens to either side are seen; all when there is none.
    pub(crate) window: Option<usize>,
}

/// Attention of the rows `queries`, one row of `to` each.
///
/// # Panics
/// When a length does not fit, or a query is none of the rows.
pub(crate) fn attend(
    isa: Isa,
    threads: &Threads,
    shape: Shape,
    from: Attended<'_>,
    queries: &[usize],
    to: &mut [f32],
) {
    let (count, hidden) = (from.places.len(), shape.hidden());
    assert_eq!(to.len(), queries.len() * hidden, "a row a query");
    assert!(from.qkv.len() >= count * 3 * hidden, "rows");
    assert!(from.keys.len() >= shape.keys(count), "keys");
    assert!(from.values.len() >= shape.values(count), "values");
    assert_eq!(shape.lanes, isa.lanes(), "blocks of this instruction set");
    assert!(
        from.places
            .iter()
            .all(|place| place.start <= place.end && place.end <= count),
        "places"
    );
    let chunk = threads.chunk(queries.len()).div_ceil(2).max(12);
    threads.rows(
        1,
        (to, chunk * hidden),
        (&mut [], 0),
        (&mut [], 0),
        |index, to, _: &mut [u32], _: &mut [u32]| {
            let queries = &queries[index * chunk..];
            let queries = &queries[..to.len() / hidden];
            let mut scores = SCORES.take();
            isa.run(Attend {
                shape,
                from,
                queries,
                to,
                scores: &mut scores,
            });
            SCORES.set(scores);
        },
    );
}

thread_local! {
    /// Scores of a tile's rows. Taken while it is used, so that nothing is borrowed across a job.
    static SCORES: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

struct Attend<'a> {
    shape: Shape,
    from: Attended<'a>,
    queries: &'a [usize],
    to: &'a mut [f32],
    scores: &'a mut Vec<f32>,
}

impl Job for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let mut first = 0;
        while first < self.queries.len() {
            // Neighbours in one sequence go through a head together, so that its keys and values stay in the cache.
            let row = self.queries[first];
            let place = self.from.places[row];
            let run = self.queries[first..]
                .iter()
                .enumerate()
                .take_while(|(index, query)| **query == row + index && **query < place.end)
                .count();
            let (tiles, short, longer) = even(run, S::ROWS);
            for head in 0..self.shape.heads {
                let mut at = first;
                for tile in 0..tiles {
                    let rows = short + usize::from(tile < longer);
                    with_rows!(S::ROWS, rows, one::<S>(simd, &mut self, place, head, at));
                    at += rows;
                }
            }
            first += run;
        }
    }
}

/// One head of `ROWS` neighbouring queries, the first of them at `at`.
#[inline(always)]
fn one<S: Simd, const ROWS: usize>(
    simd: S,
    job: &mut Attend<'_>,
    place: Place,
    head: usize,
    at: usize,
) {
    let row = job.queries[at];
    let window = job.from.window.unwrap_or(usize::MAX);
    let seen = |first: usize, last: usize| {
        let start = first.saturating_sub(window).max(place.start);
        start..last.saturating_add(window).saturating_add(1).min(place.end)
    };
    let all = seen(row, row + ROWS - 1);
    let block = job.shape.block();
    let blocks = all.start / block..all.end.div_ceil(block);
    let width = blocks.len() * block;
    if job.scores.len() < ROWS * width {
        job.scores.resize(ROWS * width, 0.0);
    }
    let scores = &mut job.scores[..ROWS * width];
    score::<S, ROWS>(simd, job.shape, job.from, head, row, blocks.clone(), scores);
    let mut factors = [0.0; ROWS];
    for (index, scores) in scores.chunks_exact_mut(width).enumerate() {
        let seen = seen(row + index, row + index);
        let (start, end) = (
            seen.start - blocks.start * block,
            seen.end - blocks.start * block,
        );
        scores[..start].fill(0.0);
        scores[end..].fill(0.0);
        factors[index] = 1.0 / exponentials(simd, &mut scores[start..end]);
    }
    let hidden = job.shape.hidden();
    let to = &mut job.to[at * hidden..(at + ROWS) * hidden];
    mix::<S, ROWS>(
        simd,
        job.shape,
        job.from.values,
        head,
        blocks,
        scores,
        factors,
        to,
    );
}

/// Queries times keys.
#[inline(always)]
fn score<S: Simd, const ROWS: usize>(
    simd: S,
    shape: Shape,
    from: Attended<'_>,
    head: usize,
    row: usize,
    blocks: Range<usize>,
    scores: &mut [f32],
) {
    let (hidden, block) = (shape.hidden(), shape.block());
    let width = blocks.len() * block;
    let queries = &from.qkv[row * 3 * hidden..(row + ROWS) * 3 * hidden][head * shape.width..];
    assert!(queries.len() >= (ROWS - 1) * 3 * hidden + shape.width);
    let zero: Sums<Full<S>, ROWS> = [[simd.splat(0.0); TILE_REGISTERS]; ROWS];
    for (index, key) in blocks.enumerate() {
        let keys = &from.keys[(key * shape.heads + head) * shape.width * block..];
        let keys = &keys[..shape.width * block];
        // SAFETY: `queries` reaches to the end of the last row's head, a `f32` is as good as a word, and `keys` has
        // `width` steps of `block = 2 * LANES` numbers.
        let sums = unsafe {
            let (left, right) = (queries.as_ptr().cast(), keys.as_ptr());
            tile::<_, ROWS, false>(
                Full(simd),
                zero,
                left,
                3 * hidden,
                right,
                block,
                shape.width,
                Ahead::NOTHING,
            )
        };
        for (row, [first, second]) in sums.into_iter().enumerate() {
            let to = &mut scores[row * width + index * block..][..block];
            simd.store(first, to);
            simd.store(second, &mut to[S::LANES..]);
        }
    }
}

/// `e^(x - largest)` of each; gives their sum.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, row: &mut [f32]) -> f32 {
    let (body, tail) = row.split_at_mut(row.len() / S::LANES * S::LANES);
    let mut most = simd.splat(f32::NEG_INFINITY);
    for lanes in body.chunks_exact(S::LANES) {
        most = simd.max(most, simd.load(lanes));
    }
    let mut most = simd.largest(most);
    for value in tail.iter() {
        most = most.max(*value);
    }
    let most = simd.splat(most);
    let mut sum = simd.splat(0.0);
    for lanes in body.chunks_exact_mut(S::LANES) {
        let value = exp(simd, simd.sub(simd.load(lanes), most));
        sum = simd.add(sum, value);
        simd.store(value, lanes);
    }
    let mut sum = simd.sum(sum);
    let value = exp(simd, simd.sub(simd.load_at(tail, 0), most));
    simd.store_at(value, tail, 0);
    for value in tail.iter() {
        sum += *value;
    }
    sum
}

/// Scores times values, divided by the scores' sums.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn mix<S: Simd, const ROWS: usize>(
    simd: S,
    shape: Shape,
    values: &[f32],
    head: usize,
    blocks: Range<usize>,
    scores: &[f32],
    factors: [f32; ROWS],
    to: &mut [f32],
) {
    let (hidden, block, padded) = (shape.hidden(), shape.block(), shape.padded());
    let width = blocks.len() * block;
    assert_eq!(scores.len(), ROWS * width);
    let mut column = 0;
    while column < shape.width {
        let mut sums: Sums<Full<S>, ROWS> = [[simd.splat(0.0); TILE_REGISTERS]; ROWS];
        for (index, value) in blocks.clone().enumerate() {
            let values = &values[(value * shape.heads + head) * block * padded..];
            let values = &values[column..block * padded];
            assert!(values.len() >= (block - 1) * padded + block);
            // SAFETY: each of the `ROWS` rows of scores has `block` numbers from `index * block` on, a `f32` is as
            // good as a word, and each of the `block` rows of values has `block = 2 * LANES` from `column` on.
            sums = unsafe {
                let left = scores.as_ptr().add(index * block).cast();
                tile::<_, ROWS, false>(
                    Full(simd),
                    sums,
                    left,
                    width,
                    values.as_ptr(),
                    padded,
                    block,
                    Ahead::NOTHING,
                )
            };
        }
        for (row, sums) in sums.into_iter().enumerate() {
            let factor = simd.splat(factors[row]);
            let to = &mut to[row * hidden + head * shape.width..][..shape.width];
            for (half, sum) in sums.into_iter().enumerate() {
                let column = column + half * S::LANES;
                if column < to.len() {
                    simd.store_at(simd.mul(sum, factor), to, column);
                }
            }
        }
        column += block;
    }
}
