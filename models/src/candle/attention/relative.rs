//! DeBERTa's attention: the score of two tokens is content to content, plus the query's content to the key's relative
//! position, plus the key's content to the query's.
//!
//! Instead of gathering a score for each pair, the table of positions is spread out to a row for each distance that the
//! sequences have; the product with it holds what pairs need on its diagonals, and those are a matter of strides.

use candle_core::{Result, Tensor};
use candle_nn::ops::softmax_last_dim;

use super::super::Shape;
use super::super::group::{Group, Plan, once};
use super::super::load::Loader;
use super::{Parts, merge};
use crate::weights::{Disentangled, Linear};

/// A layer's view of relative positions.
#[derive(Debug)]
pub(in super::super) struct Relative {
    /// Positions as keys, `heads × 2 span × width`, where content looks at positions.
    keys: Option<Tensor>,
    /// Positions as queries, where positions look at content.
    queries: Option<Tensor>,
    buckets: Buckets,
}

/// Which row of the table a distance has.
#[derive(Debug, Clone, Copy)]
struct Buckets {
    span: usize,
    max_distance: usize,
    buckets: usize,
}

/// Maps the table of relative positions with a layer's own query and key maps; `qkv` has the scaled query.
pub(in super::super) fn relative_tables(
    kind: &Disentangled,
    qkv: &Linear,
    heads: usize,
    loader: &Loader<'_>,
) -> Result<Relative> {
    let hidden = kind.relative.columns;
    let table = Tensor::from_vec(
        kind.relative.to_f32(),
        (kind.relative.rows, hidden),
        loader.device(),
    )?;
    let weight = Tensor::from_vec(qkv.weight.to_f32(), (3 * hidden, hidden), loader.device())?;
    let part = |index: usize| -> Result<Tensor> {
        let map = weight.narrow(0, index * hidden, hidden)?;
        let mut mapped = table.matmul(&map.t()?)?;
        if let Some(bias) = &qkv.bias {
            let bias = Tensor::new(&bias[index * hidden..][..hidden], loader.device())?;
            mapped = mapped.broadcast_add(&bias)?;
        }
        mapped
            .reshape((kind.relative.rows, heads, hidden / heads))?
            .transpose(0, 1)?
            .contiguous()?
            .to_dtype(loader.dtype())
    };
    Ok(Relative {
        keys: kind.content_to_position.then(|| part(1)).transpose()?,
        queries: kind.position_to_content.then(|| part(0)).transpose()?,
        buckets: Buckets {
            span: kind.span,
            max_distance: kind.max_distance,
            buckets: kind.buckets,
        },
    })
}

impl Relative {
    pub(in super::super) fn attend(
        &self,
        parts: &Parts,
        group: &Group,
        plan: &Plan,
        shape: &Shape,
    ) -> Result<Tensor> {
        let rows = |cell, key_first| {
            once(cell, || {
                let rows = self.buckets.rows(group.longest, key_first);
                Tensor::new(rows, &plan.device)
            })
        };
        let mut scores = parts.query.matmul(&parts.key.t()?)?;
        if let Some(keys) = &self.keys {
            let rows = rows(&group.shared.relative[0], false)?;
            scores = (scores + diagonals(&parts.query, keys, &rows)?)?;
        }
        if let Some(queries) = &self.queries {
            let rows = rows(&group.shared.relative[1], true)?;
            scores = (scores + diagonals(&parts.key, queries, &rows)?.t()?)?;
        }
        if let Some(mask) = group.mask(&plan.device, shape.dtype)? {
            scores = scores.broadcast_add(&mask)?;
        }
        let found = softmax_last_dim(&scores.contiguous()?)?.matmul(&parts.value)?;
        merge(&found, group, shape)
    }
}

/// `out[i][j] = content[i] · table[rows[j - i + tokens - 1]]` for each head and sequence.
fn diagonals(content: &Tensor, table: &Tensor, rows: &Tensor) -> Result<Tensor> {
    let (heads, sequences, tokens, width) = content.dims4()?;
    let spread = table.index_select(rows, 1)?;
    let columns = 2 * tokens;
    let products = content
        .reshape((heads, sequences * tokens, width))?
        .matmul(&spread.t()?)?;
    // Row i, column j - i + tokens - 1 is at i * columns + j - i + tokens - 1 = i * (columns - 1) + j + tokens - 1:
    // a table with rows one shorter, that begins at tokens - 1.
    products
        .reshape((heads, sequences, tokens * columns))?
        .narrow(2, tokens - 1, tokens * (columns - 1))?
        .reshape((heads, sequences, tokens, columns - 1))?
        .narrow(3, 0, tokens)?
        .contiguous()
}

impl Buckets {
    /// The table's row for each column of the products: column `c` is for `j - i = c - (tokens - 1)`. The row goes by the
    /// query's position less the key's: `i - j`, or `j - i` where `i` is the key.
    fn rows(&self, tokens: usize, key_first: bool) -> Vec<u32> {
        let last = tokens as i64 - 1;
        (0..2 * tokens as i64)
            .map(|column| {
                let ahead = column - last;
                self.row(if key_first { ahead } else { -ahead })
            })
            .collect()
    }

    fn row(&self, distance: i64) -> u32 {
        let span = self.span as i64;
        (self.bucket(distance) + span).clamp(0, 2 * span - 1) as u32
    }

    /// Near distances as they are, far ones in logarithmic steps (`make_log_bucket_position` in transformers).
    fn bucket(&self, distance: i64) -> i64 {
        let middle = (self.buckets / 2) as i64;
        let far = distance.abs();
        if self.buckets == 0 || far <= middle {
            return distance;
        }
        let middle_f = middle as f32;
        let ratio =
            (far as f32 / middle_f).ln() / ((self.max_distance as f32 - 1.0) / middle_f).ln();
        let steps = (ratio * (middle_f - 1.0)).ceil() as i64 + middle;
        steps * distance.signum()
    }
}

/// The buckets of the distances 0, 1, 2…
#[cfg(test)]
pub(in super::super) fn bucket_table(
    buckets: usize,
    max_distance: usize,
    distances: usize,
) -> Vec<i64> {
    let table = Buckets {
        span: buckets,
        max_distance,
        buckets,
    };
    (0..distances as i64)
        .map(|distance| table.bucket(distance))
        .collect()
}
