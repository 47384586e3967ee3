//! Plain Rust: the yardstick of the other instruction sets, and what runs where none of them is to be had.

use super::{Dot, Job, Simd, Widened};

/// Eight lanes in an array; the compiler makes of them what the target's baseline offers.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const ROWS: usize = 2;
    type V = [f32; LANES];
    type Int8 = PortableInt8;
    type Bytes = PortableInt8;
    type Half = Widened<Self>;

    fn int8(self) -> PortableInt8 {
        PortableInt8
    }
    fn bytes(self) -> PortableInt8 {
        PortableInt8
    }
    fn half(self) -> Widened<Self> {
        Widened(self)
    }
    fn vectorize<J: Job>(self, job: J) -> J::Output {
        job.run(self)
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        map(|i| from[i])
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        to[..LANES].copy_from_slice(&value);
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // `mul_add` is a library call where the target's baseline has no such instruction.
        map(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        map(|i| a[i].round_ties_even())
    }
    #[inline(always)]
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V {
        map(|i| a[i] * f32::from_bits(((n[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn with_sign(self, size: Self::V, sign: Self::V) -> Self::V {
        map(|i| size[i].copysign(sign[i]))
    }
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        map(|i| a[i].abs())
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        a.iter().sum()
    }
    #[inline(always)]
    fn largest(self, a: Self::V) -> f32 {
        a.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    unsafe fn widen(self, from: *const u16) -> Self::V {
        // SAFETY: the caller promises `LANES` elements.
        let from = unsafe { std::slice::from_raw_parts(from, LANES) };
        map(|i| f32::from_bits(u32::from(from[i]) << 16))
    }
}

/// Pairs of 16-bit activations with 8-bit weights.
#[derive(Clone, Copy)]
pub(crate) struct PortableInt8;

impl Dot for PortableInt8 {
    type Simd = Portable;
    type Element = i8;
    type Sum = [i32; LANES];
    type Left = [i32; 2];
    type Right = [i8; 2 * LANES];
    const GROUP: usize = 2;
    const QUANTISED: bool = true;

    fn limit(k: usize) -> f32 {
        super::pack::wide_limit(k)
    }
    #[inline(always)]
    fn simd(self) -> Portable {
        Portable
    }
    #[inline(always)]
    unsafe fn start(self, init: *const i32) -> Self::Sum {
        // SAFETY: the caller promises `LANES` elements; an array has no stricter alignment than its elements.
        unsafe { init.cast::<[i32; LANES]>().read() }
    }
    #[inline(always)]
    fn zero(self) -> Self::Sum {
        [0; LANES]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> Self::Right {
        // SAFETY: the caller promises `LANES * 2` elements; an array has no stricter alignment than its elements.
        unsafe { from.cast::<[i8; 2 * LANES]>().read() }
    }
    #[inline(always)]
    fn word(self, word: u32) -> Self::Left {
        [i32::from(word as u16 as i16), (word as i32) >> 16]
    }
    #[inline(always)]
    fn dot(self, sum: Self::Sum, left: Self::Left, right: Self::Right) -> Self::Sum {
        std::array::from_fn(|i| {
            sum[i] + left[0] * i32::from(right[2 * i]) + left[1] * i32::from(right[2 * i + 1])
        })
    }
    #[inline(always)]
    fn finish(self, sum: Self::Sum) -> [f32; LANES] {
        map(|i| sum[i] as f32)
    }
    #[inline(always)]
    fn pack(self, values: [f32; LANES], to: &mut [u32]) {
        for (to, pair) in to[..LANES / 2].iter_mut().zip(values.chunks_exact(2)) {
            let low = pair[0].round_ties_even() as i16 as u16;
            let high = pair[1].round_ties_even() as i16 as u16;
            *to = u32::from(low) | u32::from(high) << 16;
        }
    }
}
