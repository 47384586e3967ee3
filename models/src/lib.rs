//! Text in; labels, spans and vectors out.
//!
//! The faces of the inference engine: [`Classifier`], [`TokenClassifier`], [`Embedder`]. All are asynchronous and may
//! be called from many requests at once; dropping a call gives its work up. [`fake`] stands in for an engine in unit
//! tests.
//!
//! Below the faces: [`engine`] cuts texts into windows and forms batches, an [`encoder::Encoder`] runs them, [`weights`]
//! holds a model in one form.

pub mod agreement;
pub mod candle;
pub mod checkpoint;
mod cores;
pub mod encoder;
pub mod engine;
pub mod fake;
pub mod native;
pub mod normalize;
pub mod rotary;
pub mod rules;
pub mod source;
pub mod understand;
pub mod weights;

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;

/// Why a model gave no answer. "No answer" is never "nothing found": callers decide what a failure means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The model cannot be loaded: file, format or size.
    #[error("model `{model}` cannot be loaded: {reason}")]
    Load {
        /// The model's name.
        model: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The queue is full.
    #[error("the inference queue is full")]
    Overloaded,
    /// The deadline passed before the model ran.
    #[error("deadline exceeded")]
    Deadline,
    /// The forward pass failed, or the engine is gone.
    #[error("inference failed: {0}")]
    Infer(String),
}

/// What each part of a call took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// Cutting the text into tokens.
    pub tokenize: Duration,
    /// Waiting for a model thread, and putting the windows' results together.
    pub queue: Duration,
    /// The forward passes of the batches that windows of the text were in. All three are nothing for a remembered
    /// result.
    pub compute: Duration,
}

/// One class and its probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The label as the model's configuration names it.
    pub label: String,
    /// Probability, 0 to 1; the scores of a text sum to 1.
    pub score: f32,
}

/// The classes of a text, most probable first.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// All classes, most probable first; never empty.
    pub scores: Vec<Score>,
    /// How many windows the text was cut into.
    pub windows: usize,
    /// Bytes at the text's end that no window covers, because the text has more windows than are allowed. 0: all of
    /// the text was read.
    pub unread_bytes: usize,
    /// What it took.
    pub timing: Timing,
}

/// A labelled piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The label without `B-` or `I-`.
    pub label: String,
    /// Bytes of the text as it was given.
    pub range: Range<usize>,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// The labelled pieces of a text, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    /// In order of their start; they do not overlap.
    pub spans: Vec<Span>,
    /// How many windows the text was cut into.
    pub windows: usize,
    /// Bytes at the text's end that no window covers, because the text has more windows than are allowed. 0: all of
    /// the text was read.
    pub unread_bytes: usize,
    /// What it took.
    pub timing: Timing,
}

/// A text as a vector of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// The components; as many as [`Embedder::dimensions`].
    pub vector: Vec<f32>,
    /// How many windows the text was cut into.
    pub windows: usize,
    /// As in [`Classification::unread_bytes`].
    pub unread_bytes: usize,
    /// What it took.
    pub timing: Timing,
}

/// A model that gives a text one of several labels.
#[async_trait]
pub trait Classifier: Send + Sync + std::fmt::Debug {
    /// The labels it can give.
    fn labels(&self) -> &[String];

    /// Classifies `text`.
    ///
    /// # Errors
    /// See [`ModelError`].
    async fn classify(&self, text: &str) -> Result<Classification, ModelError>;
}

/// A model that labels pieces of a text.
#[async_trait]
pub trait TokenClassifier: Send + Sync + std::fmt::Debug {
    /// The labels it can give, without `B-` and `I-`.
    fn labels(&self) -> &[String];

    /// Finds the labelled pieces of `text`.
    ///
    /// # Errors
    /// See [`ModelError`].
    async fn find(&self, text: &str) -> Result<Spans, ModelError>;
}

/// A model that turns texts into vectors, near each other where the texts mean the same.
#[async_trait]
pub trait Embedder: Send + Sync + std::fmt::Debug {
    /// The number of components.
    fn dimensions(&self) -> usize;

    /// Embeds `text`.
    ///
    /// # Errors
    /// See [`ModelError`].
    async fn embed(&self, text: &str) -> Result<Embedding, ModelError>;
}
