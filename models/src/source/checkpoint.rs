//! An ordinary checkpoint's directory: is everything there?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cache;
use super::files::{self, Checksum};

/// A file that belongs to a model.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// Where something says what is in it.
    pub(super) expected: Option<Checksum>,
}

/// A directory's model files, and what can be seen to be wrong without reading them whole.
#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) parts: Vec<Part>,
    /// Each begins with the file's name.
    pub(super) problems: Vec<String>,
}

/// The part of `*.safetensors.index.json` that names the files.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
}

/// Looks at a checkpoint's directory.
pub(super) fn examine(dir: &Path) -> Examined {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str().map(str::to_owned))
        .collect();
    let pooling = "1_Pooling/config.json";
    if dir.join(pooling).exists() {
        names.push(pooling.to_owned());
    }
    names.sort();

    let mut examined = Examined::default();
    for name in names.iter().filter(|name| files::is_part(name)) {
        look_at(dir, name, &mut examined);
    }
    for required in ["config.json", "tokenizer.json"] {
        if !names.iter().any(|name| name == required) {
            examined.problems.push(format!("{required}: is missing"));
        }
    }
    if !names.iter().any(|name| files::is_weights(name)) {
        let pickles: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| files::is_pickle(name))
            .collect();
        examined.problems.push(if pickles.is_empty() {
            "*.safetensors: there are no weights".to_owned()
        } else {
            format!(
                "*.safetensors: there are no weights; {} is a pickle, which is never read: convert it to safetensors",
                pickles.join(", ")
            )
        });
    }
    for shard in missing_shards(dir, &names, &mut examined.problems) {
        examined.problems.push(format!("{shard}: is missing"));
    }
    examined
}

fn look_at(dir: &Path, name: &str, examined: &mut Examined) {
    let path = dir.join(name);
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        // A link whose blob was deleted.
        Err(error) => {
            examined.problems.push(format!("{name}: {error}"));
            return;
        }
    };
    if files::is_weights(name)
        && let Err(what) = files::check_safetensors(&path)
    {
        examined.problems.push(format!("{name}: {what}"));
    }
    examined.parts.push(Part {
        name: name.to_owned(),
        bytes: metadata.len(),
        expected: cache::checksum(&path),
        path,
    });
}

/// Weights that an index names and the directory lacks.
fn missing_shards(dir: &Path, names: &[String], problems: &mut Vec<String>) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for name in names.iter().filter(|name| files::is_index(name)) {
        let index = std::fs::read(dir.join(name))
            .ok()
            .and_then(|text| serde_json::from_slice::<Index>(&text).ok());
        match index {
            Some(index) => missing.extend(
                index
                    .weight_map
                    .into_values()
                    .filter(|shard| !names.contains(shard)),
            ),
            None => problems.push(format!("{name}: is no index of safetensors")),
        }
    }
    missing
}
