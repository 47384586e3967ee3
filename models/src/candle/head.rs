//! From a segment's output to a head's numbers.

use candle_core::{D, DType, Result, Tensor};

use super::gelu;
use super::group::Plan;
use super::load::{Linear, Norm};
use crate::encoder::{Output, Task};
use crate::weights::{Parts, Pooling, Then};

/// A head's tensors.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) segment: usize,
    pub(super) task: Task,
    pub(super) width: usize,
    pub(super) pooling: Pooling,
    pub(super) stages: Vec<Stage>,
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) linear: Linear,
    pub(super) then: Then,
    pub(super) norm: Option<Norm>,
}

impl Head {
    pub(super) fn forward(&self, hidden: &Tensor, plan: &Plan) -> Result<Output> {
        let mut x = match self.pooling {
            Pooling::None => hidden.clone(),
            Pooling::First => first(hidden, plan)?,
            Pooling::Mean => mean(hidden, plan)?,
            Pooling::Worst(parts) => part_means(hidden, plan, parts)?,
        };
        for stage in &self.stages {
            x = stage.forward(&x)?;
        }
        let mut x = x.to_dtype(DType::F32)?;
        if self.task == Task::Embedding {
            // A vector of zeros stays one.
            let length = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12)?;
            x = x.broadcast_div(&length)?;
        }
        let values = x.flatten_all()?.to_vec1::<f32>()?;
        Ok(Output {
            width: self.width,
            values: match self.pooling {
                Pooling::None => self.tokens(&values, plan),
                Pooling::Worst(parts) => self.worst(&values, plan, parts),
                Pooling::First | Pooling::Mean => self.sequences(&values, plan),
            },
        })
    }

    /// Brings the rows of tokens into the batch's order.
    fn tokens(&self, values: &[f32], plan: &Plan) -> Vec<f32> {
        let mut ordered = Vec::with_capacity(values.len());
        for (start, tokens) in &plan.rows {
            let range = start * self.width..(start + tokens) * self.width;
            ordered.extend_from_slice(&values[range]);
        }
        ordered
    }

    /// Of each sequence's rows, one for each part, the worst. They are in the batch's order.
    fn worst(&self, values: &[f32], plan: &Plan, parts: Parts) -> Vec<f32> {
        let mut left = values;
        let mut kept = Vec::with_capacity(plan.rows.len() * self.width);
        for (_, tokens) in &plan.rows {
            let (own, rest) = left.split_at(parts.of(*tokens).count() * self.width);
            kept.extend_from_slice(Parts::worst(own, self.width).unwrap_or_default());
            left = rest;
        }
        kept
    }

    /// The same for rows of sequences.
    fn sequences(&self, values: &[f32], plan: &Plan) -> Vec<f32> {
        let mut ordered = vec![0.0; values.len()];
        for (row, sequence) in values.chunks_exact(self.width).zip(&plan.order) {
            ordered[sequence * self.width..][..self.width].copy_from_slice(row);
        }
        ordered
    }
}

impl Stage {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.linear.forward(x)?;
        let y = match self.then {
            Then::Nothing => y,
            Then::Tanh => y.tanh()?,
            Then::Gelu => gelu::gelu(&y)?,
            Then::Relu => y.relu()?,
        };
        match &self.norm {
            Some(norm) => norm.forward(&y),
            None => Ok(y),
        }
    }
}

/// The first token of each sequence.
fn first(hidden: &Tensor, plan: &Plan) -> Result<Tensor> {
    let starts = plan.order.iter().map(|sequence| plan.rows[*sequence].0);
    let starts: Vec<u32> = starts.map(|start| start as u32).collect();
    hidden.index_select(&Tensor::new(starts, &plan.device)?, 0)
}

/// The mean of each sequence, computed in 32 bits.
fn mean(hidden: &Tensor, plan: &Plan) -> Result<Tensor> {
    let width = hidden.dim(1)?;
    let mut means = Vec::with_capacity(plan.groups.len());
    for group in &plan.groups {
        let rows = group.pad(hidden)?.to_dtype(DType::F32)?;
        let rows = rows.reshape((group.sequences, group.longest, width))?;
        let Some(lengths) = group.lengths() else {
            means.push(rows.mean(1)?);
            continue;
        };
        let weights: Vec<f32> = lengths
            .iter()
            .flat_map(|length| {
                let part = 1.0 / *length as f32;
                (0..group.longest).map(move |place| if place < *length { part } else { 0.0 })
            })
            .collect();
        let shape = (group.sequences, group.longest, 1);
        let weights = Tensor::from_vec(weights, shape, &plan.device)?;
        means.push(rows.broadcast_mul(&weights)?.sum(1)?);
    }
    Tensor::cat(&means, 0)?.to_dtype(hidden.dtype())
}

/// The mean of each part of each sequence, in the batch's order, computed in 32 bits.
fn part_means(hidden: &Tensor, plan: &Plan, parts: Parts) -> Result<Tensor> {
    let width = hidden.dim(1)?;
    let (mut rows, mut weights): (Vec<u32>, Vec<f32>) = (Vec::new(), Vec::new());
    for (start, tokens) in &plan.rows {
        for part in parts.of(*tokens) {
            let each = 1.0 / part.len() as f32;
            // A part that is shorter repeats its first row, without weight.
            rows.extend((0..parts.tokens).map(|place| {
                let place = if place < part.len() { place } else { 0 };
                (start + part.start + place) as u32
            }));
            weights.extend((0..parts.tokens).map(
                |place| {
                    if place < part.len() { each } else { 0.0 }
                },
            ));
        }
    }
    let count = weights.len() / parts.tokens;
    let rows = hidden.index_select(&Tensor::new(rows, &plan.device)?, 0)?;
    let rows = rows
        .to_dtype(DType::F32)?
        .reshape((count, parts.tokens, width))?;
    let weights = Tensor::from_vec(weights, (count, parts.tokens, 1), &plan.device)?;
    rows.broadcast_mul(&weights)?
        .sum(1)?
        .to_dtype(hidden.dtype())
}
