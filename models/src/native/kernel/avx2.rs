//! AVX2 and FMA: eight lanes.

use std::arch::x86_64::*;

use super::{Dot, Job, Simd, Widened};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The proof, when it holds.
    pub(crate) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

const LANES: usize = 8;

/// Calls an intrinsic that touches no memory.
macro_rules! avx2 {
    ($call:expr) => {
        // SAFETY: `self` proves that the processor has AVX2 and FMA, and the intrinsic touches no memory.
        unsafe { $call }
    };
}

#[target_feature(enable = "avx2,fma")]
fn enter<J: Job>(job: J, simd: Avx2) -> J::Output {
    job.run(simd)
}

impl Simd for Avx2 {
    const LANES: usize = LANES;
    const ROWS: usize = 6;
    type V = __m256;
    type Int8 = Avx2Int8;
    type Bytes = Avx2Int8;
    type Half = Widened<Self>;

    #[inline(always)]
    fn int8(self) -> Avx2Int8 {
        Avx2Int8(self)
    }
    #[inline(always)]
    fn bytes(self) -> Avx2Int8 {
        self.int8()
    }
    #[inline(always)]
    fn half(self) -> Widened<Self> {
        Widened(self)
    }
    fn vectorize<J: Job>(self, job: J) -> J::Output {
        // SAFETY: `self` proves that the processor has AVX2 and FMA.
        unsafe { enter(job, self) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        avx2!(_mm256_set1_ps(value))
    }
    #[inline(always)]
    fn load(self, from: &[f32]) -> __m256 {
        assert!(from.len() >= LANES);
        // SAFETY: the slice has eight numbers; `self` proves AVX2.
        unsafe { _mm256_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: __m256, to: &mut [f32]) {
        assert!(to.len() >= LANES);
        // SAFETY: the slice has eight places; `self` proves AVX2.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        avx2!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        avx2!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        avx2!(_mm256_round_ps::<
            { _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC },
        >(a))
    }
    #[inline(always)]
    fn scale2(self, a: __m256, n: __m256) -> __m256 {
        avx2!({
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        })
    }
    #[inline(always)]
    fn with_sign(self, size: __m256, sign: __m256) -> __m256 {
        avx2!(_mm256_or_ps(
            size,
            _mm256_and_ps(sign, _mm256_set1_ps(-0.0))
        ))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        avx2!({
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn largest(self, a: __m256) -> f32 {
        avx2!({
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn prefetch(self, from: *const u8) {
        avx2!(_mm_prefetch::<_MM_HINT_T1>(from.cast()))
    }
    #[inline(always)]
    unsafe fn widen(self, from: *const u16) -> __m256 {
        // SAFETY: the caller promises eight elements; `self` proves AVX2.
        unsafe {
            let half = _mm_loadu_si128(from.cast());
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(half)))
        }
    }
}

/// Pairs of 16-bit activations with 8-bit weights that are widened as they are loaded.
///
/// Exact, unlike the multiplication of bytes (`maddubs`), which saturates; and as fast where additions run beside
/// multiplications, since a step is one multiplication and one addition either way round.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Int8(Avx2);

impl Dot for Avx2Int8 {
    type Simd = Avx2;
    type Element = i8;
    type Sum = __m256i;
    type Left = __m256i;
    type Right = __m256i;
    const GROUP: usize = 2;
    const QUANTISED: bool = true;

    fn limit(k: usize) -> f32 {
        super::pack::wide_limit(k)
    }
    #[inline(always)]
    fn simd(self) -> Avx2 {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, init: *const i32) -> __m256i {
        // SAFETY: the caller promises eight elements; `self` proves AVX2.
        unsafe { _mm256_loadu_si256(init.cast()) }
    }
    #[inline(always)]
    fn zero(self) -> __m256i {
        avx2!(_mm256_setzero_si256())
    }
    #[inline(always)]
    unsafe fn load(self, from: *const i8) -> __m256i {
        // SAFETY: the caller promises sixteen elements; `self` proves AVX2.
        unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> __m256i {
        avx2!(_mm256_set1_epi32(word as i32))
    }
    #[inline(always)]
    fn dot(self, sum: __m256i, left: __m256i, right: __m256i) -> __m256i {
        avx2!(_mm256_add_epi32(sum, _mm256_madd_epi16(left, right)))
    }
    #[inline(always)]
    fn finish(self, sum: __m256i) -> __m256 {
        avx2!(_mm256_cvtepi32_ps(sum))
    }
    #[inline(always)]
    fn pack(self, values: __m256, to: &mut [u32]) {
        assert!(to.len() >= LANES / 2);
        // SAFETY: the slice has four places of 32 bits; `self` proves AVX2.
        unsafe {
            let wide = _mm256_cvtps_epi32(values);
            let low = _mm256_castsi256_si128(wide);
            let high = _mm256_extracti128_si256::<1>(wide);
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_packs_epi32(low, high));
        }
    }
}
