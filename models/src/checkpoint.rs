//! From a directory with a model to [`EncoderWeights`].
//!
//! [`read_dir`] reads what hugging-face's libraries write (`config.json`, `tokenizer.json`, `model.safetensors` whole
//! or in shards) and what the product ships (the [`bundle`]). Families: BERT (MiniLM too), DistilBERT, RoBERTa and
//! XLM-RoBERTa, ModernBERT (mmBERT too), DeBERTa-v2 and -v3.
//!
//! Nothing of a checkpoint is executed: pickles (`pytorch_model.bin`) are refused.

mod bert;
pub mod bundle;
mod config;
mod deberta;
mod distilbert;
mod error;
mod head;
mod json;
mod labels;
mod modernbert;
mod rotary;
mod sentence;
mod tensors;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ModelError;
use crate::encoder::Task;
use crate::weights::EncoderWeights;

use config::{Config, Family};
use error::ReadError;
use json::Json;
use tensors::Tensors;

/// What the caller knows better than the files.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the model is for; without it `architectures` in `config.json` says so.
    pub task: Option<Task>,
}

/// A model read from a directory.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The model.
    pub weights: EncoderWeights,
    /// Its `tokenizer.json`.
    pub tokenizer: PathBuf,
    /// How the output of each of `weights.heads` becomes a verdict; in the same order.
    pub settings: Vec<HeadSettings>,
    /// Which version it is, where the files say so (the bundle does).
    pub revision: Option<String>,
}

/// How a head's numbers become a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadSettings {
    /// Logits are divided by it before the softmax.
    pub temperature: f32,
    /// The least probability of a verdict, where the head has one for all labels.
    pub threshold: Option<f32>,
    /// The least probability by label (without `B-` and `I-`).
    pub thresholds: BTreeMap<String, f32>,
    /// Shares of harmless texts that are flagged, each with the threshold that gives it; by share, the least first.
    pub operating_points: Vec<(f32, f32)>,
    /// The windows that long texts are cut into; whole texts without it.
    pub window: Option<Window>,
}

impl Default for HeadSettings {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            threshold: None,
            thresholds: BTreeMap::new(),
            operating_points: Vec::new(),
            window: None,
        }
    }
}

/// A window over a long text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its tokens, special ones included.
    pub tokens: usize,
    /// The tokens that it shares with the next.
    pub overlap: usize,
}

/// Reads the model in the directory `path`: a bundle where there is a `manifest.json`, a checkpoint otherwise.
///
/// `name` is what errors call the model, and the name of a checkpoint's only head.
///
/// # Errors
/// [`ModelError::Load`] with the file and the field or tensor that is at fault.
pub fn read_dir(path: &Path, name: &str, options: &Options) -> Result<Checkpoint, ModelError> {
    let read = if path.join(bundle::MANIFEST).is_file() {
        bundle::read(path)
    } else {
        read_checkpoint(path, name, options)
    };
    read.map_err(|error| ModelError::Load {
        model: name.to_owned(),
        reason: error.to_string(),
    })
}

fn read_checkpoint(dir: &Path, name: &str, options: &Options) -> Result<Checkpoint, ReadError> {
    if !dir.is_dir() {
        return Err(ReadError::NoDirectory(dir.to_owned()));
    }
    let json = Json::read(dir, "config.json")?;
    let config = Config::parse(&json)?;
    let tensors = Tensors::open(dir)?;
    let task = head::task(options.task, &json, dir.join(sentence::MODULES).is_file())?;
    let mut weights = match config.family {
        Family::Bert | Family::Roberta => bert::read(&config, &tensors)?,
        Family::DistilBert => distilbert::read(&config, &tensors)?,
        Family::ModernBert => modernbert::read(&json, &config, &tensors)?,
        Family::Deberta => deberta::read(&json, &config, &tensors)?,
    };
    let sentence = match task {
        Task::Embedding => sentence::read(dir)?,
        _ => None,
    };
    if let Some(limit) = sentence.as_ref().and_then(|sentence| sentence.max_tokens) {
        weights.max_tokens = weights.max_tokens.min(limit);
    }
    let head = head::read(dir, name, task, &json, &config, &tensors, sentence)?;
    weights.heads.push(head);
    Ok(Checkpoint {
        weights,
        tokenizer: tokenizer(dir)?,
        settings: vec![HeadSettings::default()],
        revision: None,
    })
}

fn tokenizer(dir: &Path) -> Result<PathBuf, ReadError> {
    let path = dir.join("tokenizer.json");
    if path.is_file() {
        Ok(path)
    } else {
        Err(ReadError::Missing {
            file: "tokenizer.json".to_owned(),
            hint: "; write it with transformers: `AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)`",
        })
    }
}
