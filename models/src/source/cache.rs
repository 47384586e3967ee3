//! The hub cache, as the Python tools lay it out.
//!
//! `models--ORG--NAME/refs/REVISION` holds a commit, `snapshots/COMMIT/FILE` is a link to `blobs/TAG`, and the tag is
//! the file's SHA-256 (large files) or the id of git's blob (small ones).
//!
//! hf-hub names the directories of models and snapshots. Ours is what it lacks or keeps to itself: listing models,
//! the paths of references and blobs (the latter come only with its network client), and careful reading and writing.

use std::fs;
use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo};

use super::files::Checksum;
use super::reference::{HubModel, is_commit};

/// A model's directory in the cache.
pub(super) fn folder(cache: &Path, model: &HubModel) -> PathBuf {
    cache.join(Repo::from(model).folder_name())
}

/// The file with the commit of a branch or a tag.
pub(super) fn reference(cache: &Path, model: &HubModel) -> PathBuf {
    folder(cache, model).join("refs").join(model.revision())
}

/// Where the content with this tag is, whether or not it is there.
#[cfg(feature = "hub")]
pub(super) fn blob(cache: &Path, model: &HubModel, tag: &str) -> PathBuf {
    folder(cache, model).join("blobs").join(tag)
}

/// The file that whoever writes a blob holds locked.
#[cfg(feature = "hub")]
pub(super) fn lock(cache: &Path, model: &HubModel, tag: &str) -> PathBuf {
    folder(&cache.join(".locks"), model).join(format!("{tag}.lock"))
}

/// The commit that the cache has for a revision.
///
/// Not hf-hub's `CacheRepo::get`: it looks for commits under `refs` too, and takes a reference's text for a commit
/// whatever it is, so that a broken one could lead out of the cache.
pub(super) fn commit(cache: &Path, model: &HubModel) -> Option<String> {
    let revision = model.revision();
    if is_commit(revision) {
        return Some(revision.to_owned());
    }
    let text = fs::read_to_string(reference(cache, model)).ok()?;
    let commit = text.trim();
    is_commit(commit).then(|| commit.to_owned())
}

/// Where a commit's files are, whether or not they are there.
pub(super) fn snapshot(cache: &Path, model: &HubModel, commit: &str) -> PathBuf {
    Cache::new(cache.to_owned())
        .repo(model.into())
        .pointer_path(commit)
}

/// The checksum that a file of a snapshot should have: its blob's name says it.
pub(super) fn checksum(file: &Path) -> Option<Checksum> {
    let blob = fs::read_link(file).ok()?;
    Checksum::of_tag(blob.file_name()?.to_str()?)
}

/// A state of a model in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cached {
    pub(super) repo: String,
    pub(super) commit: String,
    /// Branches and tags that the cache last saw at this commit.
    pub(super) refs: Vec<String>,
    pub(super) dir: PathBuf,
}

/// Every model in the cache, by name and commit. A cache that is not there holds none.
pub(super) fn models(cache: &Path) -> Vec<Cached> {
    let mut found = Vec::new();
    for (folder, name) in entries(cache) {
        let Some(name) = name.strip_prefix("models--") else {
            continue;
        };
        let repo = name.replacen("--", "/", 1);
        let refs = refs(&folder.join("refs"));
        for (dir, commit) in entries(&folder.join("snapshots")) {
            if !is_commit(&commit) || !dir.is_dir() {
                continue;
            }
            let names = refs.iter().filter(|(_, at)| *at == commit);
            found.push(Cached {
                repo: repo.clone(),
                refs: names.map(|(name, _)| name.clone()).collect(),
                commit,
                dir,
            });
        }
    }
    found.sort_by(|a, b| (&a.repo, &a.commit).cmp(&(&b.repo, &b.commit)));
    found
}

fn entries(dir: &Path) -> Vec<(PathBuf, String)> {
    fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.file_name().to_str()?.to_owned())))
        .collect()
}

/// Names, with their slashes, and the commits they stand for.
fn refs(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), String::new())];
    while let Some((dir, prefix)) = open.pop() {
        for (path, name) in entries(&dir) {
            let name = format!("{prefix}{name}");
            if path.is_dir() {
                open.push((path, format!("{name}/")));
            } else if let Ok(commit) = fs::read_to_string(&path) {
                found.push((name, commit.trim().to_owned()));
            }
        }
    }
    found.sort();
    found
}
