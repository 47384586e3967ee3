//! What the processor could do at best: the tile's instructions without any memory.

use std::hint::black_box;
use std::time::Instant;

use super::{Dot, Full, Isa, Job, Simd, TILE_REGISTERS};
use crate::native::Precision;

/// Independent sums, as many as the tile has: enough to hide an instruction's latency.
const SUMS: usize = 12;

/// Steps of a round.
const STEPS: usize = 20_000;

/// Operations a second of one thread (a multiplication and an addition are two), the best of `rounds`.
pub(crate) fn peak(isa: Isa, precision: Precision, rounds: usize) -> f64 {
    (0..rounds).fold(0.0, |best, _| isa.run(Peak(precision)).max(best))
}

struct Peak(Precision);

impl Job for Peak {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f64 {
        match self.0 {
            Precision::F32 => steps(Full(simd), &[1e-20; 128]),
            Precision::Bf16 => steps(simd.half(), &[0; 128]),
            Precision::Int8 => steps(simd.int8(), &[1; 128]),
            Precision::W8a8 => steps(simd.bytes(), &[1; 128]),
        }
    }
}

#[inline(always)]
fn steps<D: Dot>(dot: D, weights: &[D::Element; 128]) -> f64 {
    let weights = black_box(weights);
    // SAFETY: no register has more than 64 elements.
    let right = unsafe { [dot.load(weights.as_ptr()), dot.load(weights[64..].as_ptr())] };
    // Words come from memory, one for two sums as in the tile: else the products would be the same in every step, and
    // computed once.
    let words = black_box([0x0001_0001u32; 64]);
    let mut sums = [[dot.zero(); TILE_REGISTERS]; SUMS / TILE_REGISTERS];
    let start = Instant::now();
    for step in 0..STEPS {
        for (row, sums) in sums.iter_mut().enumerate() {
            let word = dot.word(words[(step + row) % words.len()]);
            sums[0] = dot.dot(sums[0], word, right[0]);
            sums[1] = dot.dot(sums[1], word, right[1]);
        }
    }
    let time = start.elapsed().as_secs_f64();
    for sum in sums.into_iter().flatten() {
        black_box(dot.simd().sum(dot.finish(sum)));
    }
    let products = STEPS * SUMS * <D::Simd as Simd>::LANES * D::GROUP;
    2.0 * products as f64 / time
}
