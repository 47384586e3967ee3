//! `manifest.json` as it is written, and the files that it vouches for.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Component, Path};

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::Window;
use super::super::error::ReadError;
use super::wrong;

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) revision: String,
    pub(super) config: Map<String, Value>,
    pub(super) tokenizer: String,
    pub(super) files: BTreeMap<String, FileEntry>,
    pub(super) embeddings: EmbeddingsEntry,
    pub(super) segments: Vec<SegmentEntry>,
    pub(super) heads: Vec<HeadEntry>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileEntry {
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct EmbeddingsEntry {
    pub(super) file: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SegmentEntry {
    pub(super) name: String,
    pub(super) parent: Option<String>,
    pub(super) layers: usize,
    pub(super) file: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct HeadEntry {
    pub(super) name: String,
    pub(super) task: TaskName,
    pub(super) segment: String,
    pub(super) pooling: PoolingName,
    /// Of `worst` pooling.
    pub(super) parts: Option<PartsEntry>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) stages: Vec<StageEntry>,
    #[serde(default = "one")]
    pub(super) temperature: f32,
    pub(super) threshold: Option<f32>,
    #[serde(default)]
    pub(super) thresholds: BTreeMap<String, f32>,
    #[serde(default)]
    pub(super) operating_points: Vec<(f32, f32)>,
    pub(super) window: Option<Window>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct StageEntry {
    pub(super) then: ThenName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TaskName {
    Sequence,
    Token,
    Embedding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PoolingName {
    None,
    First,
    Mean,
    Worst,
}

/// Tokens of a part, and from the beginning of one to that of the next.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct PartsEntry {
    pub(super) tokens: usize,
    pub(super) step: usize,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ThenName {
    Nothing,
    Tanh,
    Gelu,
    Relu,
}

const fn one() -> f32 {
    1.0
}

/// Refuses the name of a file that is not below the bundle.
pub(super) fn inside(name: &str) -> Result<(), ReadError> {
    let plain = |part| matches!(part, Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(plain) {
        return Err(wrong(
            "files",
            &format!("names \"{name}\", which is not below the bundle"),
        ));
    }
    Ok(())
}

/// Checks a file's size and hash.
pub(super) fn verify(dir: &Path, name: &str, entry: &FileEntry) -> Result<(), ReadError> {
    let io = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing {
            file: name.to_owned(),
            hint: ", the manifest names it",
        },
        _ => ReadError::Io {
            file: name.to_owned(),
            source,
        },
    };
    let bad = |problem: String| ReadError::File {
        file: name.to_owned(),
        problem,
    };
    let mut file = File::open(dir.join(name)).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    if bytes != entry.bytes {
        let wanted = entry.bytes;
        return Err(bad(format!(
            "has {bytes} bytes, the manifest says {wanted}"
        )));
    }
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(io)?;
    let digest = hex(&hasher.finalize());
    if digest != entry.sha256.to_ascii_lowercase() {
        let wanted = &entry.sha256;
        return Err(bad(format!(
            "has the SHA-256 {digest}, the manifest says {wanted}"
        )));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
