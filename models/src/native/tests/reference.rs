//! A plain encoder in `f64`: one sequence at a time, every loop written out.

use crate::encoder::{Packed, Task};
use crate::weights::*;

type Rows = Vec<Vec<f64>>;

/// What head `index` gives for each sequence, rows joined.
pub(super) fn run(weights: &EncoderWeights, batch: &Packed, index: usize) -> Vec<f64> {
    let head = &weights.heads[index];
    let mut all = Vec::new();
    for range in batch.ranges() {
        let x = segment(weights, head.segment, &batch.ids()[range]);
        let rows = match head.pooling {
            Pooling::None => x,
            Pooling::First => vec![x[0].clone()],
            Pooling::Mean => vec![mean(&x)],
            Pooling::Worst(parts) => parts.of(x.len()).map(|part| mean(&x[part])).collect(),
        };
        let first = all.len();
        for mut row in rows {
            for stage in &head.stages {
                row = linear(&stage.linear, &row);
                row.iter_mut().for_each(|x| {
                    *x = match stage.then {
                        Then::Nothing => *x,
                        Then::Tanh => x.tanh(),
                        Then::Gelu => gelu(*x),
                        Then::Relu => x.max(0.0),
                    }
                });
                row = norm(stage.norm.as_ref(), weights.norm_eps, row);
            }
            if head.info.task == Task::Embedding {
                let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                row.iter_mut().for_each(|x| *x /= length);
            }
            all.extend(row);
        }
        if let Pooling::Worst(_) = head.pooling {
            let outputs = all.split_off(first);
            let margin = |row: &&[f64]| {
                let (last, others) = row.split_last().unwrap();
                last - others.iter().copied().fold(f64::MIN, f64::max)
            };
            let rows = outputs.chunks_exact(head.info.width);
            let worst = rows.max_by(|a, b| margin(a).total_cmp(&margin(b)));
            all.extend_from_slice(worst.unwrap());
        }
    }
    all
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..rows[0].len())
        .map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64)
        .collect()
}

fn segment(weights: &EncoderWeights, index: usize, ids: &[u32]) -> Rows {
    let segment = &weights.segments[index];
    let mut x = match segment.parent {
        Some(parent) => self::segment(weights, parent, ids),
        None => embed(weights, ids),
    };
    for layer in &segment.layers {
        x = self::layer(weights, layer, x);
    }
    x.into_iter()
        .map(|row| norm(segment.final_norm.as_ref(), weights.norm_eps, row))
        .collect()
}

fn embed(weights: &EncoderWeights, ids: &[u32]) -> Rows {
    let part = &weights.embeddings;
    ids.iter()
        .enumerate()
        .map(|(position, id)| {
            let mut row = matrix_row(&part.words, *id as usize);
            if let Some(positions) = &part.positions {
                add(
                    &mut row,
                    &matrix_row(positions, position + part.first_position),
                );
            }
            if let Some(token_type) = &part.token_type {
                let token_type: Vec<f64> = token_type.iter().map(|x| f64::from(*x)).collect();
                add(&mut row, &token_type);
            }
            norm(part.norm.as_ref(), weights.norm_eps, row)
        })
        .collect()
}

fn layer(weights: &EncoderWeights, layer: &Layer, mut x: Rows) -> Rows {
    let eps = weights.norm_eps;
    let pre = weights.norm_order == NormOrder::Pre;
    let attention_norm = layer.attention_norm.as_ref();
    let before = |row: &Vec<f64>, part: Option<&Norm>| {
        if pre {
            norm(part, eps, row.clone())
        } else {
            row.clone()
        }
    };
    let qkv: Rows = x
        .iter()
        .map(|row| linear(&layer.qkv, &before(row, attention_norm)))
        .collect();
    let found = attention(weights, layer.local, qkv);
    for (row, found) in x.iter_mut().zip(found) {
        add(row, &linear(&layer.attention_out, &found));
        if !pre {
            *row = norm(attention_norm, eps, std::mem::take(row));
        }
        let part = Some(&layer.feed_forward_norm);
        let inner = activate(weights.activation, linear(&layer.up, &before(row, part)));
        add(row, &linear(&layer.down, &inner));
        if !pre {
            *row = norm(part, eps, std::mem::take(row));
        }
    }
    x
}

