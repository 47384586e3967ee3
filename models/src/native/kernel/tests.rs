//! Kernels against plain loops, on odd shapes.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::linear::{Activations, Store, linear};
use super::pack::{Aligned, PackedLinear, to_half, wide_limit};
use super::peak::peak;
use super::rows::{Packing, Step, pack};
use super::{Isa, Job, MAX_LANES, Simd, check, math};
use crate::native::Precision;
use crate::native::threads::Threads;
use crate::weights::{Linear, Matrix, Values};

#[test]
fn every_instruction_set_proves_itself() {
    for isa in Isa::all() {
        for precision in Precision::ALL {
            check::check(isa, precision).unwrap();
        }
    }
}

#[test]
fn the_best_is_chosen_and_any_can_be() {
    for precision in Precision::ALL {
        let all = Isa::best_for(precision);
        let best = Isa::choose(precision, None).name();
        println!("{precision:?}: {best} of {all:?}");
        assert_eq!(best, all[0].name());
        assert_eq!(all.len(), Isa::all().len());
        if precision != Precision::Bf16 {
            assert_eq!(best, Isa::all()[0].name());
        }
        for isa in &all {
            let named = Isa::choose(precision, Some(isa.name()));
            assert_eq!(named.name(), isa.name());
        }
    }
}

/// Maps a few numbers through a function of the instruction set.
struct Map<'a, F>(&'a mut [f32], F);

trait Function {
    fn call<S: Simd>(&self, simd: S, x: S::V) -> S::V;
}

impl<F: Function> Job for Map<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut at = 0;
        while at < self.0.len() {
            let value = self.1.call(simd, simd.load_at(self.0, at));
            simd.store_at(value, self.0, at);
            at += S::LANES;
        }
    }
}

macro_rules! function {
    ($name:ident, $function:path) => {
        struct $name;
        impl Function for $name {
            fn call<S: Simd>(&self, simd: S, x: S::V) -> S::V {
                $function(simd, x)
            }
        }
    };
}
function!(Exp, math::exp);
function!(Gelu, math::gelu);
function!(GeluTanh, math::gelu_tanh);
function!(Tanh, math::tanh);
function!(Relu, math::relu);

fn worst(isa: Isa, function: impl Function, plain: impl Fn(f64) -> f64, relative: bool) -> f64 {
    let inputs: Vec<f32> = (-8600..=8600).map(|x| x as f32 / 100.0).collect();
    let mut found = inputs.clone();
    isa.run(Map(&mut found, function));
    let differences = inputs.iter().zip(found).map(|(input, found)| {
        let expected = plain(f64::from(*input));
        let difference = (f64::from(found) - expected).abs();
        if relative {
            difference / expected
        } else {
            difference / expected.abs().max(1.0)
        }
    });
    differences.fold(0.0, f64::max)
}

/// The error function by its series, by its limit where that is exact enough.
fn erf(z: f64) -> f64 {
    if z.abs() > 5.0 {
        return z.signum();
    }
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn functions_are_as_exact_as_their_type() {
    for isa in Isa::all() {
        assert!(worst(isa, Exp, f64::exp, true) < 3e-7, "{isa:?}");
        let gelu = |x: f64| x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2));
        assert!(worst(isa, Gelu, gelu, false) < 1e-6, "{isa:?}");
        let tanh = |x: f64| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            x / 2.0 * (1.0 + inner.tanh())
        };
        assert!(worst(isa, GeluTanh, tanh, false) < 1e-6, "{isa:?}");
        assert!(worst(isa, Tanh, f64::tanh, false) < 1e-6, "{isa:?}");
        assert_eq!(worst(isa, Relu, |x| x.max(0.0), false), 0.0, "{isa:?}");
    }
}

#[test]
fn functions_stay_at_their_limits() {
    for isa in Isa::all() {
        let mut numbers = [1e30, -1e30, f32::INFINITY, f32::NEG_INFINITY, 87.0, -87.0];
        isa.run(Map(&mut numbers, Exp));
        assert_eq!(
            numbers[..4],
            [numbers[4], numbers[5], numbers[4], numbers[5]]
        );
        assert!(numbers[5] > 0.0 && numbers[4].is_finite(), "{isa:?}");
        let (wide, sides) = ([1e30, -1e30], [1e30, 0.0]);
        let mapped = [
            run_map(isa, Gelu, wide),
            run_map(isa, GeluTanh, wide),
            run_map(isa, Relu, wide),
        ];
        assert_eq!(mapped, [sides; 3], "{isa:?}");
        assert_eq!(run_map(isa, Tanh, wide), [1.0, -1.0], "{isa:?}");
    }
}

fn run_map(isa: Isa, function: impl Function, mut numbers: [f32; 2]) -> [f32; 2] {
    isa.run(Map(&mut numbers, function));
    numbers
}

