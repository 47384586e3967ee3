//! AVX-512 with VNNI, and with BF16 where there is that too: sixteen lanes.

use std::arch::asm;
use std::arch::x86_64::*;

use super::{Dot, Job, Simd, Widened};

const LANES: usize = 16;

/// Calls an intrinsic that touches no memory.
macro_rules! avx512 {
    ($call:expr) => {
        // SAFETY: `self` proves that the processor has the instructions, and the intrinsic touches no memory.
        unsafe { $call }
    };
}

/// Implements [`Simd`] for a level of AVX-512.
macro_rules! level {
    ($(#[$doc:meta])* $name:ident, [$($asked:tt),*], $enabled:literal, $half:ty, $make_half:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub(crate) struct $name(());

        impl $name {
            /// The proof, when it holds.
            pub(crate) fn detect() -> Option<Self> {
                (true $(&& is_x86_feature_detected!($asked))*).then_some(Self(()))
            }

            #[target_feature(enable = $enabled)]
            fn enter<J: Job>(self, job: J) -> J::Output {
                job.run(self)
            }
        }

        impl Simd for $name {
            const LANES: usize = LANES;
            const ROWS: usize = 12;
            type V = __m512;
            type Int8 = Wide<Self>;
            type Bytes = Vnni<Self>;
            type Half = $half;

            #[inline(always)]
            fn int8(self) -> Wide<Self> {
                Wide(self)
            }
            #[inline(always)]
            fn bytes(self) -> Vnni<Self> {
                Vnni(self)
            }
            #[inline(always)]
            fn half(self) -> $half {
                $make_half(self)
            }
            fn vectorize<J: Job>(self, job: J) -> J::Output {
                // SAFETY: `self` proves that the processor has what the function is compiled for.
                unsafe { self.enter(job) }
            }
            #[inline(always)]
            fn splat(self, value: f32) -> __m512 {
                avx512!(_mm512_set1_ps(value))
            }
            #[inline(always)]
            fn load(self, from: &[f32]) -> __m512 {
                assert!(from.len() >= LANES);
                // SAFETY: the slice has sixteen numbers; `self` proves AVX-512.
                unsafe { _mm512_loadu_ps(from.as_ptr()) }
            }
            #[inline(always)]
            fn store(self, value: __m512, to: &mut [f32]) {
                assert!(to.len() >= LANES);
                // SAFETY: the slice has sixteen places; `self` proves AVX-512.
                unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
            }
            #[inline(always)]
            fn add(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_add_ps(a, b))
            }
            #[inline(always)]
            fn sub(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_sub_ps(a, b))
            }
            #[inline(always)]
            fn mul(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_mul_ps(a, b))
            }
            #[inline(always)]
            fn div(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_div_ps(a, b))
            }
            #[inline(always)]
            fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
                avx512!(_mm512_fmadd_ps(a, b, c))
            }
            #[inline(always)]
            fn max(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_max_ps(a, b))
            }
            #[inline(always)]
            fn min(self, a: __m512, b: __m512) -> __m512 {
                avx512!(_mm512_min_ps(a, b))
            }
            #[inline(always)]
            fn round(self, a: __m512) -> __m512 {
                // No digits after the point, to the nearest, no exceptions.
                avx512!(_mm512_roundscale_ps::<8>(a))
            }
            #[inline(always)]
            fn scale2(self, a: __m512, n: __m512) -> __m512 {
                avx512!(_mm512_scalef_ps(a, n))
            }
            #[inline(always)]
            fn with_sign(self, size: __m512, sign: __m512) -> __m512 {
                avx512!({
                    let bit = _mm512_and_si512(_mm512_castps_si512(sign), _mm512_set1_epi32(i32::MIN));
                    _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(size), bit))
                })
            }
            #[inline(always)]
            fn abs(self, a: __m512) -> __m512 {
                avx512!(_mm512_abs_ps(a))
            }
            #[inline(always)]
            fn sum(self, a: __m512) -> f32 {
                avx512!(_mm512_reduce_add_ps(a))
            }
            #[inline(always)]
            fn largest(self, a: __m512) -> f32 {
                avx512!(_mm512_reduce_max_ps(a))
            }
            #[inline(always)]
            fn prefetch(self, from: *const u8) {
                avx512!(_mm_prefetch::<_MM_HINT_T1>(from.cast()))
            }
            #[inline(always)]
            unsafe fn widen(self, from: *const u16) -> __m512 {
                // SAFETY: the caller promises sixteen elements; `self` proves AVX-512.
                unsafe {
                    let half = _mm256_loadu_si256(from.cast());
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
                }
            }
        }
    };
}

level!(
    /// Proof that the processor has AVX-512 and VNNI.
    Avx512,
    ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx2", "fma"],
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma",
    Widened<Self>,
    Widened
);

level!(
    /// Proof that the processor has AVX-512, VNNI and BF16.
    Avx512Bf16,
    ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni", "avx512bf16", "avx2", "fma"],
    "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma",
    Bf16,
    Bf16
);