fn attention(weights: &EncoderWeights, local: bool, mut qkv: Rows) -> Rows {
    let (hidden, heads) = (weights.hidden, weights.attention_heads);
    let width = hidden / heads;
    let mut window = usize::MAX;
    if let Positions::Rotary {
        global: all,
        local: near,
        window: tokens,
    } = weights.positions
    {
        let theta = if local { near.theta } else { all.theta };
        for (position, row) in qkv.iter_mut().enumerate() {
            for head in row[..2 * hidden].chunks_exact_mut(width) {
                turn(head, position, theta);
            }
        }
        if local {
            window = tokens;
        }
    }
    let mut found = vec![vec![0.0; hidden]; qkv.len()];
    for (query, found) in found.iter_mut().enumerate() {
        for head in 0..heads {
            let part =
                |row: usize, which: usize| &qkv[row][which * hidden + head * width..][..width];
            let scores: Vec<f64> = (0..qkv.len())
                .map(|key| {
                    if query.abs_diff(key) > window {
                        return 0.0;
                    }
                    let product: f64 = part(query, 0)
                        .iter()
                        .zip(part(key, 1))
                        .map(|(a, b)| a * b)
                        .sum();
                    (product / (width as f64).sqrt()).exp()
                })
                .collect();
            let sum: f64 = scores.iter().sum();
            for (key, score) in scores.iter().enumerate() {
                for (at, value) in part(key, 2).iter().enumerate() {
                    found[head * width + at] += score / sum * value;
                }
            }
        }
    }
    found
}

fn turn(head: &mut [f64], position: usize, theta: f64) {
    let half = head.len() / 2;
    for at in 0..half {
        let angle = position as f64 / theta.powf(2.0 * at as f64 / head.len() as f64);
        let (a, b) = (head[at], head[half + at]);
        head[at] = a * angle.cos() - b * angle.sin();
        head[half + at] = b * angle.cos() + a * angle.sin();
    }
}

fn activate(activation: Activation, row: Vec<f64>) -> Vec<f64> {
    match activation {
        Activation::Gelu => row.into_iter().map(gelu).collect(),
        Activation::GeluTanh => row
            .into_iter()
            .map(|x| {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
                x / 2.0 * (1.0 + inner.tanh())
            })
            .collect(),
        Activation::Relu => row.into_iter().map(|x| x.max(0.0)).collect(),
        Activation::GeGlu => {
            let (gate, value) = row.split_at(row.len() / 2);
            gate.iter().zip(value).map(|(a, b)| gelu(*a) * b).collect()
        }
    }
}

/// The exact GELU; the error function by its Taylor series, for large numbers by its limit.
fn gelu(x: f64) -> f64 {
    let z = x / std::f64::consts::SQRT_2;
    if z.abs() > 5.0 {
        return x.max(0.0);
    }
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x / 2.0 * (1.0 + sum * std::f64::consts::FRAC_2_SQRT_PI)
}

fn norm(part: Option<&Norm>, eps: f32, row: Vec<f64>) -> Vec<f64> {
    let Some(part) = part else { return row };
    let count = row.len() as f64;
    let mean = row.iter().sum::<f64>() / count;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    row.iter()
        .enumerate()
        .map(|(at, x)| {
            let bias = part.bias.as_ref().map_or(0.0, |bias| f64::from(bias[at]));
            (x - mean) / (variance + f64::from(eps)).sqrt() * f64::from(part.weight[at]) + bias
        })
        .collect()
}

fn linear(part: &Linear, row: &[f64]) -> Vec<f64> {
    (0..part.weight.rows)
        .map(|output| {
            let weights = matrix_row(&part.weight, output);
            let bias = part
                .bias
                .as_ref()
                .map_or(0.0, |bias| f64::from(bias[output]));
            weights.iter().zip(row).map(|(a, b)| a * b).sum::<f64>() + bias
        })
        .collect()
}

fn matrix_row(part: &Matrix, row: usize) -> Vec<f64> {
    let mut numbers = vec![0.0; part.columns];
    part.row_into(row, &mut numbers);
    numbers.into_iter().map(f64::from).collect()
}

fn add(to: &mut [f64], from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
