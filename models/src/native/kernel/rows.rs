//! What is done to one row after another: normalisation, the feed-forward's non-linearity, packing.

use std::cell::Cell;

use super::math::{gelu, gelu_tanh, relu};
use super::pack::{PackedLinear, Panels, pack_row};
use super::{Dot, Full, Isa, Job, Simd};
use crate::native::threads::Threads;
use crate::weights::{Activation, Norm};

/// Where packed rows go.
pub(crate) struct Packing<'a> {
    /// The map that will read them.
    pub(crate) map: &'a PackedLinear,
    /// Room for its words.
    pub(crate) words: &'a mut [u32],
    /// Room for a scale a row.
    pub(crate) scales: &'a mut [f32],
}

/// What is done to a row before it is packed.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    /// Nothing.
    Copy,
    /// It is normalised; `keep` puts the result where the row was.
    Norm {
        /// The normalisation.
        norm: &'a Norm,
        /// Added to the variance.
        eps: f32,
        /// Whether the row itself changes.
        keep: bool,
    },
    /// The feed-forward's non-linearity; for [`Activation::GeGlu`] half a row is left.
    Activate(Activation),
}

/// Takes a step on each row of `rows`, which are `width` wide, and packs what comes of it.
pub(crate) fn pack(
    isa: Isa,
    threads: &Threads,
    step: Step<'_>,
    rows: &mut [f32],
    width: usize,
    packing: Packing<'_>,
) {
    let count = rows.len() / width;
    let words = packing.map.words;
    let map = packing.map;
    threads.rows(
        threads.chunk(count),
        (rows, width),
        (&mut packing.words[..count * words], words),
        (&mut packing.scales[..count], 1),
        |_, rows, words, scales| {
            let mut scratch = SCRATCH.take();
            scratch.resize(width.max(scratch.len()), 0.0);
            isa.run(PackRows {
                step,
                rows,
                width,
                map,
                words,
                scales,
                scratch: &mut scratch[..width],
            });
            SCRATCH.set(scratch);
        },
    );
}

/// Normalises each row of `rows` where it is.
pub(crate) fn norm(
    isa: Isa,
    threads: &Threads,
    norm: &Norm,
    eps: f32,
    rows: &mut [f32],
    width: usize,
) {
    let count = rows.len() / width;
    threads.rows(
        threads.chunk(count),
        (rows, width),
        (&mut [], 0),
        (&mut [], 0),
        |_, rows, _: &mut [u32], _: &mut [f32]| {
            isa.run(NormRows {
                norm,
                eps,
                rows,
                width,
            });
        },
    );
}

/// Applies the exact GELU to each number.
pub(crate) fn gelu_all(isa: Isa, numbers: &mut [f32]) {
    struct Gelu<'a>(&'a mut [f32]);
    impl Job for Gelu<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            activate(simd, Activation::Gelu, self.0);
        }
    }
    isa.run(Gelu(numbers));
}

thread_local! {
    /// Room for a row. Taken while it is used, so that nothing is borrowed across a job.
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

struct NormRows<'a> {
    norm: &'a Norm,
    eps: f32,
    rows: &'a mut [f32],
    width: usize,
}

impl Job for NormRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.rows.chunks_exact_mut(self.width) {
            let (factor, shift) = moments(simd, row, self.eps);
            apply(simd, row, self.norm, factor, shift);
        }
    }
}

struct PackRows<'a> {
    step: Step<'a>,
    rows: &'a mut [f32],
    width: usize,
    map: &'a PackedLinear,
    words: &'a mut [u32],
    scales: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Job for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match &self.map.panels {
            Panels::Full(_) => pack_rows(Full(simd), self),
            Panels::Half(_) => pack_rows(simd.half(), self),
            Panels::Int8(_) => pack_rows(simd.int8(), self),
            Panels::Bytes(_) => pack_rows(simd.bytes(), self),
        }
    }
}

#[inline(always)]
fn pack_rows<D: Dot>(dot: D, job: PackRows<'_>) {
    let simd = dot.simd();
    let rows = job.rows.chunks_exact_mut(job.width);
    let words = job.words.chunks_exact_mut(job.map.words);
    for ((row, words), scale) in rows.zip(words).zip(job.scales) {
        let ready: &[f32] = match job.step {
            Step::Copy => row,
            Step::Norm { norm, eps, keep } => {
                let (factor, shift) = moments(simd, row, eps);
                let to = if keep {
                    row
                } else {
                    job.scratch.copy_from_slice(row);
                    &mut *job.scratch
                };
                apply(simd, to, norm, factor, shift);
                to
            }
            Step::Activate(activation) => activate(simd, activation, row),
        };
        *scale = pack_row(dot, &ready[..job.map.inputs], words);
    }
}

/// What a row is multiplied with, and what is added then, so that its mean is 0 and its variance 1.
#[inline(always)]
fn moments<S: Simd>(simd: S, row: &[f32], eps: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let (body, tail) = row.split_at(row.len() / S::LANES * S::LANES);
    let mut sum = simd.splat(0.0);
    for lanes in body.chunks_exact(S::LANES) {
        sum = simd.add(sum, simd.load(lanes));
    }
    let mut mean = simd.sum(sum);
    for value in tail {
        mean += value;
    }
    mean /= count;
    // The squares are taken around the mean: the difference of two large sums would lose digits.
    let centre = simd.splat(mean);
    let mut squares = simd.splat(0.0);
    for lanes in body.chunks_exact(S::LANES) {
        let value = simd.sub(simd.load(lanes), centre);
        squares = simd.fma(value, value, squares);
    }
    let mut variance = simd.sum(squares);
    for value in tail {
        variance += (value - mean) * (value - mean);
    }
    let factor = 1.0 / (variance / count + eps).sqrt();
    (factor, -mean * factor)
}

#[inline(always)]
fn apply<S: Simd>(simd: S, row: &mut [f32], norm: &Norm, factor: f32, shift: f32) {
    let (factor, shift) = (simd.splat(factor), simd.splat(shift));
    let mut at = 0;
    while at < row.len() {
        let value = simd.fma(simd.load_at(row, at), factor, shift);
        let mut value = simd.mul(value, simd.load_at(&norm.weight, at));
        if let Some(bias) = &norm.bias {
            value = simd.add(value, simd.load_at(bias, at));
        }
        simd.store_at(value, row, at);
        at += S::LANES;
    }
}

/// Applies the non-linearity; what comes of it is at the front of the row.
#[inline(always)]
fn activate<S: Simd>(simd: S, activation: Activation, row: &mut [f32]) -> &[f32] {
    let (front, back) = match activation {
        Activation::GeGlu => row.split_at_mut(row.len() / 2),
        _ => (row, [].as_mut_slice()),
    };
    let mut at = 0;
    while at < front.len() {
        let value = simd.load_at(front, at);
        let value = match activation {
            Activation::Gelu => gelu(simd, value),
            Activation::GeluTanh => gelu_tanh(simd, value),
            Activation::Relu => relu(simd, value),
            Activation::GeGlu => simd.mul(gelu(simd, value), simd.load_at(back, at)),
        };
        simd.store_at(value, front, at);
        at += S::LANES;
    }
    front
}
