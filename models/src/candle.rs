//! Any encoder on candle: on the CPU, or with the feature `cuda` on a GPU.
//!
//! Sequences stay concatenated everywhere but in attention, so that maps and normalisations never see padding; for
//! attention, sequences of equal (or, on a GPU, similar) length form a group. Layers with a window compare each block
//! of tokens with its neighbours only, never all tokens with all. Segments that several wanted heads share run once.
//!
//! candle-transformers stays an oracle in tests. Where it deviates from the models' own code (measured with 0.11.1),
//! this backend does not:
//! - ModernBERT: it gives probabilities instead of logits, ignores biases, has no head for tokens and adds a whole
//!   T×T mask in every layer with a window; it cannot read configurations of transformers 5 or integer `label2id`.
//! - DistilBERT: it takes the tanh approximation of GELU, the models the exact one (2e-4 off).
//! - DeBERTa: its head for tokens drops the classifier's bias.
//! - XLM-RoBERTa: it wants `position_embedding_type`, which newer configurations lack, and has no head for tokens.
//! - BERT: it has no pooler and no heads.

mod attention;
#[cfg(feature = "cuda")]
mod cuda;
mod fused;
mod gelu;
mod group;
mod head;
mod layer;
mod load;
#[cfg(test)]
mod tests;

use candle_core::{DType, Device, Result, Tensor};

use crate::ModelError;
use crate::encoder::{Batch, Encoder, HeadInfo, Output, Packed};
use crate::weights::{EncoderWeights, NormOrder};

use attention::Rotation;
use group::Plan;
use head::Head;
use layer::Layer;
use load::{Loader, Norm};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of this number; only in a build with the feature `cuda`.
    Cuda(usize),
}

/// The numbers that a model computes with. Normalisations and the angles of rotary positions are computed in 32 bits
/// in any case, and outputs are 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with a wide exponent; for GPUs.
    Bf16,
    /// 16 bits with a narrow exponent; for GPUs.
    F16,
}

/// How a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Options {
    /// Where.
    pub place: Place,
    /// With which numbers.
    pub precision: Precision,
    /// The part of a group's tokens that may be padding, 0 to 1. Without it none on the CPU, where padding costs what
    /// tokens cost, and a quarter on a GPU, where launches cost more.
    pub padding: Option<f64>,
    /// Candle's own kernels only. Otherwise, on a GPU in bf16, layers take fewer and larger ones where they fit.
    pub plain: bool,
}

/// An [`Encoder`] on candle. On a GPU all its work is put in order by one stream, whichever thread asks.
#[derive(Debug)]
pub struct CandleEncoder {
    infos: Vec<HeadInfo>,
    max_tokens: usize,
    vocabulary: usize,
    padding: f64,
    device: Device,
    model: Model,
}

/// The tensors.
#[derive(Debug)]
struct Model {
    words: Tensor,
    /// Positions and token type 0 together, a row a position.
    positions: Option<Tensor>,
    token_type: Option<Tensor>,
    embedding_norm: Option<Norm>,
    rotation: Option<Rotation>,
    segments: Vec<Segment>,
    heads: Vec<Head>,
    shape: Shape,
}

/// What all layers share.
#[derive(Debug, Clone)]
struct Shape {
    hidden: usize,
    attention_heads: usize,
    order: NormOrder,
    activation: crate::weights::Activation,
    dtype: DType,
    /// Whether layers run with the kernels of [`fused`].
    fused: bool,
    /// The most attention scores that are computed at once.
    max_scores: usize,
}

#[derive(Debug)]
struct Segment {
    parent: Option<usize>,
    layers: Vec<Layer>,
    final_norm: Option<Norm>,
}

impl CandleEncoder {
    /// Puts a model on its device.
    ///
    /// # Errors
    /// [`ModelError::Load`] when the device is not there, or its memory does not suffice.
    pub fn new(
        weights: &EncoderWeights,
        options: Options,
    ) -> std::result::Result<Self, ModelError> {
        let load = |error: candle_core::Error| ModelError::Load {
            model: weights
                .heads
                .first()
                .map_or_else(String::new, |head| head.info.name.clone()),
            reason: error.to_string(),
        };
        let device = match options.place {
            Place::Cpu => Device::Cpu,
            #[cfg(feature = "cuda")]
            Place::Cuda(index) => cuda::device(index).map_err(load)?,
            #[cfg(not(feature = "cuda"))]
            Place::Cuda(index) => Device::new_cuda(index).map_err(load)?,
        };
        let dtype = match options.precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 => DType::F16,
        };
        let padding = if device.is_cpu() { 0.0 } else { 0.25 };
        let fused = device.is_cuda() && !options.plain && fused::fit(weights, dtype);
        let model = Model::fitting(weights, &device, dtype, fused).map_err(load)?;
        Ok(Self {
            infos: weights.heads.iter().map(|head| head.info.clone()).collect(),
            max_tokens: weights.max_tokens,
            vocabulary: weights.embeddings.words.rows,
            padding: options.padding.unwrap_or(padding),
            device,
            model,
        })
    }

    fn check(&self, batch: &Packed, wanted: &[usize]) -> std::result::Result<(), ModelError> {
        let longest = batch.longest();
        if longest > self.max_tokens {
            return Err(ModelError::Infer(format!(
                "a sequence has {longest} tokens, the model takes {}",
                self.max_tokens
            )));
        }
        let outside = |id: &&u32| **id as usize >= self.vocabulary;
        if let Some(id) = batch.ids().iter().find(outside) {
            return Err(ModelError::Infer(format!(
                "token {id} is outside the vocabulary of {}",
                self.vocabulary
            )));
        }
        if let Some(head) = wanted.iter().find(|head| **head >= self.infos.len()) {
            return Err(ModelError::Infer(format!("there is no head {head}")));
        }
        Ok(())
    }
}