#[test]
fn sums_and_largest_take_every_lane() {
    struct Folds([f32; MAX_LANES]);
    impl Job for Folds {
        type Output = (f32, f32, usize);
        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let value = simd.load(&self.0);
            (simd.sum(value), simd.largest(value), S::LANES)
        }
    }
    for isa in Isa::all() {
        for place in 0..isa.lanes() {
            let mut numbers = [-2.0; MAX_LANES];
            numbers[place] = 5.0;
            let (sum, largest, lanes) = isa.run(Folds(numbers));
            assert_eq!(sum, 5.0 - 2.0 * (lanes as f32 - 1.0));
            assert_eq!(largest, 5.0);
        }
    }
}

#[test]
fn halves_are_rounded_to_even() {
    assert_eq!(to_half(1.0), 0x3f80);
    assert_eq!(to_half(f32::from_bits(0x3f80_8000)), 0x3f80);
    assert_eq!(to_half(f32::from_bits(0x3f81_8000)), 0x3f82);
    assert_eq!(to_half(f32::from_bits(0x3f80_8001)), 0x3f81);
}

#[test]
fn activations_are_rounded_as_weights_are() {
    let inputs = 37;
    let bits = [
        0x3f80_0000u32,
        0x3f80_8000,
        0x3f81_8000,
        0x3f80_8001,
        0x7f7f_0000,
        0x0080_0000,
    ];
    let mut row: Vec<f32> = (0..inputs)
        .map(|at| f32::from_bits(bits[at % bits.len()] | (at as u32 & 1) << 31))
        .collect();
    let wanted = row.clone();
    let map = Linear {
        weight: Matrix {
            rows: 1,
            columns: inputs,
            values: Values::F32(vec![1.0; inputs]),
        },
        bias: None,
    };
    for isa in Isa::all() {
        let packed = PackedLinear::new(isa, Precision::Bf16, &map);
        let mut words = Aligned::<u32>::zeros(packed.words);
        let packing = Packing {
            map: &packed,
            words: words.get_mut(),
            scales: &mut [0.0],
        };
        pack(
            isa,
            &Threads::caller(),
            Step::Copy,
            &mut row,
            inputs,
            packing,
        );
        for (at, number) in wanted.iter().enumerate() {
            // Activations in `bf16` lie in pairs, the first one low; those that stay `f32` have a word each.
            if packed.words < inputs {
                let half = (words.get()[at / 2] >> (at % 2 * 16)) as u16;
                assert_eq!(half, to_half(*number), "{isa:?}: {at}");
            } else {
                assert_eq!(words.get()[at], number.to_bits(), "{isa:?}: {at}");
            }
        }
    }
}

#[test]
fn every_peak_can_be_measured() {
    for isa in Isa::all() {
        for precision in Precision::ALL {
            let found = peak(isa, precision, 1);
            assert!(found.is_finite() && found > 0.0, "{isa:?} {precision:?}");
        }
    }
}

#[test]
fn wide_activations_cannot_overflow() {
    for k in [1, 100, 768, 3072, 65_536] {
        assert!(f64::from(wide_limit(k)) * 127.0 * k as f64 <= f64::from(i32::MAX));
    }
}

#[test]
fn the_largest_sums_of_integers_are_exact() {
    // All activations and weights at their limits: what saturates, shows.
    for isa in Isa::all() {
        for sign in [1.0, -1.0] {
            let (inputs, outputs) = (3072, 40);
            let map = Linear {
                weight: Matrix {
                    rows: outputs,
                    columns: inputs,
                    values: Values::Int8 {
                        values: vec![127 * sign as i8; inputs * outputs],
                        scales: vec![1.0; outputs],
                    },
                },
                bias: None,
            };
            for precision in [Precision::Int8, Precision::W8a8] {
                let x = vec![3.0; inputs];
                for value in run(isa, precision, &map, x, Store::Set, None) {
                    let expected = sign * 127.0 * 3.0 * inputs as f32;
                    assert!((value / expected - 1.0).abs() < 1e-5, "{isa:?}: {value}");
                }
            }
        }
    }
}

