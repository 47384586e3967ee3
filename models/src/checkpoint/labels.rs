//! The names of a classifier's outputs.
//!
//! `config.json` has them as `id2label`, as `label2id` (with whole numbers, or strings of them), or not at all: for two
//! classes transformers 5 leaves them out, so the count always comes from the classifier's weight. vLLM Semantic
//! Router's models bring mapping files whose names are the better ones.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::ReadError;
use super::json::Json;
use crate::encoder::Task;

/// Mapping files of vLLM Semantic Router's models of texts, the first that is there counts.
const SEQUENCE_MAPPINGS: [&str; 3] = [
    "category_mapping.json",
    "jailbreak_type_mapping.json",
    "label_mapping.json",
];

/// The same for models of tokens.
const TOKEN_MAPPINGS: [&str; 2] = ["pii_type_mapping.json", "label_mapping.json"];

/// Spellings of the map from a number to its label.
const BY_NUMBER: [&str; 4] = ["idx_to_category", "idx_to_label", "id_to_label", "id2label"];

/// Spellings of the map from a label to its number.
const BY_LABEL: [&str; 4] = ["category_to_idx", "label_to_idx", "label_to_id", "label2id"];

/// The `classes` labels of the classifier in `dir`.
pub(super) fn read(
    dir: &Path,
    task: Task,
    config: &Json,
    classes: usize,
) -> Result<Vec<String>, ReadError> {
    let files: &[&str] = match task {
        Task::Token => &TOKEN_MAPPINGS,
        _ => &SEQUENCE_MAPPINGS,
    };
    for file in files {
        if let Some(json) = Json::read_optional(dir, file)? {
            return match labels(&json)? {
                Some(labels) => counted(labels, &json, classes),
                None => Err(json.wrong("idx_to_label", "is missing")),
            };
        }
    }
    match labels(config)? {
        Some(labels) => counted(labels, config, classes),
        None => Ok((0..classes).map(|index| format!("LABEL_{index}")).collect()),
    }
}

fn counted(labels: Vec<String>, json: &Json, classes: usize) -> Result<Vec<String>, ReadError> {
    if labels.len() == classes {
        return Ok(labels);
    }
    Err(ReadError::Labels {
        file: json.file.clone(),
        found: labels.len(),
        wanted: classes,
    })
}

/// The labels in order, from whichever map is there.
fn labels(json: &Json) -> Result<Option<Vec<String>>, ReadError> {
    let object = |names: &[&'static str]| -> Result<Option<(&'static str, Map<String, Value>)>, _> {
        match json.any(names) {
            None => Ok(None),
            Some((name, Value::Object(map))) if map.is_empty() => {
                Err(json.wrong(name, "names no label"))
            }
            Some((name, Value::Object(map))) => Ok(Some((name, map.clone()))),
            Some((name, _)) => Err(json.wrong(name, "is not an object")),
        }
    };
    if let Some((field, map)) = object(&BY_NUMBER)? {
        let pairs = map.into_iter().map(|(number, label)| {
            let label = label.as_str().map(str::to_owned);
            (number.parse().ok(), label)
        });
        return ordered(json, field, pairs).map(Some);
    }
    if let Some((field, map)) = object(&BY_LABEL)? {
        let pairs = map.into_iter().map(|(label, number)| {
            let number = match number {
                Value::String(text) => text.parse().ok(),
                other => other
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok()),
            };
            (number, Some(label))
        });
        return ordered(json, field, pairs).map(Some);
    }
    Ok(None)
}

/// Sorts by number; the numbers must be 0, 1, 2 and so on.
fn ordered(
    json: &Json,
    field: &str,
    pairs: impl Iterator<Item = (Option<usize>, Option<String>)>,
) -> Result<Vec<String>, ReadError> {
    let mut known = Vec::new();
    for pair in pairs {
        let (Some(number), Some(label)) = pair else {
            return Err(json.wrong(field, "does not map numbers and labels to each other"));
        };
        known.push((number, label));
    }
    known.sort();
    if known
        .iter()
        .enumerate()
        .any(|(index, (number, _))| index != *number)
    {
        return Err(json.wrong(field, "skips or repeats a number; 0, 1, 2… are needed"));
    }
    Ok(known.into_iter().map(|(_, label)| label).collect())
}
