//! The functions of an encoder, lane by lane.

use super::Simd;

/// `e^x`, to about two units in the last place; beyond ±87 it stays at the bound's value.
///
/// Reduced to `2^n * e^f` with `|f| <= ln(2) / 2`, polynomial of Cephes' `expf`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.min(s.max(x, s.splat(-87.0)), s.splat(87.0));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    // ln(2) in two parts, so that `n * ln(2)` loses nothing.
    let f = s.fma(n, s.splat(-0.693_359_4), x);
    let f = s.fma(n, s.splat(2.121_944_4e-4), f);
    let mut p = s.splat(1.987_569_2e-4);
    p = s.fma(p, f, s.splat(1.398_2e-3));
    p = s.fma(p, f, s.splat(8.333_452e-3));
    p = s.fma(p, f, s.splat(4.166_579_6e-2));
    p = s.fma(p, f, s.splat(1.666_666_5e-1));
    p = s.fma(p, f, s.splat(0.5));
    let tail = s.fma(s.mul(f, f), p, f);
    s.scale2(s.add(tail, s.splat(1.0)), n)
}

/// `x / 2 * (1 + erf(x / sqrt 2))`. The error function is Abramowitz and Stegun 7.1.26, within 1.5e-7.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let size = s.abs(z);
    let one = s.splat(1.0);
    let t = s.div(one, s.fma(size, s.splat(0.327_591_1), one));
    let mut p = s.splat(1.061_405_4);
    p = s.fma(p, t, s.splat(-1.453_152));
    p = s.fma(p, t, s.splat(1.421_413_8));
    p = s.fma(p, t, s.splat(-0.284_496_74));
    p = s.fma(p, t, s.splat(0.254_829_6));
    p = s.mul(p, t);
    let decay = exp(s, s.sub(s.splat(0.0), s.mul(size, size)));
    let erf = s.sub(one, s.mul(p, decay));
    let half = s.mul(x, s.splat(0.5));
    s.fma(half, s.with_sign(erf, z), half)
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let cube = s.mul(s.mul(x, x), x);
    let inner = s.fma(cube, s.splat(0.044_715), x);
    let inner = s.mul(inner, s.splat(0.797_884_6));
    let half = s.mul(x, s.splat(0.5));
    s.fma(half, tanh(s, inner), half)
}

/// The hyperbolic tangent: `(1 - e^-2|x|) / (1 + e^-2|x|)` with the sign of `x`.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let decay = exp(s, s.mul(s.abs(x), s.splat(-2.0)));
    s.with_sign(s.div(s.sub(one, decay), s.add(one, decay)), x)
}

/// `max(x, 0)`.
#[inline(always)]
pub(crate) fn relu<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(x, s.splat(0.0))
}
