//! Kernels prove themselves: a small problem, against plain loops.

use super::Isa;
use super::attend::{Attended, Blocks, Place, Shape, attend, prepare};
use super::linear::{Activations, Store, linear};
use super::pack::{Aligned, PackedLinear};
use super::rows::{Packing, Step, pack};
use crate::native::Precision;
use crate::native::threads::Threads;
use crate::weights::{Activation, Linear, Matrix, Norm, Values};

/// Numbers from -1 to 1 that look random and are always the same.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
        })
        .collect()
}

/// Compares an instruction set with plain loops, all functions of an encoder, on odd shapes.
///
/// # Errors
/// What differs.
pub(crate) fn check(isa: Isa, precision: Precision) -> Result<(), String> {
    check_linear(isa, precision)?;
    check_attention(isa)
}

/// Normalisation, GEGLU and a linear map.
fn check_linear(isa: Isa, precision: Precision) -> Result<(), String> {
    let (rows, inputs, outputs) = (29, 45, 70);
    let norm = Norm {
        weight: numbers(2 * inputs, 1),
        bias: Some(numbers(2 * inputs, 2)),
    };
    let map = Linear {
        weight: Matrix {
            rows: outputs,
            columns: inputs,
            values: Values::F32(numbers(outputs * inputs, 3)),
        },
        bias: Some(numbers(outputs, 4)),
    };
    let mut wanted = vec![0.0; rows * outputs];
    let mut inner = numbers(rows * 2 * inputs, 5);
    let weights = map.weight.to_f32();
    for (row, wanted) in inner
        .chunks_exact_mut(2 * inputs)
        .zip(wanted.chunks_exact_mut(outputs))
    {
        plain_norm(row, &norm);
        let active: Vec<f32> = (0..inputs)
            .map(|at| plain_gelu(row[at]) * row[inputs + at])
            .collect();
        for (output, wanted) in wanted.iter_mut().enumerate() {
            let weights = &weights[output * inputs..(output + 1) * inputs];
            let products = weights.iter().zip(&active).map(|(a, b)| a * b);
            *wanted = products.sum::<f32>() + map.bias.as_ref().map_or(0.0, |bias| bias[output]);
        }
    }
    let packed = PackedLinear::new(isa, precision, &map);
    let threads = Threads::caller();
    let mut words = Aligned::<u32>::zeros(rows * packed.words);
    let mut scales = vec![0.0; rows];
    let mut inner = numbers(rows * 2 * inputs, 5);
    super::rows::norm(isa, &threads, &norm, 1e-5, &mut inner, 2 * inputs);
    pack(
        isa,
        &threads,
        Step::Activate(Activation::GeGlu),
        &mut inner,
        2 * inputs,
        Packing {
            map: &packed,
            words: words.get_mut(),
            scales: &mut scales,
        },
    );
    let mut found = vec![0.0; rows * outputs];
    let activations = Activations {
        words: words.get(),
        scales: &scales,
    };
    linear(isa, &threads, &packed, activations, &mut found, Store::Set);
    let tolerance = match precision {
        Precision::F32 => 1e-4,
        Precision::Bf16 => 0.03,
        Precision::Int8 | Precision::W8a8 => 0.06,
    };
    compare("linear", &found, &wanted, tolerance)
}

/// Attention of two sequences with a window.
fn check_attention(isa: Isa) -> Result<(), String> {
    let shape = Shape {
        heads: 2,
        width: 20,
        lanes: isa.lanes(),
    };
    let (hidden, count, window) = (40, 75, 9);
    let places: Vec<Place> = (0..count)
        .map(|row| match row {
            0..7 => Place { start: 0, end: 7 },
            _ => Place {
                start: 7,
                end: count,
            },
        })
        .collect();
    let mut qkv = numbers(count * 3 * hidden, 6);
    qkv.iter_mut().for_each(|number| *number *= 3.0);
    let mut wanted = vec![0.0; count * hidden];
    for row in 0..count {
        for head in 0..shape.heads {
            let seen = places[row].start.max(row.saturating_sub(window))
                ..places[row].end.min(row + window + 1);
            let part = |row: usize, which: usize| {
                let at = row * 3 * hidden + which * hidden + head * shape.width;
                &qkv[at..at + shape.width]
            };
            let scores: Vec<f32> = seen
                .clone()
                .map(|key| {
                    let products = part(row, 0).iter().zip(part(key, 1)).map(|(a, b)| a * b);
                    (products.sum::<f32>() / (shape.width as f32).sqrt()).exp()
                })
                .collect();
            let sum: f32 = scores.iter().sum();
            for (key, score) in seen.zip(scores) {
                for (at, value) in part(key, 2).iter().enumerate() {
                    wanted[row * hidden + head * shape.width + at] += score / sum * value;
                }
            }
        }
    }
    let mut keys = vec![0.0; shape.keys(count)];
    let mut values = vec![0.0; shape.values(count)];
    let threads = Threads::caller();
    let blocks = Blocks {
        keys: &mut keys,
        values: &mut values,
    };
    prepare(isa, &threads, shape, None, &places, &mut qkv, blocks);
    let from = Attended {
        qkv: &qkv,
        keys: &keys,
        values: &values,
        places: &places,
        window: Some(window),
    };
    let mut found = vec![0.0; count * hidden];
    let queries: Vec<usize> = (0..count).collect();
    attend(isa, &threads, shape, from, &queries, &mut found);
    compare("attention", &found, &wanted, 1e-4)
}

fn plain_norm(row: &mut [f32], norm: &Norm) {
    let count = row.len() as f32;
    let mean = row.iter().sum::<f32>() / count;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count;
    for (at, value) in row.iter_mut().enumerate() {
        *value = (*value - mean) / (variance + 1e-5).sqrt() * norm.weight[at];
        *value += norm.bias.as_ref().map_or(0.0, |bias| bias[at]);
    }
}

/// The exact GELU; the error function as its Taylor series, which is good for the small numbers here.
fn plain_gelu(x: f32) -> f32 {
    let z = f64::from(x) / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..60 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    let erf = sum * std::f64::consts::FRAC_2_SQRT_PI;
    (f64::from(x) / 2.0 * (1.0 + erf)) as f32
}

/// Whether all numbers agree to `tolerance` times the largest.
fn compare(what: &str, found: &[f32], wanted: &[f32], tolerance: f32) -> Result<(), String> {
    let most = wanted.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let difference = (found - wanted).abs();
        if difference.is_nan() || difference > tolerance * most {
            return Err(format!("{what}: {found} instead of {wanted} at {at}"));
        }
    }
    Ok(())
}
