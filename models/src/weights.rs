//! An encoder's weights in one form, whatever family and file they came from.
//!
//! Readers of checkpoints (BERT, DistilBERT, XLM-RoBERTa, ModernBERT, DeBERTa, the bundle) fill it; backends (candle,
//! the packed kernels) run it. The layers form a tree: [`Segment`]s that begin at the embeddings or at another
//! segment's output, so that several heads share what they have in common and each pays only for what is its own. An
//! ordinary checkpoint is a single segment.

use std::ops::Range;

use crate::encoder::HeadInfo;
use crate::rotary::Rotary;

/// Everything needed to run an encoder.
#[derive(Debug, Clone)]
pub struct EncoderWeights {
    /// Width of a token's vector.
    pub hidden: usize,
    /// Attention heads of a layer; they divide `hidden`.
    pub attention_heads: usize,
    /// The most tokens of a sequence, special ones included.
    pub max_tokens: usize,
    /// Added to the variance in every normalisation.
    pub norm_eps: f32,
    /// Where the normalisations sit.
    pub norm_order: NormOrder,
    /// What turns one half (or all) of the feed-forward's inner vector on and off.
    pub activation: Activation,
    /// The first layer's input.
    pub embeddings: Embeddings,
    /// How positions enter attention.
    pub positions: Positions,
    /// The layers, as a tree; a parent stands before its children.
    pub segments: Vec<Segment>,
    /// What can be asked for.
    pub heads: Vec<Head>,
}

/// Where the normalisations sit in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormOrder {
    /// After each residual sum (BERT).
    Post,
    /// Before attention and feed-forward (ModernBERT); the trunk then ends with one of its own.
    Pre,
}

/// The feed-forward's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `down(gelu(up(x)))`, the exact GELU with erf.
    Gelu,
    /// The same with GELU's tanh approximation.
    GeluTanh,
    /// `down(relu(up(x)))`.
    Relu,
    /// `down(gelu(a) * b)` where `a` and `b` are the halves of `up(x)` (ModernBERT); exact GELU.
    GeGlu,
}

/// How positions enter attention.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Only through [`Embeddings::positions`].
    Absolute,
    /// Rotary: queries and keys are turned by angles that grow with the position.
    Rotary {
        /// The angles in layers that see everything.
        global: Rotary,
        /// The angles in layers with a window.
        local: Rotary,
        /// A token of a layer with a window sees so many tokens to either side.
        window: usize,
    },
    /// DeBERTa's disentangled attention: content to position and position to content, over logarithmic buckets.
    Disentangled(Disentangled),
}

/// What DeBERTa's attention needs besides a layer's own weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Disentangled {
    /// Vectors of the relative distances, `2 * span` rows.
    pub relative: Matrix,
    /// Half the number of rows of `relative`.
    pub span: usize,
    /// Distances beyond it share a place in `relative`.
    pub max_distance: usize,
    /// Number of logarithmic buckets; 0 for none.
    pub buckets: usize,
    /// Whether content looks at positions, and positions at content.
    pub content_to_position: bool,
    /// Whether positions look at content.
    pub position_to_content: bool,
}

/// A matrix, row after row: a linear map from `columns` numbers to `rows` numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// The numbers.
    pub values: Values,
}

/// The numbers of a matrix as the file has them.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// As they are.
    F32(Vec<f32>),
    /// `values[row][column] * scales[row]`.
    Int8 {
        /// -127 to 127.
        values: Vec<i8>,
        /// One a row.
        scales: Vec<f32>,
    },
}

impl Matrix {
    /// The matrix in `f32`.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.values {
            Values::F32(values) => values.clone(),
            Values::Int8 { values, scales } => values
                .chunks_exact(self.columns)
                .zip(scales)
                .flat_map(|(row, scale)| row.iter().map(move |value| f32::from(*value) * scale))
                .collect(),
        }
    }

    /// One row in `f32`, written to `to`.
    pub fn row_into(&self, row: usize, to: &mut [f32]) {
        let range = row * self.columns..(row + 1) * self.columns;
        match &self.values {
            Values::F32(values) => to.copy_from_slice(&values[range]),
            Values::Int8 { values, scales } => {
                for (to, value) in to.iter_mut().zip(&values[range]) {
                    *to = f32::from(*value) * scales[row];
                }
            }
        }
    }
}

/// `weight * x + bias`.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// The map.
    pub weight: Matrix,
    /// One number an output.
    pub bias: Option<Vec<f32>>,
}

/// Layer normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Factor of each component.
    pub weight: Vec<f32>,
    /// Added to each component.
    pub bias: Option<Vec<f32>>,
}

/// The first layer's input: the sum of what is here, normalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// A row a token of the vocabulary.
    pub words: Matrix,
    /// A row a position. Position `i` of a sequence takes row `i + first_position`.
    pub positions: Option<Matrix>,
    /// RoBERTa's positions begin at 2; others at 0.
    pub first_position: usize,
    /// The vector of token type 0, added to every token.
    pub token_type: Option<Vec<f32>>,
    /// The normalisation.
    pub norm: Option<Norm>,
}

