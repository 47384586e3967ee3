//! What a model is for, as its own files say: for people who list models.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bundle::Manifest;

/// What a model is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Description {
    /// What it can do.
    pub tasks: Vec<Task>,
    /// As the model card says it.
    pub license: Option<String>,
}

/// Something a model can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// The head's name in a bundle, the architecture's in a checkpoint.
    pub name: String,
    /// `sequence` (one label a text), `token` (labelled pieces), `embedding`, or `other`.
    pub task: String,
    /// In the order of the model's outputs.
    pub labels: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    architectures: Option<Vec<String>>,
    id2label: Option<BTreeMap<String, Value>>,
}

pub(super) fn bundle(manifest: &Manifest) -> Description {
    Description {
        tasks: manifest
            .heads
            .iter()
            .map(|head| Task {
                name: head.name.clone(),
                task: head.task.clone(),
                labels: head.labels.clone(),
            })
            .collect(),
        license: manifest.license.clone(),
    }
}

/// Reads what a checkpoint says; what it does not say, or not well, is left out.
pub(super) fn checkpoint(dir: &Path) -> Description {
    let config: Config = json(&dir.join("config.json")).unwrap_or_default();
    let name = config
        .architectures
        .as_ref()
        .and_then(|names| names.first().cloned())
        .unwrap_or_else(|| "unknown".to_owned());
    let task = if name.ends_with("ForSequenceClassification") {
        "sequence"
    } else if name.ends_with("ForTokenClassification") {
        "token"
    } else if dir.join("modules.json").exists() || name.ends_with("Model") {
        "embedding"
    } else {
        "other"
    };
    let classifies = matches!(task, "sequence" | "token");
    let labels = mapping(dir)
        .or_else(|| config.id2label.map(|labels| in_order(&labels)))
        .filter(|_| classifies)
        .unwrap_or_default();
    Description {
        tasks: vec![Task {
            name,
            task: task.to_owned(),
            labels,
        }],
        license: license(dir),
    }
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Labels in the files that vLLM Semantic Router's models carry: `idx_to_category`, `label_mapping.idx_to_label` and
/// the like, an object from index to label at any depth of two.
fn mapping(dir: &Path) -> Option<Vec<String>> {
    let names = [
        "category_mapping.json",
        "pii_type_mapping.json",
        "jailbreak_type_mapping.json",
    ];
    names.iter().find_map(|name| {
        let whole: BTreeMap<String, Value> = json(&dir.join(name))?;
        whole
            .iter()
            .find(|(key, value)| key.starts_with("idx_to_") && value.is_object())
            .and_then(|(_, value)| serde_json::from_value(value.clone()).ok())
            .map(|labels: BTreeMap<String, Value>| in_order(&labels))
    })
}

fn in_order(labels: &BTreeMap<String, Value>) -> Vec<String> {
    let mut sorted: Vec<(u32, String)> = labels
        .iter()
        .filter_map(|(index, label)| Some((index.parse().ok()?, label.as_str()?.to_owned())))
        .collect();
    sorted.sort();
    sorted.into_iter().map(|(_, label)| label).collect()
}

/// `license:` in the card's front matter.
fn license(dir: &Path) -> Option<String> {
    let card = std::fs::read_to_string(dir.join("README.md")).ok()?;
    let front = card.strip_prefix("---")?.split("\n---").next()?;
    front
        .lines()
        .find_map(|line| line.strip_prefix("license:"))
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty())
}