fn run(
    isa: Isa,
    precision: Precision,
    map: &Linear,
    mut rows: Vec<f32>,
    store: Store,
    to: Option<Vec<f32>>,
) -> Vec<f32> {
    let inputs = map.weight.columns;
    let count = rows.len() / inputs;
    let packed = PackedLinear::new(isa, precision, map);
    let mut words = Aligned::<u32>::zeros(count * packed.words);
    let mut scales = vec![0.0; count];
    let threads = Threads::caller();
    let packing = Packing {
        map: &packed,
        words: words.get_mut(),
        scales: &mut scales,
    };
    pack(isa, &threads, Step::Copy, &mut rows, inputs, packing);
    let mut to = to.unwrap_or_else(|| vec![f32::NAN; count * packed.outputs]);
    let rows = Activations {
        words: words.get(),
        scales: &scales,
    };
    linear(isa, &threads, &packed, rows, &mut to, store);
    to
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_linear_map_is_one(
        rows in 1usize..40,
        inputs in 1usize..130,
        outputs in 1usize..130,
        add: bool,
        seed in 1u32..10_000,
    ) {
        let mut state = seed;
        let mut number = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
        };
        let mut numbers = |count: usize| (0..count).map(|_| number()).collect::<Vec<f32>>();
        let weights = numbers(outputs * inputs);
        let bias = numbers(outputs);
        let x = numbers(rows * inputs);
        let before = numbers(rows * outputs);
        let map = Linear {
            weight: Matrix { rows: outputs, columns: inputs, values: Values::F32(weights.clone()) },
            bias: Some(bias.clone()),
        };
        let mut expected = vec![0.0; rows * outputs];
        for row in 0..rows {
            for output in 0..outputs {
                let products = (0..inputs).map(|at| f64::from(x[row * inputs + at]) * f64::from(weights[output * inputs + at]));
                let base = if add { before[row * outputs + output] } else { 0.0 };
                expected[row * outputs + output] = products.sum::<f64>() + f64::from(bias[output] + base);
            }
        }
        let largest = (inputs as f64).sqrt();
        for isa in Isa::all() {
            for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.02), (Precision::Int8, 0.03), (Precision::W8a8, 0.03)] {
                let store = if add { Store::Add } else { Store::Set };
                let to = add.then(|| before.clone());
                let found = run(isa, precision, &map, x.clone(), store, to);
                for (found, expected) in found.iter().zip(&expected) {
                    let difference = (f64::from(*found) - expected).abs();
                    prop_assert!(difference <= tolerance * largest, "{isa:?} {precision:?}: {found} {expected}");
                }
            }
        }
    }
}

/// Numbers below the one asked for, by a linear congruential generator.
fn numbers(mut state: u32) -> impl FnMut(u32) -> i32 {
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) % below) as i32
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_of_large_integers_are_exact(
        inputs in 1usize..200,
        outputs in 1usize..50,
        rows in 1usize..14,
        seed in 1u32..10_000,
    ) {
        let mut number = numbers(seed);
        // Every other weight is at its limit, and activations at theirs or zero: neighbours often are too much for 16
        // bits, and one rounding would show.
        let weights: Vec<i8> = (0..outputs * inputs)
            .map(|_| match number(4) {
                0 => 127,
                1 => -127,
                _ => (number(255) - 127) as i8,
            })
            .collect();
        let x: Vec<f32> = (0..rows * inputs).map(|_| (number(3) - 1) as f32).collect();
        let map = Linear {
            weight: Matrix {
                rows: outputs,
                columns: inputs,
                values: Values::Int8 { values: weights.clone(), scales: vec![1.0; outputs] },
            },
            bias: None,
        };
        for isa in Isa::all() {
            for precision in [Precision::Int8, Precision::W8a8] {
                let found = run(isa, precision, &map, x.clone(), Store::Set, None);
                for (row, found) in found.chunks_exact(outputs).enumerate() {
                    for (output, found) in found.iter().enumerate() {
                        let products = (0..inputs).map(|at| {
                            x[row * inputs + at] as i32 * i32::from(weights[output * inputs + at])
                        });
                        let expected = products.sum::<i32>() as f32;
                        prop_assert!((found - expected).abs() < 0.01, "{isa:?}: {found} {expected}");
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn small_integers_are_exact(
        inputs in 1usize..200,
        outputs in 1usize..70,
        rows in 1usize..30,
        seed in 1u32..10_000,
    ) {
        // Such products and their sums have no more digits than `bf16` and `f32`: nothing is rounded, so a lane or a
        // neighbour at the wrong place shows however small it is.
        let mut number = numbers(seed);
        let mut some = |count: usize| -> Vec<f32> {
            (0..count).map(|_| number(31) as f32 - 15.0).collect()
        };
        let (weights, bias, x) = (some(outputs * inputs), some(outputs), some(rows * inputs));
        let map = Linear {
            weight: Matrix { rows: outputs, columns: inputs, values: Values::F32(weights.clone()) },
            bias: Some(bias.clone()),
        };
        let mut expected = Vec::new();
        for x in x.chunks_exact(inputs) {
            for (weights, bias) in weights.chunks_exact(inputs).zip(&bias) {
                let products = weights.iter().zip(x).map(|(a, b)| a * b);
                expected.push(products.sum::<f32>() + bias);
            }
        }
        for isa in Isa::all() {
            for precision in [Precision::F32, Precision::Bf16] {
                let found = run(isa, precision, &map, x.clone(), Store::Set, None);
                prop_assert_eq!(&found, &expected, "{:?} {:?}", isa, precision);
            }
        }
    }
}