impl Encoder for CandleEncoder {
    fn heads(&self) -> &[HeadInfo] {
        &self.infos
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn batch(&self) -> Batch {
        if self.device.is_cpu() {
            Batch::CPU
        } else {
            Batch::GPU
        }
    }

    fn forward(
        &self,
        batch: &Packed,
        wanted: &[usize],
    ) -> std::result::Result<Vec<Output>, ModelError> {
        self.check(batch, wanted)?;
        if batch.sequences() == 0 {
            let empty = |head: &usize| Output {
                width: self.infos[*head].width,
                values: Vec::new(),
            };
            return Ok(wanted.iter().map(empty).collect());
        }
        let run = || {
            let shape = &self.model.shape;
            let max = shape.max_scores / shape.attention_heads;
            let plan = Plan::new(batch, self.padding, max, &self.device)?;
            self.model.forward(&plan, wanted)
        };
        run().map_err(|error| ModelError::Infer(error.to_string()))
    }
}

impl Model {
    /// With fused kernels where they are wanted and do what they should.
    fn fitting(
        weights: &EncoderWeights,
        device: &Device,
        dtype: DType,
        fused: bool,
    ) -> Result<Self> {
        if fused {
            let model = Self::load(weights, &Loader::new(device, dtype).fused())?;
            match fused::agree(&model, weights.max_tokens) {
                Ok(()) => return Ok(model),
                Err(error) => {
                    tracing::warn!(%error, "the GPU runs candle's kernels, not fused ones")
                }
            }
        }
        Self::load(weights, &Loader::new(device, dtype))
    }

    fn forward(&self, plan: &Plan, wanted: &[usize]) -> Result<Vec<Output>> {
        let needed = self.needed(wanted);
        let embedded = self.embed(plan)?;
        let mut outputs: Vec<Option<Tensor>> = Vec::with_capacity(self.segments.len());
        for (segment, needed) in self.segments.iter().zip(needed) {
            if !needed {
                outputs.push(None);
                continue;
            }
            let input = segment.parent.and_then(|parent| outputs[parent].as_ref());
            let output = self.segment(segment, input.unwrap_or(&embedded), plan)?;
            outputs.push(Some(output));
        }
        wanted
            .iter()
            .map(|index| {
                let head = &self.heads[*index];
                match &outputs[head.segment] {
                    Some(hidden) => head.forward(hidden, plan),
                    None => candle_core::bail!("segment {} did not run", head.segment),
                }
            })
            .collect()
    }

    /// Which segments the wanted heads need; a parent stands before its children.
    fn needed(&self, wanted: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.segments.len()];
        for head in wanted {
            needed[self.heads[*head].segment] = true;
        }
        for index in (0..self.segments.len()).rev() {
            if let (true, Some(parent)) = (needed[index], self.segments[index].parent) {
                needed[parent] = true;
            }
        }
        needed
    }

    fn embed(&self, plan: &Plan) -> Result<Tensor> {
        let mut hidden = self.words.index_select(&plan.ids, 0)?;
        if let Some(positions) = &self.positions {
            hidden = (hidden + positions.index_select(&plan.positions, 0)?)?;
        }
        if let Some(token_type) = &self.token_type {
            hidden = hidden.broadcast_add(token_type)?;
        }
        match &self.embedding_norm {
            Some(norm) => norm.forward(&hidden),
            None => Ok(hidden),
        }
    }

    fn segment(&self, segment: &Segment, input: &Tensor, plan: &Plan) -> Result<Tensor> {
        let mut hidden = input.clone();
        for layer in &segment.layers {
            hidden = layer.forward(&hidden, plan, &self.shape, self.rotation.as_ref())?;
        }
        match &segment.final_norm {
            Some(norm) => norm.forward(&hidden),
            None => Ok(hidden),
        }
    }
}
