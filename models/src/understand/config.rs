//! Which models answer which question, and how they run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::EngineOptions;
use crate::source::Source;

use super::Question;

/// The models that understand requests. Without any setting, those of the bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnderstandingConfig {
    /// Says what a text is about: a model that classifies texts. Default: `bundle`.
    pub domain: Source,
    /// Tells attacks from other texts: a model that classifies texts. Default: `bundle`.
    pub jailbreak: Source,
    /// The labels of `jailbreak` that mean an attack. Default: all but `benign`, `safe`, `legit`, `normal`, `no_injection`
    /// and `LABEL_0`.
    pub attack_labels: Vec<String>,
    /// From this probability on a text counts as an attack. Default: what the model's files say, else 0.5.
    pub jailbreak_threshold: Option<f32>,
    /// Finds personal data: a model that labels words. Rules find structured data besides. Default: `bundle`.
    pub pii: Source,
    /// Places texts among others: a model that gives vectors. Default: `bundle`.
    pub embedding: Source,
    /// Where the models run.
    pub device: Device,
    /// The numbers that they compute with.
    pub precision: Precision,
    /// Threads of one forward pass on the CPU; all models share them. Default: all cores but one, at least one.
    pub compute_threads: Option<usize>,
    /// Queue, batches, windows.
    pub engine: EngineOptions,
}

impl Default for UnderstandingConfig {
    fn default() -> Self {
        let bundle = || Source::Bundle { head: None };
        Self {
            domain: bundle(),
            jailbreak: bundle(),
            attack_labels: Vec::new(),
            jailbreak_threshold: None,
            pii: bundle(),
            embedding: bundle(),
            device: Device::default(),
            precision: Precision::default(),
            compute_threads: None,
            engine: EngineOptions::default(),
        }
    }
}

impl UnderstandingConfig {
    /// Where the model for a question comes from.
    #[must_use]
    pub fn source(&self, question: Question) -> &Source {
        match question {
            Question::Domain => &self.domain,
            Question::Jailbreak => &self.jailbreak,
            Question::Pii => &self.pii,
            Question::Embedding => &self.embedding,
        }
    }
}

/// Where models run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// The GPU in a build for GPUs that finds one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first GPU; without one the models do not load.
    Cuda,
}

/// The numbers that models compute with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// What suits the weights and the device. On the CPU: the fastest that `commutator models measure` (or `pull`) found
    /// to give at least 99.5 % of the labels of 32 bits; where nothing was measured, 8 bits for weights that are stored
    /// so on processors whose kernels give activations more bits than weights (AVX2, AVX-512), else 32. On the GPU: 16
    /// bits.
    #[default]
    Auto,
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point with a wide exponent.
    Bf16,
    /// Weights in 8-bit integers with a scale a row, activations in integers of up to 13 bits; on the CPU only.
    Int8,
    /// The same with activations of 8 bits: faster on processors with VNNI, but less exact (`commutator models measure`
    /// says how much). Elsewhere the same as `int8`.
    W8a8,
}

impl Precision {
    /// Whether weights are integers, which only the CPU's kernels have.
    pub(super) fn is_integer(self) -> bool {
        matches!(self, Self::Int8 | Self::W8a8)
    }
}
