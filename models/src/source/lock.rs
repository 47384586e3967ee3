//! `models.lock`: which state of each model an installation was tested with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::SourceError;
use super::files::ModelFile;
use super::locate::Located;
use super::reference::Source;
use crate::ModelError;

/// The lock file's format that this program reads and writes.
const FORMAT: u32 = 1;

/// Revisions and checksums of models, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    format: u32,
    /// By reference, as it was pulled.
    pub models: BTreeMap<String, Locked>,
}

/// One model's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The hub's commit, the bundle's revision, or the beginning of a directory's content hash.
    pub revision: String,
    /// By name.
    pub files: BTreeMap<String, LockedFile>,
}

/// What is in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// Size.
    pub bytes: u64,
}

impl Default for LockFile {
    fn default() -> Self {
        Self {
            format: FORMAT,
            models: BTreeMap::new(),
        }
    }
}

impl LockFile {
    /// Reads a lock file.
    ///
    /// # Errors
    /// It is not there, or it is none.
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::read_in(path).map_err(failed)
    }

    /// As [`Self::read`]; a file that is not there yet is empty.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn read_or_new(path: &Path) -> Result<Self, ModelError> {
        if path.exists() {
            Self::read(path)
        } else {
            Ok(Self::default())
        }
    }

    fn read_in(path: &Path) -> Result<Self, SourceError> {
        let text = std::fs::read(path).map_err(SourceError::io(path))?;
        let lock: Self =
            serde_json::from_slice(&text).map_err(|error| SourceError::damaged(path, error))?;
        if lock.format == FORMAT {
            return Ok(lock);
        }
        Err(SourceError::damaged(
            path,
            format!("its format is {}, this program reads {FORMAT}", lock.format),
        ))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        write_whole(path, text.as_bytes()).map_err(failed)
    }

    /// Notes a model's state, in place of the one noted before.
    pub fn insert(&mut self, model: &Located) {
        let files = model.files.iter().map(|file| {
            let locked = LockedFile {
                sha256: file.sha256.clone(),
                bytes: file.bytes,
            };
            (file.name.clone(), locked)
        });
        self.models.insert(
            model.source.to_string(),
            Locked {
                revision: model.revision.clone(),
                files: files.collect(),
            },
        );
    }

    /// What the lock file names.
    ///
    /// # Errors
    /// One of the names is no reference.
    pub fn sources(&self) -> Result<Vec<Source>, super::ReferenceError> {
        self.models.keys().map(|name| name.parse()).collect()
    }
}

impl Locked {
    /// How a model differs from what was noted, in sentences.
    pub(super) fn differences(&self, revision: &str, files: &[ModelFile]) -> Vec<String> {
        let mut found = Vec::new();
        if self.revision != revision {
            found.push(format!(
                "its revision is {revision}, the lock file says {}",
                self.revision
            ));
        }
        for (name, locked) in &self.files {
            match files.iter().find(|file| file.name == *name) {
                None => found.push(format!("{name}: is missing; the lock file names it")),
                Some(file) if file.sha256 != locked.sha256 => found.push(format!(
                    "{name}: its SHA-256 is {}, the lock file says {}",
                    file.sha256, locked.sha256
                )),
                Some(_) => {}
            }
        }
        for file in files.iter().filter(|f| !self.files.contains_key(&f.name)) {
            found.push(format!("{}: is not in the lock file", file.name));
        }
        found
    }
}

fn failed(error: SourceError) -> ModelError {
    ModelError::Load {
        model: "models.lock".to_owned(),
        reason: error.to_string(),
    }
}

/// Puts a file in its place only once it is whole.
pub(super) fn write_whole(path: &Path, text: &[u8]) -> Result<(), SourceError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    std::fs::write(&temporary, text).map_err(SourceError::io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(SourceError::io(path))
}
