//! The arithmetic of an encoder, once for every instruction set. All `unsafe` of the native encoder is in here.
//!
//! The algorithms ([`linear`], [`attend`], [`rows`]) are generic over a few primitives: [`Simd`] (a register of `f32`
//! lanes) and [`Dot`] (a dot product step in some precision). An instruction set implements these in a file of its
//! own; [`Isa`] picks one at run time. What cannot be run on a developer's machine is therefore a handful of one-line
//! functions, and [`check`] proves those once more wherever they do run.

pub(crate) mod attend;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod check;
pub(crate) mod linear;
mod math;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod pack;
pub(crate) mod peak;
mod portable;
pub(crate) mod rows;
#[cfg(test)]
mod tests;
mod tile;

#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

use super::Precision;

/// Registers beside each other in a tile: a panel of weights is `2 * LANES` columns wide.
pub(crate) const TILE_REGISTERS: usize = 2;

/// The most lanes that any instruction set has.
pub(crate) const MAX_LANES: usize = 16;

/// A register of `f32` lanes and what can be done with it.
///
/// A value of an implementing type is a proof that the processor has the instructions: it is only made after asking.
/// All methods are inlined into [`Simd::vectorize`], the one function that is compiled for the instruction set.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// Numbers in a register.
    const LANES: usize;
    /// Rows of a register tile; with [`TILE_REGISTERS`] it just fits into the registers.
    const ROWS: usize;
    /// A register.
    type V: Copy;
    /// The dot product of `i8` weights with activations of as many bits as cost nothing more.
    type Int8: Dot<Simd = Self, Element = i8>;
    /// The fastest dot product of `i8` weights: with activations of 8 bits where bytes are multiplied faster, else the
    /// same as [`Simd::Int8`].
    type Bytes: Dot<Simd = Self, Element = i8>;
    /// The dot product in `bf16`.
    type Half: Dot<Simd = Self, Element = u16>;

    /// The instruction set's dot product of `i8` weights.
    fn int8(self) -> Self::Int8;
    /// The instruction set's fastest dot product of `i8` weights.
    fn bytes(self) -> Self::Bytes;
    /// The instruction set's dot product in `bf16`.
    fn half(self) -> Self::Half;
    /// Runs the job in code that is compiled for the instruction set.
    fn vectorize<J: Job>(self, job: J) -> J::Output;

    /// The same number in each lane.
    fn splat(self, value: f32) -> Self::V;
    /// The first `LANES` numbers of a slice, which has at least as many.
    fn load(self, from: &[f32]) -> Self::V;
    /// Writes the lanes to the first `LANES` places of a slice, which has at least as many.
    fn store(self, value: Self::V, to: &mut [f32]);
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of each pair.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest integer.
    fn round(self, a: Self::V) -> Self::V;
    /// `a * 2^n`; `n` holds integers from -126 to 127.
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V;
    /// The size of `size` with the sign of `sign`; `size` is not negative.
    fn with_sign(self, size: Self::V, sign: Self::V) -> Self::V;
    /// The value without its sign.
    fn abs(self, a: Self::V) -> Self::V;
    /// The sum of the lanes.
    fn sum(self, a: Self::V) -> f32;
    /// The largest lane.
    fn largest(self, a: Self::V) -> f32;
    /// Asks for a line of memory to be brought into the second-level cache. A hint: it reads nothing, and the address
    /// need not be one.
    #[inline(always)]
    fn prefetch(self, _from: *const u8) {}
    /// `LANES` numbers in `bf16`, widened.
    ///
    /// # Safety
    /// `from` is readable for `LANES` elements.
    unsafe fn widen(self, from: *const u16) -> Self::V;

    /// The numbers from `start` on, and zeros where the slice ends before the register does.
    #[inline(always)]
    fn load_at(self, from: &[f32], start: usize) -> Self::V {
        if start + Self::LANES <= from.len() {
            self.load(&from[start..start + Self::LANES])
        } else {
            let mut lanes = [0.0; MAX_LANES];
            let rest = &from[start..];
            lanes[..rest.len()].copy_from_slice(rest);
            self.load(&lanes)
        }
    }

    /// Writes from `start` on, as many lanes as the slice has room for.
    #[inline(always)]
    fn store_at(self, value: Self::V, to: &mut [f32], start: usize) {
        if start + Self::LANES <= to.len() {
            self.store(value, &mut to[start..start + Self::LANES]);
        } else {
            let mut lanes = [0.0; MAX_LANES];
            self.store(value, &mut lanes);
            let rest = &mut to[start..];
            rest.copy_from_slice(&lanes[..rest.len()]);
        }
    }
}

