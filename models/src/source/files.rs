//! Files of a model: which ones count, and what is in them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::error::SourceError;

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelFile {
    /// Relative to the model's directory, with `/`.
    pub name: String,
    /// Of the content, 64 hexadecimal digits.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

/// Names besides the weights that a model is made of.
const PARTS: [&str; 7] = [
    "config.json",
    "tokenizer.json",
    "category_mapping.json",
    "pii_type_mapping.json",
    "jailbreak_type_mapping.json",
    "modules.json",
    "1_Pooling/config.json",
];

/// Fetched because they state the licence; they are no part of the model.
const CARDS: [&str; 3] = ["README.md", "LICENSE", "NOTICE"];

/// Endings of files that run code when they are opened; named only to say why a model is refused.
const PICKLES: [&str; 5] = [".bin", ".pt", ".pth", ".ckpt", ".pkl"];

pub(super) fn is_weights(name: &str) -> bool {
    is_plain(name) && name.ends_with(".safetensors")
}

pub(super) fn is_index(name: &str) -> bool {
    is_plain(name) && name.ends_with(".safetensors.index.json")
}

/// Names come from the hub: they must not lead out of the model's directory, nor write to a terminal.
fn is_plain(name: &str) -> bool {
    !name.starts_with('.') && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

/// Whether the file is a part of a model.
pub(super) fn is_part(name: &str) -> bool {
    PARTS.contains(&name) || is_weights(name) || is_index(name)
}

/// Whether the file is worth fetching.
#[cfg_attr(not(feature = "hub"), allow(dead_code))]
pub(super) fn is_wanted(name: &str) -> bool {
    is_part(name) || CARDS.contains(&name)
}

pub(super) fn is_pickle(name: &str) -> bool {
    PICKLES.iter().any(|ending| name.ends_with(ending))
}

/// A checksum that a file should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Large files of the hub, and everything of ours.
    Sha256(String),
    /// Small files of the hub: the id of git's blob.
    GitBlob(String),
}

impl Checksum {
    /// Reads a blob's name in the hub cache, which is the hub's entity tag.
    pub(super) fn of_tag(tag: &str) -> Option<Self> {
        let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
        let hex = tag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match tag.len() {
            64 if hex => Some(Self::Sha256(tag.to_owned())),
            40 if hex => Some(Self::GitBlob(tag.to_owned())),
            _ => None,
        }
    }

    /// The blob's name in the hub cache.
    #[cfg_attr(not(feature = "hub"), allow(dead_code))]
    pub(super) fn tag(&self) -> &str {
        match self {
            Self::Sha256(tag) | Self::GitBlob(tag) => tag,
        }
    }

    /// Whether `hashes` are of the file that this checksum is of.
    pub(super) fn fits(&self, hashes: &Hashes) -> bool {
        match self {
            Self::Sha256(sum) => *sum == hashes.sha256,
            Self::GitBlob(sum) => *sum == hashes.git_blob,
        }
    }
}

/// What a file's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hashes {
    pub(super) sha256: String,
    pub(super) git_blob: String,
    pub(super) bytes: u64,
}

/// Reads the whole of `path`.
pub(super) fn hash(path: &Path) -> Result<Hashes, SourceError> {
    hash_file(path).map_err(SourceError::io(path))
}

fn hash_file(path: &Path) -> io::Result<Hashes> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut sha256 = Sha256::new();
    // Git hashes small files only; for large ones the hub names the SHA-256.
    let mut git = (length <= LARGEST_GIT_BLOB).then(Sha1::new);
    if let Some(git) = &mut git {
        git.update(format!("blob {length}\0"));
    }
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        sha256.update(&buffer[..n]);
        if let Some(git) = &mut git {
            git.update(&buffer[..n]);
        }
        bytes += n as u64;
    }
    Ok(Hashes {
        sha256: hex(&sha256.finalize()),
        git_blob: git.map(|git| hex(&git.finalize())).unwrap_or_default(),
        bytes,
    })
}

/// The hub wants files above 10 MB in its large-file store; this leaves room for a hub of other ways.
const LARGEST_GIT_BLOB: u64 = 1 << 28;

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The SHA-256 of bytes at hand.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// One hash of many files: it changes when any of them does.
pub(super) fn content_hash(files: &[ModelFile]) -> String {
    let mut sorted: Vec<&ModelFile> = files.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for file in sorted {
        hash.update(format!("{}  {}\n", file.sha256, file.name));
    }
    hex(&hash.finalize())
}

/// The longest header that the safetensors crate accepts.
const LONGEST_HEADER: u64 = 100_000_000;

/// Whether a file is as long as its own header says, without reading the tensors.
pub(super) fn check_safetensors(path: &Path) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)
        .map_err(|_| format!("is cut short: {length} bytes are no safetensors file"))?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER {
        return Err("is no safetensors file".to_owned());
    }
    let mut header = Vec::new();
    file.take(size)
        .read_to_end(&mut header)
        .map_err(|error| error.to_string())?;
    if header.len() as u64 != size {
        return Err("is cut short: its header is not whole".to_owned());
    }
    let metadata: safetensors::tensor::Metadata =
        serde_json::from_slice(&header).map_err(|_| "is no safetensors file".to_owned())?;
    let whole = 8 + size + metadata.data_len() as u64;
    match length.cmp(&whole) {
        std::cmp::Ordering::Less => Err(format!("is cut short: {length} of {whole} bytes")),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => {
            Err(format!("is too long: {length} bytes instead of {whole}"))
        }
    }
}
