//! NEON with the dot product: eight lanes in two registers.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use super::{Dot, Job, Simd, Widened};

/// Proof that the processor has NEON and the dot product.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// The proof, when it holds.
    pub(crate) fn detect() -> Option<Self> {
        (is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("dotprod"))
            .then_some(Self(()))
    }

    #[target_feature(enable = "neon,dotprod")]
    fn enter<J: Job>(self, job: J) -> J::Output {
        job.run(self)
    }
}

const LANES: usize = 8;

/// Calls an intrinsic that touches no memory.
macro_rules! neon {
    ($call:expr) => {
        // SAFETY: `self` proves that the processor has NEON, and the intrinsic touches no memory.
        unsafe { $call }
    };
}

/// The same on both halves.
macro_rules! both {
    ($call:ident($($value:ident),*)) => {
        neon!(Pair($call($($value.0),*), $call($($value.1),*)))
    };
}

/// Eight lanes.
#[derive(Clone, Copy)]
pub(crate) struct Pair<T>(T, T);

impl Simd for Neon {
    const LANES: usize = LANES;
    const ROWS: usize = 6;
    type V = Pair<float32x4_t>;
    type Int8 = NeonInt8;
    type Bytes = NeonInt8;
    type Half = Widened<Self>;

    #[inline(always)]
    fn int8(self) -> NeonInt8 {
        NeonInt8(self)
    }
    #[inline(always)]
    fn bytes(self) -> NeonInt8 {
        self.int8()
    }
    #[inline(always)]
    fn half(self) -> Widened<Self> {
        Widened(self)
    }
    fn vectorize<J: Job>(self, job: J) -> J::Output {
        // SAFETY: `self` proves that the processor has NEON and the dot product.
        unsafe { self.enter(job) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        neon!(Pair(vdupq_n_f32(value), vdupq_n_f32(value)))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::V {
        assert!(from.len() >= LANES);
        // SAFETY: the slice has eight numbers; `self` proves NEON.
        unsafe { Pair(vld1q_f32(from.as_ptr()), vld1q_f32(from.as_ptr().add(4))) }
    }
    #[inline(always)]
    fn store(self, value: Self::V, to: &mut [f32]) {
        assert!(to.len() >= LANES);
        // SAFETY: the slice has eight places; `self` proves NEON.
        unsafe {
            vst1q_f32(to.as_mut_ptr(), value.0);
            vst1q_f32(to.as_mut_ptr().add(4), value.1);
        }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        both!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vmaxq_f32(a, b))
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        both!(vminq_f32(a, b))
    }
    #[inline(always)]
    fn round(self, a: Self::V) -> Self::V {
        both!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V {
        let half = |a, n| {
            neon!({
                let exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
                vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent)))
            })
        };
        Pair(half(a.0, n.0), half(a.1, n.1))
    }
    #[inline(always)]
    fn with_sign(self, size: Self::V, sign: Self::V) -> Self::V {
        let half = |size, sign| neon!(vbslq_f32(vdupq_n_u32(0x8000_0000), sign, size));
        Pair(half(size.0, sign.0), half(size.1, sign.1))
    }
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        both!(vabsq_f32(a))
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        neon!(vaddvq_f32(vaddq_f32(a.0, a.1)))
    }
    #[inline(always)]
    fn largest(self, a: Self::V) -> f32 {
        neon!(vmaxvq_f32(vmaxq_f32(a.0, a.1)))
    }
    #[inline(always)]
    unsafe fn widen(self, from: *const u16) -> Self::V {
        // SAFETY: the caller promises eight elements; `self` proves NEON.
        unsafe {
            let half = vld1q_u16(from);
            let low = vshll_n_u16::<16>(vget_low_u16(half));
            let high = vshll_n_u16::<16>(vget_high_u16(half));
            Pair(vreinterpretq_f32_u32(low), vreinterpretq_f32_u32(high))
        }
    }
}

/// Four signed 8-bit activations with four signed 8-bit weights (`sdot`).
#[derive(Clone, Copy)]
pub(crate) struct NeonInt8(Neon);

/// The `sdot` instruction, whose intrinsic is not stable yet (rust-lang/rust#117224).
#[inline(always)]
fn sdot(_proof: Neon, mut sum: int32x4_t, left: int8x16_t, right: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction only touches its registers; `_proof` says that the processor has it.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {left:v}.16b, {right:v}.16b",
            sum = inout(vreg) sum,
            left = in(vreg) left,
            right = in(vreg) right,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

impl Dot for NeonInt8 {
    type Simd = Neon;
    type Element = i8;
    type Sum = Pair<int32x4_t>;
    type Left = int8x16_t;
    type Right = Pair<int8x16_t>;
    const GROUP: usize = 4;
    const QUANTISED: bool = true;

    fn limit(_k: usize) -> f32 {
        127.0
    }
    #[inline(always)]
    fn simd(self) -> Neon {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, init: *const i32) -> Self::Sum {
        // SAFETY: the caller promises eight elements; `self` proves NEON.
        unsafe { Pair(vld1q_s32(init), vld1q_s32(init.add(4))) }
    }
    #[inline(always)]
    fn zero(self) -> Self::Sum {
        neon!(Pair(vdupq_n_s32(0), vdupq_n_s32(0)))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> Self::Right {
        // SAFETY: the caller promises 32 elements; `self` proves NEON.
        unsafe { Pair(vld1q_s8(from), vld1q_s8(from.add(16))) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> Self::Left {
        neon!(vreinterpretq_s8_u32(vdupq_n_u32(word)))
    }
    #[inline(always)]
    fn dot(self, sum: Self::Sum, left: Self::Left, right: Self::Right) -> Self::Sum {
        Pair(
            sdot(self.0, sum.0, left, right.0),
            sdot(self.0, sum.1, left, right.1),
        )
    }
    #[inline(always)]
    fn finish(self, sum: Self::Sum) -> Pair<float32x4_t> {
        both!(vcvtq_f32_s32(sum))
    }
    #[inline(always)]
    fn pack(self, values: Pair<float32x4_t>, to: &mut [u32]) {
        assert!(to.len() >= LANES / 4);
        // SAFETY: the slice has two places of 32 bits, which are eight bytes; `self` proves NEON.
        unsafe {
            let low = vmovn_s32(vcvtnq_s32_f32(values.0));
            let high = vmovn_s32(vcvtnq_s32_f32(values.1));
            vst1_s8(to.as_mut_ptr().cast(), vmovn_s16(vcombine_s16(low, high)));
        }
    }
}