/// One step of `LANES` dot products side by side: [`Dot::GROUP`] neighbours of a row of activations, which fill a
/// 32-bit word, with as many neighbours of each of `LANES` rows of weights.
pub(crate) trait Dot: Copy {
    /// The instruction set it belongs to.
    type Simd: Simd;
    /// A weight in memory.
    type Element: Copy + Default + Send + Sync;
    /// A register of sums.
    type Sum: Copy;
    /// A register that holds one word of activations in each lane.
    type Left: Copy;
    /// A register of `LANES * GROUP` weights.
    type Right: Copy;
    /// Products in a step.
    const GROUP: usize;
    /// What is added to activations to make them unsigned. The sums then begin at `-OFFSET * sum of the weights`.
    const OFFSET: i32 = 0;
    /// Whether activations and weights are integers with scales.
    const QUANTISED: bool = false;

    /// The largest activation when `k` products are summed.
    fn limit(_k: usize) -> f32 {
        1.0
    }
    /// The instruction set it belongs to.
    fn simd(self) -> Self::Simd;
    /// The first value of the sums.
    ///
    /// # Safety
    /// `init` is readable for `LANES` elements.
    unsafe fn start(self, init: *const i32) -> Self::Sum;
    /// The sums of nothing.
    fn zero(self) -> Self::Sum;
    /// `LANES * GROUP` weights.
    ///
    /// # Safety
    /// `from` is readable for so many elements.
    unsafe fn load(self, from: *const Self::Element) -> Self::Right;
    /// A word of activations in each lane.
    fn word(self, word: u32) -> Self::Left;
    /// The step.
    fn dot(self, sum: Self::Sum, left: Self::Left, right: Self::Right) -> Self::Sum;
    /// The sums as numbers.
    fn finish(self, sum: Self::Sum) -> <Self::Simd as Simd>::V;
    /// `LANES` activations as `LANES / GROUP` words, written to the front of `to`.
    fn pack(self, values: <Self::Simd as Simd>::V, to: &mut [u32]);
}

/// The dot product in `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Full<S>(pub(crate) S);

impl<S: Simd> Dot for Full<S> {
    type Simd = S;
    type Element = f32;
    type Sum = S::V;
    type Left = S::V;
    type Right = S::V;
    const GROUP: usize = 1;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, _init: *const i32) -> S::V {
        self.zero()
    }
    #[inline(always)]
    fn zero(self) -> S::V {
        self.0.splat(0.0)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> S::V {
        // SAFETY: the caller promises `LANES * 1` elements.
        self.0
            .load(unsafe { std::slice::from_raw_parts(from, S::LANES) })
    }
    #[inline(always)]
    fn word(self, word: u32) -> S::V {
        self.0.splat(f32::from_bits(word))
    }
    #[inline(always)]
    fn dot(self, sum: S::V, left: S::V, right: S::V) -> S::V {
        self.0.fma(left, right, sum)
    }
    #[inline(always)]
    fn finish(self, sum: S::V) -> S::V {
        sum
    }
    #[inline(always)]
    fn pack(self, values: S::V, to: &mut [u32]) {
        pack_bits(self.0, values, to);
    }
}

/// Weights in `bf16`, widened to `f32` as they are loaded: half the memory to read, the arithmetic of `f32`.
#[derive(Clone, Copy)]
pub(crate) struct Widened<S>(pub(crate) S);

impl<S: Simd> Dot for Widened<S> {
    type Simd = S;
    type Element = u16;
    type Sum = S::V;
    type Left = S::V;
    type Right = S::V;
    const GROUP: usize = 1;

    #[inline(always)]
    fn simd(self) -> S {
        self.0
    }
    #[inline(always)]
    unsafe fn start(self, _init: *const i32) -> S::V {
        self.zero()
    }
    #[inline(always)]
    fn zero(self) -> S::V {
        self.0.splat(0.0)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const u16) -> S::V {
        // SAFETY: the caller promises `LANES * 1` elements.
        unsafe { self.0.widen(from) }
    }
    #[inline(always)]
    fn word(self, word: u32) -> S::V {
        self.0.splat(f32::from_bits(word))
    }
    #[inline(always)]
    fn dot(self, sum: S::V, left: S::V, right: S::V) -> S::V {
        self.0.fma(left, right, sum)
    }
    #[inline(always)]
    fn finish(self, sum: S::V) -> S::V {
        sum
    }
    #[inline(always)]
    fn pack(self, values: S::V, to: &mut [u32]) {
        pack_bits(self.0, values, to);
    }
}

