//! The bundle: the models that are shipped with the product, as a tree of segments with heads.
//!
//! `manifest.json` names every other file with its size and SHA-256; nothing is used before they are checked. Tensors
//! have BERT's names, with the segment's name in front of a layer (`SEGMENT.layer.N.…`) and `head.NAME.STAGE` for the
//! heads, which lie in their segment's file.

mod manifest;

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value};

use super::config::{Config, Family};
use super::error::ReadError;
use super::json::{Json, read_optional};
use super::tensors::Tensors;
use super::{Checkpoint, HeadSettings, bert};
use crate::encoder::{HeadInfo, Task};
use crate::weights::{
    EncoderWeights, Head, NormOrder, Parts, Pooling, Positions, Segment, Stage, Then,
};

use manifest::{
    HeadEntry, Manifest, PartsEntry, PoolingName, SegmentEntry, TaskName, ThenName, inside, verify,
};

/// The file that makes a directory a bundle.
pub const MANIFEST: &str = "manifest.json";

/// The format that this code reads.
const FORMAT: u64 = 1;

/// Reads and checks the bundle in `dir`.
pub(super) fn read(dir: &Path) -> Result<Checkpoint, ReadError> {
    let text = read_optional(dir, MANIFEST)?.unwrap_or_default();
    let json = |source| ReadError::Json {
        file: MANIFEST.to_owned(),
        source,
    };
    // First the format alone, so that a later one is called that, and not a field by field surprise.
    let fields: Map<String, Value> = serde_json::from_slice(&text).map_err(json)?;
    let format = fields.get("format").and_then(Value::as_u64);
    if format != Some(FORMAT) {
        return Err(wrong(
            "format",
            &format!("is not {FORMAT}, the one read here"),
        ));
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(json)?;
    manifest.files.keys().try_for_each(|name| inside(name))?;
    let tokenizer = checked(dir, &manifest, &manifest.tokenizer)?;
    let (weights, settings) = weights(dir, &manifest)?;
    Ok(Checkpoint {
        weights,
        tokenizer: dir.join(tokenizer),
        settings,
        revision: Some(manifest.revision),
    })
}

fn weights(
    dir: &Path,
    manifest: &Manifest,
) -> Result<(EncoderWeights, Vec<HeadSettings>), ReadError> {
    let config = Config::parse(&Json {
        file: MANIFEST.to_owned(),
        fields: manifest.config.clone(),
    })?;
    if config.family != Family::Bert {
        return Err(wrong("config.model_type", "is not \"bert\""));
    }
    let file = checked(dir, manifest, &manifest.embeddings.file)?;
    let embeddings = bert::embeddings(&config, &open(dir, &file)?, "")?;
    let mut weights = EncoderWeights {
        hidden: config.hidden,
        attention_heads: config.attention_heads,
        max_tokens: config.positions,
        norm_eps: config.norm_eps,
        norm_order: NormOrder::Post,
        activation: config.activation,
        embeddings,
        positions: Positions::Absolute,
        segments: Vec::with_capacity(manifest.segments.len()),
        heads: Vec::with_capacity(manifest.heads.len()),
    };
    for entry in &manifest.segments {
        let segment = segment(dir, manifest, &config, entry, &weights.segments)?;
        weights.segments.push(segment);
    }
    let mut settings = Vec::with_capacity(manifest.heads.len());
    for entry in &manifest.heads {
        let head = head(dir, manifest, entry, &weights)?;
        settings.push(head_settings(entry, weights.max_tokens)?);
        weights.heads.push(head);
    }
    Ok((weights, settings))
}

fn segment(
    dir: &Path,
    manifest: &Manifest,
    config: &Config,
    entry: &SegmentEntry,
    before: &[Segment],
) -> Result<Segment, ReadError> {
    let field = |part: &str| format!("segments.{}.{part}", entry.name);
    let find = |name: &str| before.iter().position(|segment| segment.name == name);
    if find(&entry.name).is_some() {
        return Err(wrong(&field("name"), "is there twice"));
    }
    let parent = match &entry.parent {
        None => None,
        Some(name) => Some(find(name).ok_or_else(|| {
            let problem = format!("is \"{name}\", which does not stand before it");
            wrong(&field("parent"), &problem)
        })?),
    };
    let tensors = open(dir, &checked(dir, manifest, &entry.file)?)?;
    let layers = (0..entry.layers)
        .map(|index| bert::layer(config, &tensors, &format!("{}.layer.{index}", entry.name)))
        .collect::<Result<_, _>>()?;
    Ok(Segment {
        name: entry.name.clone(),
        parent,
        layers,
        final_norm: None,
    })
}

fn head(
    dir: &Path,
    manifest: &Manifest,
    entry: &HeadEntry,
    weights: &EncoderWeights,
) -> Result<Head, ReadError> {
    let field = |part: &str| format!("heads.{}.{part}", entry.name);
    if weights
        .heads
        .iter()
        .any(|head| head.info.name == entry.name)
    {
        return Err(wrong(&field("name"), "is there twice"));
    }
    let index = manifest
        .segments
        .iter()
        .position(|segment| segment.name == entry.segment)
        .ok_or_else(|| {
            let problem = format!("is \"{}\", which is no segment", entry.segment);
            wrong(&field("segment"), &problem)
        })?;
    if (entry.task == TaskName::Token) != (entry.pooling == PoolingName::None) {
        return Err(wrong(
            &field("pooling"),
            "must be \"none\" for tokens, and only there",
        ));
    }
    let tensors = open(dir, &manifest.segments[index].file)?;
    let (stages, width) = stages(&tensors, entry, weights.hidden)?;
    let labels = entry.labels.len();
    let unique: HashSet<&String> = entry.labels.iter().collect();
    if unique.len() != labels {
        return Err(wrong(&field("labels"), "names a label twice"));
    }
    let wanted = if entry.task == TaskName::Embedding {
        0
    } else {
        width
    };
    if labels != wanted {
        let problem = format!("names {labels} labels, the last stage has {wanted} outputs");
        return Err(wrong(&field("labels"), &problem));
    }
    Ok(Head {
        info: HeadInfo {
            name: entry.name.clone(),
            task: match entry.task {
                TaskName::Sequence => Task::Sequence,
                TaskName::Token => Task::Token,
                TaskName::Embedding => Task::Embedding,
            },
            labels: entry.labels.clone(),
            width,
        },
        segment: index,
        pooling: pooling(entry)?,
        stages,
    })
}

fn pooling(entry: &HeadEntry) -> Result<Pooling, ReadError> {
    let field = format!("heads.{}.parts", entry.name);
    match (entry.pooling, entry.parts) {
        (PoolingName::Worst, Some(PartsEntry { tokens, step })) => {
            let parts = Parts { tokens, step };
            let wrong = || wrong(&field, "needs a step of 1 to its tokens");
            parts
                .cover()
                .then_some(Pooling::Worst(parts))
                .ok_or_else(wrong)
        }
        (PoolingName::Worst, None) => Err(wrong(&field, "is missing for worst pooling")),
        (_, Some(_)) => Err(wrong(&field, "is for worst pooling alone")),
        (PoolingName::None, None) => Ok(Pooling::None),
        (PoolingName::First, None) => Ok(Pooling::First),
        (PoolingName::Mean, None) => Ok(Pooling::Mean),
    }
}

/// A head's maps, and the outputs of the last.
fn stages(
    tensors: &Tensors,
    entry: &HeadEntry,
    hidden: usize,
) -> Result<(Vec<Stage>, usize), ReadError> {
    let mut width = hidden;
    let mut stages = Vec::with_capacity(entry.stages.len());
    for (index, stage) in entry.stages.iter().enumerate() {
        let name = format!("head.{}.{index}", entry.name);
        let rows = tensors
            .shape(&format!("{name}.weight"))?
            .first()
            .copied()
            .unwrap_or(0);
        stages.push(Stage {
            linear: tensors.linear(&name, rows, width)?,
            then: match stage.then {
                ThenName::Nothing => Then::Nothing,
                ThenName::Tanh => Then::Tanh,
                ThenName::Gelu => Then::Gelu,
                ThenName::Relu => Then::Relu,
            },
            norm: None,
        });
        width = rows;
    }
    Ok((stages, width))
}

fn head_settings(entry: &HeadEntry, max_tokens: usize) -> Result<HeadSettings, ReadError> {
    let field = |part: &str| format!("heads.{}.{part}", entry.name);
    if !(entry.temperature.is_finite() && entry.temperature > 0.0) {
        return Err(wrong(&field("temperature"), "is not above 0"));
    }
    let probability = |value: f32| (0.0..=1.0).contains(&value);
    if entry.threshold.is_some_and(|value| !probability(value)) {
        return Err(wrong(&field("threshold"), "is not between 0 and 1"));
    }
    for (label, value) in &entry.thresholds {
        if !probability(*value) {
            let part = format!("thresholds.{label}");
            return Err(wrong(&field(&part), "is not between 0 and 1"));
        }
        let known = |name: &String| {
            let plain = name.strip_prefix("B-").or_else(|| name.strip_prefix("I-"));
            plain.unwrap_or(name) == label
        };
        if !entry.labels.iter().any(known) {
            let part = format!("thresholds.{label}");
            return Err(wrong(
                &field(&part),
                "is for a label that the head does not have",
            ));
        }
    }
    if let Some(window) = entry.window {
        // Two special tokens, and a step of at least one token to the next window.
        if window.tokens < 4 || window.tokens > max_tokens || window.overlap > window.tokens - 3 {
            let problem = format!("does not fit: 4 to {max_tokens} tokens, and less overlap");
            return Err(wrong(&field("window"), &problem));
        }
    }
    let share = |value: f32| (0.0..=1.0).contains(&value);
    let points = &entry.operating_points;
    if !points.iter().all(|(rate, at)| share(*rate) && share(*at))
        || !points.is_sorted_by(|a, b| a.0 < b.0)
    {
        let problem = "must be pairs of numbers from 0 to 1, the first ones rising";
        return Err(wrong(&field("operating_points"), problem));
    }
    Ok(HeadSettings {
        temperature: entry.temperature,
        threshold: entry.threshold,
        thresholds: entry.thresholds.clone(),
        operating_points: entry.operating_points.clone(),
        window: entry.window,
    })
}

/// The name of a file that is as the manifest says. What is not read, as a member's files are not, is not looked at.
fn checked(dir: &Path, manifest: &Manifest, name: &str) -> Result<String, ReadError> {
    let entry = manifest.files.get(name);
    let entry = entry.ok_or_else(|| wrong("files", &format!("does not list {name}")))?;
    verify(dir, name, entry)?;
    Ok(name.to_owned())
}

fn open(dir: &Path, file: &str) -> Result<Tensors, ReadError> {
    Tensors::open_files(dir, &[file.to_owned()])
}

fn wrong(field: &str, problem: &str) -> ReadError {
    ReadError::Field {
        file: MANIFEST.to_owned(),
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}
