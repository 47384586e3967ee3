//! From [`EncoderWeights`] to tensors on a device.

use candle_core::{DType, Device, Result, Tensor};

use super::attention::{Rotation, relative_tables};
use super::head::{Head, Stage};
use super::layer::Layer;
use super::{Model, Segment, Shape};
use crate::weights::{self, Activation, EncoderWeights, Matrix, Positions};

/// The most attention scores at once: 64 MiB of them on the CPU, where fresh memory is slow, 1 GiB on a GPU.
const MAX_SCORES_CPU: usize = 1 << 24;
const MAX_SCORES_GPU: usize = 1 << 28;

/// Makes tensors.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    device: &'a Device,
    dtype: DType,
    /// Whether a gate becomes a map of its own. On a GPU that saves copying half of each row, which costs a launch
    /// and an upload; on the CPU one function does both halves.
    gates_apart: bool,
    /// Whether layers run with kernels of our own, which read a gate as the second half of a row.
    fused: bool,
}

/// A linear map.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

impl Linear {
    /// `x` is a table with a row a token, or a row a sequence.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.product(x)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }

    /// The same without the bias.
    pub(super) fn product(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight.t()?)
    }
}

/// A layer normalisation.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) eps: f32,
}

impl Norm {
    /// Normalises each row.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, self.eps)
    }
}

impl<'a> Loader<'a> {
    pub(super) fn new(device: &'a Device, dtype: DType) -> Self {
        Self {
            device,
            dtype,
            gates_apart: !device.is_cpu(),
            fused: false,
        }
    }

    pub(super) fn fused(self) -> Self {
        Self {
            gates_apart: false,
            fused: true,
            ..self
        }
    }

    #[cfg(test)]
    pub(super) fn with_gates_apart(self) -> Self {
        Self {
            gates_apart: true,
            ..self
        }
    }

    /// A table in the model's precision.
    pub(super) fn table(&self, values: Vec<f32>, rows: usize, columns: usize) -> Result<Tensor> {
        Tensor::from_vec(values, (rows, columns), self.device)?.to_dtype(self.dtype)
    }

    fn matrix(&self, matrix: &Matrix) -> Result<Tensor> {
        self.table(matrix.to_f32(), matrix.rows, matrix.columns)
    }

    fn vector(&self, values: &[f32]) -> Result<Tensor> {
        Tensor::new(values, self.device)?.to_dtype(self.dtype)
    }

    pub(super) fn linear(&self, linear: &weights::Linear) -> Result<Linear> {
        let bias = linear.bias.as_deref();
        Ok(Linear {
            weight: self.matrix(&linear.weight)?,
            bias: bias.map(|bias| self.vector(bias)).transpose()?,
        })
    }

    pub(super) fn norm(&self, norm: &weights::Norm, eps: f32) -> Result<Norm> {
        let bias = match &norm.bias {
            Some(bias) => self.vector(bias)?,
            None => self.vector(&vec![0.0; norm.weight.len()])?,
        };
        Ok(Norm {
            weight: self.vector(&norm.weight)?,
            bias,
            eps,
        })
    }

    fn norm_any(&self, norm: Option<&weights::Norm>, eps: f32) -> Result<Option<Norm>> {
        norm.map(|norm| self.norm(norm, eps)).transpose()
    }

    /// The map to query, key and value, with the query's part divided by what attention scores are divided by.
    fn qkv(&self, linear: &weights::Linear, scale: f32) -> Result<(Linear, weights::Linear)> {
        let (rows, columns) = (linear.weight.rows, linear.weight.columns);
        let mut values = linear.weight.to_f32();
        for value in &mut values[..rows / 3 * columns] {
            *value *= scale;
        }
        let mut bias = linear.bias.clone();
        if let Some(bias) = &mut bias {
            for value in &mut bias[..rows / 3] {
                *value *= scale;
            }
        }
        let scaled = weights::Linear {
            weight: Matrix {
                rows,
                columns,
                values: weights::Values::F32(values),
            },
            bias,
        };
        Ok((self.linear(&scaled)?, scaled))
    }

