//! What a layer does between its matrix products in one launch each, on a GPU: attention of sequences of any lengths
//! without padding, masks or copies; a residual sum with its normalisation; GELU with its gate. The kernels are
//! `cuda/kernels/encoder.cu`; numbers are bf16. A model that they do not fit, or a device on which they do not compute
//! what candle computes ([`agree`]), runs without them.

mod agree;
#[cfg_attr(
    not(any(test, feature = "cuda")),
    allow(dead_code, reason = "nothing launches a kernel where there is no GPU")
)]
mod launch;
mod layer;
#[cfg(test)]
mod tests;

use candle_core::{DType, Result, Tensor};

use super::Shape;
use super::attention::Rotation;
use super::group::Plan;
use super::load::Norm;
use crate::weights::{EncoderWeights, Positions};

pub(super) use agree::agree;
use launch::{Call, Scalar};

/// The widths of an attention head that there are kernels for.
const WIDTHS: [usize; 3] = [16, 32, 64];
/// Queries of a block of the attention kernels, as in `encoder.cu`.
pub(super) const QUERIES: usize = 64;
/// Threads of a block.
const THREADS: usize = 128;
/// Wider than any sequence, and far from where 32 bits overflow.
const NO_WINDOW: usize = 1 << 30;

/// Whether the kernels can run a model's layers in this precision.
pub(super) fn fit(weights: &EncoderWeights, dtype: DType) -> bool {
    let width = weights.hidden / weights.attention_heads;
    dtype == DType::BF16
        && WIDTHS.contains(&width)
        && !matches!(weights.positions, Positions::Disentangled(_))
}

/// Attention of every token to those at most `window` away from it (all, without a window) in a table with a row a token:
/// query, key and value, `bias` not yet added, positions not yet turned.
pub(super) fn attention(
    qkv: &Tensor,
    bias: Option<&Tensor>,
    rotation: Option<(&Rotation, bool)>,
    plan: &Plan,
    shape: &Shape,
) -> Result<Tensor> {
    let kernel = match shape.hidden / shape.attention_heads {
        16 => "attention_16",
        32 => "attention_32",
        64 => "attention_64",
        width => candle_core::bail!("no kernel for attention heads of {width} numbers"),
    };
    let dims = (qkv.dim(0)?, 3 * shape.hidden);
    check(qkv.dims2()? == dims && fits(bias, dims.1), kernel)?;
    let turns = rotation.map(|(rotation, local)| rotation.tables(local));
    let window = rotation.and_then(|(rotation, local)| rotation.window.filter(|_| local));
    let tiles = plan.tiles()?;
    Call {
        kernel,
        blocks: (tiles.elem_count() / 3, shape.attention_heads),
        threads: THREADS,
        others: vec![
            bias,
            turns.map(|turns| &turns.0),
            turns.map(|turns| &turns.1),
            Some(&tiles),
        ],
        output: (qkv.dim(0)?, shape.hidden),
        scalars: vec![
            Scalar::Int(shape.attention_heads),
            Scalar::Int(window.unwrap_or(NO_WINDOW)),
        ],
    }
    .run(qkv)
}

/// `x + change + bias`, and its normalisation.
pub(super) fn add_norm(
    x: &Tensor,
    change: &Tensor,
    bias: Option<&Tensor>,
    norm: &Norm,
) -> Result<(Tensor, Tensor)> {
    let (rows, columns) = x.dims2()?;
    let wide =
        columns.is_multiple_of(2) && fits(bias, columns) && fits(Some(&norm.weight), columns);
    check(wide && change.dims2()? == (rows, columns), "add_norm")?;
    let warps = THREADS / 32;
    let both = Call {
        kernel: "add_norm",
        blocks: (rows.div_ceil(warps), 1),
        threads: THREADS,
        others: vec![Some(change), bias, Some(&norm.weight), Some(&norm.bias)],
        output: (2 * rows, columns),
        scalars: vec![
            Scalar::Int(rows),
            Scalar::Int(columns),
            Scalar::Float(norm.eps),
        ],
    }
    .run(x)?;
    Ok((both.narrow(0, 0, rows)?, both.narrow(0, rows, rows)?))
}

/// GELU of `x + bias`, or where `gated` of its first half, times its second.
pub(super) fn gelu(x: &Tensor, bias: Option<&Tensor>, gated: bool) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    check(
        columns.is_multiple_of(4) && fits(bias, columns),
        "gated_gelu",
    )?;
    let columns = if gated { columns / 2 } else { columns };
    Call {
        kernel: "gated_gelu",
        blocks: ((rows * columns / 2).div_ceil(THREADS), 1),
        threads: THREADS,
        others: vec![bias],
        output: (rows, columns),
        scalars: vec![
            Scalar::Int(rows),
            Scalar::Int(columns),
            Scalar::Int(usize::from(gated)),
        ],
    }
    .run(x)
}

/// Whether a row for each table's row has as many numbers.
fn fits(row: Option<&Tensor>, columns: usize) -> bool {
    row.is_none_or(|row| row.elem_count() == columns)
}

/// The kernels trust what they are given.
fn check(right: bool, kernel: &str) -> Result<()> {
    if !right {
        candle_core::bail!("{kernel} cannot take tables of these shapes");
    }
    Ok(())
}
