//! The models shipped with the product: where they are, and what their manifest says of the files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::checkpoint::{Examined, Part};
use super::error::SourceError;
use super::files::{self, Checksum, ModelFile};

/// The file that makes a directory a bundle.
pub(super) const MANIFEST: &str = "manifest.json";

/// The manifest's format that this program reads.
const FORMAT: u32 = 1;

/// As much of the manifest as finding and checking need.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    pub(super) revision: String,
    files: BTreeMap<String, Entry>,
    /// With those of the members.
    #[serde(default)]
    pub(super) heads: Vec<Head>,
    /// Heads that stand on an encoder of their own, with the directory of the bundle, below this one, that has them.
    #[serde(default)]
    pub(super) members: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) license: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    sha256: String,
    bytes: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) task: String,
    #[serde(default)]
    pub(super) labels: Vec<String>,
}

/// Looks for the bundle's directory: `named` (configuration, or `COMMUTATOR_BUNDLE`) and nowhere else; otherwise
/// beside the running binary (`../share/commutator/bundle`, then `bundle`); otherwise the source tree that the binary
/// was built from, if that is still there.
///
/// # Errors
/// The places looked at, none of which holds a `manifest.json`.
pub fn find(named: Option<&Path>) -> Result<PathBuf, crate::ModelError> {
    find_in(&places(named)).map_err(|error| error.of(&super::Source::Bundle { head: None }))
}

/// As [`find`], with this module's error.
pub(super) fn locate(named: Option<&Path>) -> Result<PathBuf, SourceError> {
    find_in(&places(named))
}

fn places(named: Option<&Path>) -> Vec<PathBuf> {
    match named {
        Some(named) => vec![named.to_owned()],
        None => default_places(std::env::current_exe().ok().as_deref()),
    }
}

pub(super) fn default_places(binary: Option<&Path>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    // The binary may be called through a link; its neighbours are where it really is.
    let binary = binary.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    if let Some(beside) = binary.as_deref().and_then(Path::parent) {
        if let Some(prefix) = beside.parent() {
            places.push(prefix.join("share/commutator/bundle"));
        }
        places.push(beside.join("bundle"));
    }
    places.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle"));
    places
}

fn find_in(places: &[PathBuf]) -> Result<PathBuf, SourceError> {
    places
        .iter()
        .find(|place| place.join(MANIFEST).is_file())
        .cloned()
        .ok_or_else(|| SourceError::NoBundle {
            places: places
                .iter()
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// Reads a bundle's manifest, and of its members' what heads they have.
pub(super) fn read(dir: &Path) -> Result<Manifest, SourceError> {
    let mut manifest = read_one(dir)?;
    let damaged = |reason: String| SourceError::damaged(&dir.join(MANIFEST), reason);
    for (name, folder) in &manifest.members {
        if !is_inside(folder) {
            return Err(damaged(format!(
                "the member `{folder}` leads out of the bundle"
            )));
        }
        let below = read_one(&dir.join(folder))?;
        // A file that this manifest does not vouch for would change unseen.
        let names = below.files.keys().map(String::as_str);
        for name in names.chain([MANIFEST]) {
            let path = format!("{folder}/{name}");
            if !manifest.files.contains_key(&path) {
                return Err(damaged(format!("`files` does not list {path}")));
            }
        }
        let head = below.heads.into_iter().find(|head| head.name == *name);
        let missing = || damaged(format!("the member `{folder}` has no head `{name}`"));
        manifest.heads.push(head.ok_or_else(missing)?);
    }
    Ok(manifest)
}

/// The hash of what the manifest in `dir` says besides its files' hashes, its members and its revision, which are
/// hashed from the files themselves.
pub(super) fn settings(dir: &Path) -> Result<ModelFile, SourceError> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read(&path).map_err(SourceError::io(&path))?;
    let damaged = |error| SourceError::damaged(&path, error);
    let mut manifest: BTreeMap<String, Value> = serde_json::from_slice(&text).map_err(damaged)?;
    for name in ["files", "members", "revision"] {
        manifest.remove(name);
    }
    let rest = serde_json::to_vec(&manifest).map_err(damaged)?;
    Ok(ModelFile {
        name: MANIFEST.to_owned(),
        sha256: files::sha256(&rest),
        bytes: 0,
    })
}

fn read_one(dir: &Path) -> Result<Manifest, SourceError> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read(&path).map_err(SourceError::io(&path))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| SourceError::damaged(&path, error))?;
    if manifest.format != FORMAT {
        return Err(SourceError::damaged(
            &path,
            format!(
                "its format is {}, this program reads {FORMAT}: use the bundle of the same release",
                manifest.format
            ),
        ));
    }
    for name in manifest.files.keys() {
        if !is_inside(name) {
            return Err(SourceError::damaged(
                &path,
                format!("the file name `{name}` leads out of the bundle"),
            ));
        }
    }
    Ok(manifest)
}

/// Whether a path leads to something below where it begins.
fn is_inside(path: &str) -> bool {
    let mut parts = Path::new(path).components();
    !path.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The manifest's files, and what can be seen to be wrong with them without reading them.
pub(super) fn examine(dir: &Path, manifest: &Manifest) -> Examined {
    let mut examined = Examined::default();
    for (name, entry) in &manifest.files {
        let path = dir.join(name);
        match std::fs::metadata(&path) {
            Err(_) => examined.problems.push(format!("{name}: is missing")),
            Ok(metadata) if metadata.len() != entry.bytes => examined.problems.push(format!(
                "{name}: has {} bytes instead of {}",
                metadata.len(),
                entry.bytes
            )),
            Ok(metadata) => {
                if files::is_weights(name)
                    && let Err(what) = files::check_safetensors(&path)
                {
                    examined.problems.push(format!("{name}: {what}"));
                }
                examined.parts.push(Part {
                    name: name.clone(),
                    path,
                    bytes: metadata.len(),
                    expected: Some(Checksum::Sha256(entry.sha256.clone())),
                });
            }
        }
    }
    examined
}