    fn layer(&self, layer: &weights::Layer, model: &EncoderWeights) -> Result<Layer> {
        let eps = model.norm_eps;
        let width = model.hidden / model.attention_heads;
        let kinds = match &model.positions {
            Positions::Disentangled(kind) => {
                1 + usize::from(kind.content_to_position) + usize::from(kind.position_to_content)
            }
            _ => 1,
        };
        let (qkv, scaled) = self.qkv(&layer.qkv, 1.0 / ((width * kinds) as f32).sqrt())?;
        let relative = match &model.positions {
            Positions::Disentangled(kind) => {
                let heads = model.attention_heads;
                Some(relative_tables(kind, &scaled, heads, self)?)
            }
            _ => None,
        };
        let (up, gate) = match model.activation {
            Activation::GeGlu if self.gates_apart => {
                let (up, gate) = halves(&layer.up);
                (self.linear(&up)?, Some(self.linear(&gate)?))
            }
            _ => (self.linear(&layer.up)?, None),
        };
        Ok(Layer {
            attention_norm: self.norm_any(layer.attention_norm.as_ref(), eps)?,
            qkv,
            attention_out: self.linear(&layer.attention_out)?,
            feed_forward_norm: self.norm(&layer.feed_forward_norm, eps)?,
            up,
            gate,
            down: self.linear(&layer.down)?,
            local: layer.local,
            relative,
        })
    }

    fn head(&self, head: &weights::Head, eps: f32) -> Result<Head> {
        let stage = |stage: &weights::Stage| {
            Ok(Stage {
                linear: self.linear(&stage.linear)?,
                then: stage.then,
                norm: self.norm_any(stage.norm.as_ref(), eps)?,
            })
        };
        Ok(Head {
            segment: head.segment,
            task: head.info.task,
            width: head.info.width,
            pooling: head.pooling,
            stages: head.stages.iter().map(stage).collect::<Result<_>>()?,
        })
    }

    pub(super) fn device(&self) -> &Device {
        self.device
    }

    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }
}

/// The maps to the first and to the second half of what `linear` gives.
fn halves(linear: &weights::Linear) -> (weights::Linear, weights::Linear) {
    let (rows, columns) = (linear.weight.rows / 2, linear.weight.columns);
    let mut first = linear.weight.to_f32();
    let second = first.split_off(rows * columns);
    let half = |values, bias: Option<&[f32]>| weights::Linear {
        weight: Matrix {
            rows,
            columns,
            values: weights::Values::F32(values),
        },
        bias: bias.map(<[f32]>::to_vec),
    };
    let bias = linear.bias.as_deref();
    (
        half(first, bias.map(|bias| &bias[..rows])),
        half(second, bias.map(|bias| &bias[rows..])),
    )
}

impl Model {
    pub(super) fn load(weights: &EncoderWeights, loader: &Loader<'_>) -> Result<Self> {
        let eps = weights.norm_eps;
        let embeddings = &weights.embeddings;
        let segment = |segment: &weights::Segment| {
            let layer = |layer| loader.layer(layer, weights);
            Ok(Segment {
                parent: segment.parent,
                layers: segment.layers.iter().map(layer).collect::<Result<_>>()?,
                final_norm: loader.norm_any(segment.final_norm.as_ref(), eps)?,
            })
        };
        let positions = embeddings.positions.as_ref().map(|positions| {
            // Rows before the first position are those of padding.
            let skipped = embeddings.first_position;
            let values = positions.to_f32().split_off(skipped * positions.columns);
            loader.table(values, positions.rows - skipped, positions.columns)
        });
        let token_type = embeddings.token_type.as_deref();
        Ok(Self {
            words: loader.matrix(&embeddings.words)?,
            positions: positions.transpose()?,
            token_type: token_type.map(|vector| loader.vector(vector)).transpose()?,
            embedding_norm: loader.norm_any(embeddings.norm.as_ref(), eps)?,
            rotation: Rotation::new(weights, loader)?,
            segments: weights
                .segments
                .iter()
                .map(segment)
                .collect::<Result<_>>()?,
            heads: weights
                .heads
                .iter()
                .map(|head| loader.head(head, eps))
                .collect::<Result<_>>()?,
            shape: Shape {
                hidden: weights.hidden,
                attention_heads: weights.attention_heads,
                order: weights.norm_order,
                activation: weights.activation,
                dtype: loader.dtype,
                fused: loader.fused,
                max_scores: if loader.device.is_cpu() {
                    MAX_SCORES_CPU
                } else {
                    MAX_SCORES_GPU
                },
            },
        })
    }
}
