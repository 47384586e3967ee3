//! The head of a checkpoint: what it is for, how it pools, what its labels are.

use std::path::Path;

use serde_json::Value;

use super::config::{Config, Family};
use super::error::ReadError;
use super::json::Json;
use super::sentence::Sentence;
use super::tensors::Tensors;
use super::{bert, deberta, distilbert, labels, modernbert};
use crate::encoder::{HeadInfo, Task};
use crate::weights::{Head, Pooling, Stage, Then};

/// What the checkpoint is for: what the caller says, else what `architectures` says.
pub(super) fn task(wanted: Option<Task>, config: &Json, sentence: bool) -> Result<Task, ReadError> {
    if let Some(task) = wanted {
        return Ok(task);
    }
    let names = match config.any(&["architectures"]) {
        Some((_, Value::Array(names))) => &names[..],
        _ => &[],
    };
    for name in names.iter().filter_map(Value::as_str) {
        if name.ends_with("ForSequenceClassification") {
            return Ok(Task::Sequence);
        }
        if name.ends_with("ForTokenClassification") {
            return Ok(Task::Token);
        }
        if name.ends_with("Model") || name.ends_with("ForMaskedLM") {
            return Ok(Task::Embedding);
        }
    }
    if sentence {
        return Ok(Task::Embedding);
    }
    Err(config.wrong(
        "architectures",
        "does not say what the model is for; say the task: sequence, token or embedding",
    ))
}

/// Reads the head.
pub(super) fn read(
    dir: &Path,
    name: &str,
    task: Task,
    json: &Json,
    config: &Config,
    tensors: &Tensors,
    sentence: Option<Sentence>,
) -> Result<Head, ReadError> {
    let info = |labels: Vec<String>, width| HeadInfo {
        name: name.to_owned(),
        task,
        labels,
        width,
    };
    if task == Task::Embedding {
        let (pooling, stages) = sentence.map_or((Pooling::Mean, Vec::new()), |sentence| {
            (sentence.pooling, sentence.stages)
        });
        let width = check_stages(json, config.hidden, &stages)?;
        return Ok(Head {
            info: info(Vec::new(), width),
            segment: 0,
            pooling,
            stages,
        });
    }
    let (pooling, mut stages, classifier) = before_classifier(task, json, config, tensors)?;
    let prefix = tensors.prefix(&format!("{classifier}.weight"))?;
    let classifier = format!("{prefix}{classifier}");
    // The weight says how many classes there are, whatever the configuration says or leaves out.
    let classes = match tensors.shape(&format!("{classifier}.weight"))? {
        [classes, _] => *classes,
        _ => 0,
    };
    refuse_scores(task, json, classes)?;
    let labels = labels::read(dir, task, json, classes)?;
    stages.push(Stage {
        linear: tensors.linear(&classifier, classes, config.hidden)?,
        then: Then::Nothing,
        norm: None,
    });
    Ok(Head {
        info: info(labels, classes),
        segment: 0,
        pooling,
        stages,
    })
}

/// Scores of a text are probabilities of classes that exclude each other; other outputs would be misread.
fn refuse_scores(task: Task, json: &Json, classes: usize) -> Result<(), ReadError> {
    match json.word(&["problem_type"])? {
        Some(kind @ ("multi_label_classification" | "regression")) if task == Task::Sequence => {
            Err(json.wrong(
                "problem_type",
                &format!("is \"{kind}\"; only single_label_classification is run"),
            ))
        }
        _ if classes < 2 => Err(json.wrong(
            "architectures",
            &format!("promises a classifier, whose weight has {classes} rows; it needs two"),
        )),
        _ => Ok(()),
    }
}

/// The pooling, the stages before the classifier, and its name.
fn before_classifier(
    task: Task,
    json: &Json,
    config: &Config,
    tensors: &Tensors,
) -> Result<(Pooling, Vec<Stage>, &'static str), ReadError> {
    match (config.family, task) {
        (Family::Bert | Family::Roberta, Task::Sequence) => bert::sequence_head(config, tensors),
        (Family::DistilBert, Task::Sequence) => distilbert::sequence_head(config, tensors),
        (Family::ModernBert, _) => modernbert::head(json, config, tensors, task == Task::Token),
        (Family::Deberta, Task::Sequence) => deberta::sequence_head(json, config, tensors),
        _ => Ok((Pooling::None, Vec::new(), "classifier")),
    }
}

/// Each stage takes what the one before gives; returns what the last gives.
fn check_stages(json: &Json, hidden: usize, stages: &[Stage]) -> Result<usize, ReadError> {
    let mut width = hidden;
    for stage in stages {
        if stage.linear.weight.columns != width {
            return Err(json.wrong(
                "hidden_size",
                &format!(
                    "leads to vectors of {width} numbers where a Dense module takes {}",
                    stage.linear.weight.columns
                ),
            ));
        }
        width = stage.linear.weight.rows;
    }
    Ok(width)
}