/// Activations that stay `f32`: a word is a number's bits.
#[inline(always)]
fn pack_bits<S: Simd>(simd: S, values: S::V, to: &mut [u32]) {
    let mut lanes = [0.0; MAX_LANES];
    simd.store(values, &mut lanes);
    for (to, lane) in to[..S::LANES].iter_mut().zip(lanes) {
        *to = lane.to_bits();
    }
}

/// Something to be run with an instruction set.
pub(crate) trait Job {
    /// What comes of it.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`, else they are not compiled for the instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The instruction sets, as far as this architecture has them.
#[derive(Clone, Copy)]
pub(crate) enum Isa {
    /// What every processor has.
    Portable(portable::Portable),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    /// AVX-512 with VNNI (Cascade Lake, Zen 4, and later).
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    /// AVX-512 with VNNI and BF16 (Sapphire Rapids, Zen 4, and later).
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16(avx512::Avx512Bf16),
    /// NEON with the dot product (Armv8.2 servers and later).
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon),
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// See [`Isa::activation_steps`]: of [`Simd::Int8`] and of [`Simd::Bytes`].
struct Steps;

impl Job for Steps {
    type Output = (f32, f32);

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> (f32, f32) {
        (S::Int8::limit(1), S::Bytes::limit(1))
    }
}

impl Isa {
    /// What every processor has.
    pub(crate) fn portable() -> Self {
        Self::Portable(portable::Portable)
    }

    /// All that this processor has, best first.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx512::Avx512Bf16::detect().map(Self::Avx512Bf16));
            all.extend(avx512::Avx512::detect().map(Self::Avx512));
            all.extend(avx2::Avx2::detect().map(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(neon::Neon::detect().map(Self::Neon));
        all.push(Self::portable());
        all
    }

    /// All that this processor has, best first for a precision.
    pub(crate) fn best_for(precision: Precision) -> Vec<Self> {
        let mut all = Self::all();
        // The sort is stable: only what is slow moves, to the end.
        all.sort_by_key(|isa| precision == Precision::Bf16 && isa.has_slow_pairs());
        all
    }

    /// Whether pairs of `bf16` are multiplied slower than single `f32` numbers. An Emerald Rapids takes twice as long
    /// for `vdpbf16ps` as for two `vfmadd`, a Zen 5 half as long, and no flag tells; so it is tried out, once.
    fn has_slow_pairs(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if matches!(self, Self::Avx512Bf16(_)) {
            static SLOW: OnceLock<bool> = OnceLock::new();
            return *SLOW.get_or_init(|| {
                let [pairs, single] = [Precision::Bf16, Precision::F32];
                peak::peak(self, pairs, 5) < peak::peak(self, single, 5)
            });
        }
        false
    }

    /// Steps of an integer activation between nothing and a row's largest, at best: for [`Precision::Int8`] and for
    /// [`Precision::W8a8`].
    pub(crate) fn activation_steps(self) -> (f32, f32) {
        self.run(Steps)
    }

    /// The name that chooses it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(_) => "avx512bf16",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
        }
    }

    /// The best that this processor has and that proves itself; `wanted` narrows the choice to one name.
    pub(crate) fn choose(precision: Precision, wanted: Option<&str>) -> Self {
        let all = Self::best_for(precision);
        if let Some(name) = wanted
            && !all.iter().any(|isa| isa.name() == name)
        {
            tracing::warn!(
                wanted = name,
                "this processor has no such kernels; taking the best it has"
            );
        }
        let named = all
            .iter()
            .filter(|isa| wanted.is_some_and(|name| name == isa.name()));
        for isa in named.chain(&all).copied() {
            match check::check(isa, precision) {
                Ok(()) => return isa,
                Err(reason) => {
                    tracing::warn!(kernels = isa.name(), %reason, "kernels disagree with the plain ones; not used");
                }
            }
        }
        Self::portable()
    }

    /// Runs a job.
    pub(crate) fn run<J: Job>(self, job: J) -> J::Output {
        match self {
            Self::Portable(simd) => simd.vectorize(job),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => simd.vectorize(job),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => simd.vectorize(job),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Bf16(simd) => simd.vectorize(job),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(simd) => simd.vectorize(job),
        }
    }

    /// Numbers in a register.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes;
        impl Job for Lanes {
            type Output = usize;
            #[inline(always)]
            fn run<S: Simd>(self, _simd: S) -> usize {
                S::LANES
            }
        }
        self.run(Lanes)
    }
}