/// A run of layers.
#[derive(Debug, Clone)]
pub struct Segment {
    /// By this name errors and metrics know it.
    pub name: String,
    /// The segment whose output goes in; the embeddings when there is none.
    pub parent: Option<usize>,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
    /// A last normalisation ([`NormOrder::Pre`]).
    pub final_norm: Option<Norm>,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The normalisation of attention: before it ([`NormOrder::Pre`]; the first layer may lack it) or after it.
    pub attention_norm: Option<Norm>,
    /// Query, key and value in one map: `3 * hidden` outputs.
    pub qkv: Linear,
    /// What attention found, back to `hidden`.
    pub attention_out: Linear,
    /// The normalisation of the feed-forward: before it or after it.
    pub feed_forward_norm: Norm,
    /// To the inner vector; twice as wide for [`Activation::GeGlu`].
    pub up: Linear,
    /// From the inner vector.
    pub down: Linear,
    /// Whether its attention sees only the window of [`Positions::Rotary`].
    pub local: bool,
}

/// What is made of a segment's output.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its name, task, labels and width.
    pub info: HeadInfo,
    /// The segment whose output it takes.
    pub segment: usize,
    /// How the tokens of a sequence become one vector; [`crate::encoder::Task::Token`] needs none.
    pub pooling: Pooling,
    /// Maps, first to last, each with what follows it; none for a plain embedding.
    pub stages: Vec<Stage>,
}

/// How the tokens of a sequence become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// They do not.
    None,
    /// The first token's.
    First,
    /// The mean of all.
    Mean,
    /// A mean of each part; of what the head makes of them, the one with the highest last label counts.
    Worst(Parts),
}

/// Overlapping parts of a sequence, so that a few words are not lost in the mean over many others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The most tokens of a part.
    pub tokens: usize,
    /// From the beginning of one part to that of the next, in tokens; at least 1.
    pub step: usize,
}

impl Parts {
    /// Whether the parts leave nothing out: the next begins before the one before ends, or where it does.
    #[must_use]
    pub fn cover(self) -> bool {
        (1..=self.tokens).contains(&self.step)
    }

    /// The parts of a sequence of `length` tokens: one each `step`, up to the first that reaches the end, which may be
    /// shorter than the others. A sequence that is no longer than a part is its only one.
    pub fn of(self, length: usize) -> impl Iterator<Item = Range<usize>> + Clone {
        let count = 1 + length
            .saturating_sub(self.tokens)
            .div_ceil(self.step.max(1));
        (0..count).map(move |index| {
            let start = index * self.step;
            start..(start + self.tokens).min(length)
        })
    }

    /// Of outputs with `width` numbers each, the one whose last number stands out most from the others' largest; none
    /// for no outputs.
    #[must_use]
    pub fn worst(outputs: &[f32], width: usize) -> Option<&[f32]> {
        let margin = |output: &&[f32]| {
            let (last, others) = output.split_last().unwrap_or((&0.0, &[]));
            last - others.iter().copied().fold(f32::NEG_INFINITY, f32::max)
        };
        outputs
            .chunks_exact(width)
            .max_by(|a, b| margin(a).total_cmp(&margin(b)))
    }
}

/// One step of a head.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The map.
    pub linear: Linear,
    /// Follows the map.
    pub then: Then,
    /// Follows `then`.
    pub norm: Option<Norm>,
}

/// What follows a head's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The hyperbolic tangent (BERT's pooler).
    Tanh,
    /// The exact GELU.
    Gelu,
    /// The rectifier (DistilBERT).
    Relu,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They begin at every step, cover everything, and stop at the first that reaches the end.
    #[test]
    fn parts_cover_a_sequence() {
        for (tokens, step) in [(1, 1), (5, 3), (4, 4), (48, 24)] {
            for length in 1..200 {
                let parts: Vec<_> = Parts { tokens, step }.of(length).collect();
                let (last, others) = parts.split_last().unwrap_or((&(0..0), &[]));
                assert_eq!(last.end, length);
                assert!(
                    others
                        .iter()
                        .all(|part| part.len() == tokens && part.end < length)
                );
                assert!((1..=tokens).contains(&last.len()));
                let starts: Vec<usize> = parts.iter().map(|part| part.start).collect();
                assert!(
                    starts
                        .iter()
                        .enumerate()
                        .all(|(index, at)| *at == index * step)
                );
            }
        }
    }

    #[test]
    fn the_worst_output_is_that_with_the_largest_margin() {
        let outputs = [0.0, 9.0, 8.0, 1.0, -5.0, 3.0, 2.0, 2.0, 2.5];
        assert_eq!(Parts::worst(&outputs, 3), Some(&outputs[3..6]));
        assert_eq!(Parts::worst(&[], 3), None);
    }
}