/// `vpdpwssd`. Of the intrinsic LLVM makes a multiplication and an addition wherever it thinks the sum comes sooner so,
/// which takes twice as many of the ports that a tile keeps busy.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dpwssd(mut sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
    // SAFETY: the function is compiled for VNNI, and the instruction touches registers only.
    unsafe {
        asm!(
            "vpdpwssd {sum}, {left}, {right}",
            sum = inout(zmm_reg) sum,
            left = in(zmm_reg) left,
            right = in(zmm_reg) right,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// Pairs of 16-bit activations with 8-bit weights that are widened as they are loaded (`vpdpwssd`): half as many
/// products a step as [`Vnni`], and none of its rounding.
#[derive(Clone, Copy)]
pub(crate) struct Wide<S>(S);

impl<S: Simd<V = __m512>> Dot for Wide<S> {
    type Simd = S;
    type Element = i8;
    type Sum = __m512i;
    type Left = __m512i;
    type Right = __m512i;
    const GROUP: usize = 2;
    const QUANTISED: bool = true;

    fn limit(k: usize) -> f32 {
        super::pack::wide_limit(k)
    }
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, init: *const i32) -> __m512i {
        // SAFETY: the caller promises sixteen elements; `self` proves AVX-512.
        unsafe { _mm512_loadu_si512(init.cast()) }
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        avx512!(_mm512_setzero_si512())
    }
    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> __m512i {
        // SAFETY: the caller promises 32 elements; `self` proves AVX-512 with its instructions for words.
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> __m512i {
        avx512!(_mm512_set1_epi32(word as i32))
    }
    #[inline(always)]
    fn dot(self, sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
        // SAFETY: `self` proves that the processor has VNNI.
        unsafe { dpwssd(sum, left, right) }
    }
    #[inline(always)]
    fn finish(self, sum: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(sum))
    }
    #[inline(always)]
    fn pack(self, values: __m512, to: &mut [u32]) {
        assert!(to.len() >= LANES / 2);
        // SAFETY: the slice has eight places of 32 bits; `self` proves AVX-512.
        unsafe {
            let halves = _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(values));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), halves);
        }
    }
}

/// Four unsigned 8-bit activations with four signed 8-bit weights (`vpdpbusd`); it does not saturate.
#[derive(Clone, Copy)]
pub(crate) struct Vnni<S>(S);

impl<S: Simd<V = __m512>> Dot for Vnni<S> {
    type Simd = S;
    type Element = i8;
    type Sum = __m512i;
    type Left = __m512i;
    type Right = __m512i;
    const GROUP: usize = 4;
    const OFFSET: i32 = 128;
    const QUANTISED: bool = true;

    fn limit(_k: usize) -> f32 {
        127.0
    }
    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, init: *const i32) -> __m512i {
        // SAFETY: the caller promises sixteen elements; `self` proves AVX-512.
        unsafe { _mm512_loadu_si512(init.cast()) }
    }
    #[inline(always)]
    fn zero(self) -> __m512i {
        avx512!(_mm512_setzero_si512())
    }
    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> __m512i {
        // SAFETY: the caller promises 64 elements; `self` proves AVX-512.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> __m512i {
        avx512!(_mm512_set1_epi32(word as i32))
    }
    #[inline(always)]
    fn dot(self, sum: __m512i, left: __m512i, right: __m512i) -> __m512i {
        avx512!(_mm512_dpbusd_epi32(sum, left, right))
    }
    #[inline(always)]
    fn finish(self, sum: __m512i) -> __m512 {
        avx512!(_mm512_cvtepi32_ps(sum))
    }
    #[inline(always)]
    fn pack(self, values: __m512, to: &mut [u32]) {
        assert!(to.len() >= LANES / 4);
        // SAFETY: the slice has four places of 32 bits; `self` proves AVX-512.
        unsafe {
            let wide =
                _mm512_add_epi32(_mm512_cvtps_epi32(values), _mm512_set1_epi32(Self::OFFSET));
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(wide));
        }
    }
}

/// Pairs of `bf16` (`vdpbf16ps`).
#[derive(Clone, Copy)]
pub(crate) struct Bf16(Avx512Bf16);

impl Dot for Bf16 {
    type Simd = Avx512Bf16;
    type Element = u16;
    type Sum = __m512;
    type Left = __m512bh;
    type Right = __m512bh;
    const GROUP: usize = 2;

    #[inline(always)]
    fn simd(self) -> Avx512Bf16 {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, _init: *const i32) -> __m512 {
        self.zero()
    }
    #[inline(always)]
    fn zero(self) -> __m512 {
        avx512!(_mm512_setzero_ps())
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u16) -> __m512bh {
        // SAFETY: the caller promises 32 elements, which are as many bytes as the register has; any bits are valid.
        unsafe { std::mem::transmute(_mm512_loadu_si512(from.cast())) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> __m512bh {
        // SAFETY: both are 64 bytes, and any bits are valid; `self` proves AVX-512.
        unsafe { std::mem::transmute(_mm512_set1_epi32(word as i32)) }
    }
    #[inline(always)]
    fn dot(self, sum: __m512, left: __m512bh, right: __m512bh) -> __m512 {
        avx512!(_mm512_dpbf16_ps(sum, left, right))
    }
    #[inline(always)]
    fn finish(self, sum: __m512) -> __m512 {
        sum
    }
    #[inline(always)]
    fn pack(self, values: __m512, to: &mut [u32]) {
        assert!(to.len() >= LANES / 2);
        // SAFETY: the slice has eight places of 32 bits; both types are 32 bytes; `self` proves BF16.
        unsafe {
            let half: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(values));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), half);
        }
    }
}
