//! Whether fewer bits give the same labels, measured for a checkpoint on this machine's kernels.
//!
//! [`measure`] runs texts through a model in 32 bits and in fewer, and counts how often a head's label stays what it
//! was. `precision: auto` then takes the fastest precision that keeps [`ENOUGH`] of them in every head, from the
//! [`Record`] that `commutator models measure` leaves beside the hub cache. Rounding depends on the kernels, so a record
//! is of a model's content and of an instruction set.

mod record;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod texts;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokenizers::Tokenizer;

use crate::ModelError;
use crate::checkpoint::Checkpoint;
use crate::encoder::{Encoder, HeadInfo, Output, Packed, Task};
use crate::engine::TextTokenizer;
use crate::native::{self, NativeEncoder, Precision, Threads};

pub use record::{Record, recorded};
pub use texts::texts;

/// The share of labels that has to stay the same in every head.
pub const ENOUGH: f64 = 0.995;

/// Vectors of a text agree from this cosine on: two texts are then as near to each other as before to within a few
/// hundredths, less than any threshold of a signal is precise.
const SAME_VECTOR: f32 = 0.99;

/// Tokens of one batch.
const BATCH: usize = 256;

/// What was measured of one precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The numbers.
    pub precision: Precision,
    /// The instruction set.
    pub kernels: String,
    /// How often each head gave the label of 32 bits; in the order of the model's heads.
    pub heads: Vec<Agreement>,
    /// Tokens a second through the whole model, all heads.
    pub tokens_per_second: f64,
}

/// How often a head gave the same label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The head.
    pub head: String,
    /// Labels that were the same: of texts, of tokens, or vectors in the same place.
    pub same: u64,
    /// Labels in all.
    pub of: u64,
}

impl Agreement {
    /// The share of labels that were the same, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.of == 0 {
            return 0.0;
        }
        self.same as f64 / self.of as f64
    }
}

impl Measured {
    /// Whether every head keeps [`ENOUGH`] of its labels.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.heads.iter().all(|head| head.share() >= ENOUGH)
    }
}

/// The precisions that differ on this machine; 32 bits first.
#[must_use]
pub fn precisions() -> Vec<Precision> {
    let mut all = Precision::ALL.to_vec();
    all.retain(|precision| *precision != Precision::W8a8 || native::multiplies_bytes());
    all
}

/// Runs `texts` through a model in all [`precisions`]. The first of the answer is 32 bits itself.
///
/// # Errors
/// [`ModelError::Load`] when the model does not run on our kernels or its tokenizer does not fit, and
/// [`ModelError::Infer`] when a pass fails.
pub fn measure(
    name: &str,
    model: &Checkpoint,
    texts: &[String],
    threads: &Threads,
) -> Result<Vec<Measured>, ModelError> {
    let tokenizer = Tokenizer::from_file(&model.tokenizer).map_err(|error| ModelError::Load {
        model: name.to_owned(),
        reason: format!("tokenizer: {error}"),
    })?;
    let tokenizer = TextTokenizer::new(name, tokenizer)?;
    let encoders = precisions()
        .into_iter()
        .map(|precision| NativeEncoder::new(&model.weights, precision, threads.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let infos = encoders[0].heads().to_vec();
    let wanted: Vec<usize> = (0..infos.len()).collect();
    let mut counts = vec![vec![(0, 0); infos.len()]; encoders.len()];
    let mut times = vec![Duration::ZERO; encoders.len()];
    let mut tokens = 0;
    for batch in batches(texts, &tokenizer, encoders[0].max_tokens())? {
        tokens += batch.ids().len();
        // In turn, so that a noisy neighbour disturbs them alike.
        let mut outputs = Vec::new();
        for (encoder, time) in encoders.iter().zip(&mut times) {
            let started = Instant::now();
            outputs.push(encoder.forward(&batch, &wanted)?);
            *time += started.elapsed();
        }
        for (outputs_of_one, counts) in outputs.iter().zip(&mut counts) {
            for (head, info) in infos.iter().enumerate() {
                let (same, of) = compare(info, &outputs[0][head], &outputs_of_one[head]);
                counts[head].0 += same;
                counts[head].1 += of;
            }
        }
    }
    let rows = encoders.iter().zip(counts).zip(times);
    Ok(rows
        .map(|((encoder, counts), time)| Measured {
            precision: encoder.precision(),
            kernels: encoder.kernels().to_owned(),
            heads: infos
                .iter()
                .zip(counts)
                .map(|(info, (same, of))| Agreement {
                    head: info.name.clone(),
                    same,
                    of,
                })
                .collect(),
            tokens_per_second: tokens as f64 / time.as_secs_f64().max(1e-9),
        })
        .collect())
}

/// The fastest of those that agree with 32 bits.
#[must_use]
pub fn choose(measured: &[Measured]) -> Precision {
    measured
        .iter()
        .filter(|one| one.agrees())
        .max_by(|a, b| a.tokens_per_second.total_cmp(&b.tokens_per_second))
        .map_or(Precision::F32, |one| one.precision)
}

/// The texts as the engine would batch them: by windows of at most the model's length, a few to a batch.
fn batches(
    texts: &[String],
    tokenizer: &TextTokenizer,
    max_tokens: usize,
) -> Result<Vec<Packed>, ModelError> {
    let room = max_tokens.saturating_sub(tokenizer.special());
    let mut batches = vec![Packed::default()];
    let mut window = Vec::new();
    for text in texts {
        let tokens = tokenizer.tokens(text, 0..text.len())?;
        let own = tokens.ids(0..tokens.len().min(room));
        if own.is_empty() {
            continue;
        }
        tokenizer.window(own, &mut window);
        if batches.last().is_none_or(|last| last.ids().len() >= BATCH) {
            batches.push(Packed::default());
        }
        if let Some(last) = batches.last_mut() {
            last.push(&window);
        }
    }
    batches.retain(|batch| batch.sequences() > 0);
    Ok(batches)
}

/// How many rows say the same, and how many there are.
fn compare(info: &HeadInfo, reference: &Output, other: &Output) -> (u64, u64) {
    let width = info.width.max(1);
    let rows = reference
        .values
        .chunks_exact(width)
        .zip(other.values.chunks_exact(width));
    let same = |(a, b): &(&[f32], &[f32])| match info.task {
        Task::Embedding => cosine(a, b) >= SAME_VECTOR,
        Task::Sequence | Task::Token => largest(a) == largest(b),
    };
    let of = rows.len() as u64;
    (rows.filter(same).count() as u64, of)
}

/// `None` for numbers that are none, which agree with nothing but themselves.
fn largest(row: &[f32]) -> Option<usize> {
    if row.iter().any(|value| value.is_nan()) {
        return None;
    }
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map(|(index, _)| index)
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
