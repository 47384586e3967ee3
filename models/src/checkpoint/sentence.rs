//! The folders that sentence-transformers adds to a checkpoint: how tokens become one vector.

use std::path::Path;

use serde_json::Value;

use super::error::ReadError;
use super::json::{Json, read_optional};
use super::tensors::Tensors;
use crate::weights::{Pooling, Stage, Then};

/// Lists the modules.
pub(super) const MODULES: &str = "modules.json";

/// What `modules.json` and its folders say.
#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) pooling: Pooling,
    /// `Dense` modules.
    pub(super) stages: Vec<Stage>,
    /// The longest text that the model was made for, in tokens.
    pub(super) max_tokens: Option<usize>,
}

/// Reads `modules.json` where it is there. `Normalize` says nothing new: an embedding has length 1 in any case.
pub(super) fn read(dir: &Path) -> Result<Option<Sentence>, ReadError> {
    let file = MODULES;
    let Some(text) = read_optional(dir, file)? else {
        return Ok(None);
    };
    let modules: Vec<Value> = serde_json::from_slice(&text).map_err(|source| ReadError::Json {
        file: file.to_owned(),
        source,
    })?;
    let mut sentence = Sentence {
        pooling: Pooling::Mean,
        stages: Vec::new(),
        max_tokens: match Json::read_optional(dir, "sentence_bert_config.json")? {
            Some(json) => json.count(&["max_seq_length"])?.filter(|count| *count > 0),
            None => None,
        },
    };
    for module in &modules {
        let kind = module["type"].as_str().unwrap_or_default();
        let folder = module["path"].as_str().unwrap_or_default();
        match kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" | "Normalize" => {}
            "Pooling" => sentence.pooling = pooling(dir, folder)?,
            "Dense" => sentence.stages.push(dense(dir, folder)?),
            _ => {
                return Err(ReadError::File {
                    file: file.to_owned(),
                    problem: format!(
                        "module \"{kind}\"; run are Transformer, Pooling, Dense, Normalize"
                    ),
                });
            }
        }
    }
    Ok(Some(sentence))
}

fn pooling(dir: &Path, folder: &str) -> Result<Pooling, ReadError> {
    let json = Json::read(dir, &inside(folder, "config.json")?)?;
    if let Some(mode) = json.word(&["pooling_mode"])? {
        return match mode {
            "mean" => Ok(Pooling::Mean),
            "cls" => Ok(Pooling::First),
            other => Err(json.wrong(
                "pooling_mode",
                &format!("is \"{other}\"; run are mean and cls"),
            )),
        };
    }
    let mut modes = Vec::new();
    for field in json.fields.keys() {
        if field.starts_with("pooling_mode_") && json.flag(field, false)? {
            modes.push(field.as_str());
        }
    }
    match modes[..] {
        ["pooling_mode_mean_tokens"] => Ok(Pooling::Mean),
        ["pooling_mode_cls_token"] => Ok(Pooling::First),
        _ => Err(json.wrong(
            "pooling_mode_*",
            &format!("asks for {modes:?}; run are mean_tokens and cls_token, one of them"),
        )),
    }
}

fn dense(dir: &Path, folder: &str) -> Result<Stage, ReadError> {
    let json = Json::read(dir, &inside(folder, "config.json")?)?;
    let rows = json.size(&["out_features"])?;
    let columns = json.size(&["in_features"])?;
    let name = json.word(&["activation_function"])?.unwrap_or("Tanh");
    let then = match name.rsplit('.').next().unwrap_or_default() {
        "Identity" => Then::Nothing,
        "Tanh" => Then::Tanh,
        "GELU" => Then::Gelu,
        "ReLU" => Then::Relu,
        _ => {
            return Err(json.wrong(
                "activation_function",
                &format!("is \"{name}\"; run are Identity, Tanh, GELU, ReLU"),
            ));
        }
    };
    let tensors = Tensors::open_files(dir, &[inside(folder, "model.safetensors")?])?;
    Ok(Stage {
        linear: tensors.linear_any("linear", rows, columns)?,
        then,
        norm: None,
    })
}

/// A file in a module's folder, which must be one below the model's.
fn inside(folder: &str, file: &str) -> Result<String, ReadError> {
    if folder.is_empty() || folder.contains("..") || folder.starts_with('/') {
        return Err(ReadError::File {
            file: MODULES.to_owned(),
            problem: format!("`path` is \"{folder}\", which is no folder of the model"),
        });
    }
    Ok(format!("{folder}/{file}"))
}
