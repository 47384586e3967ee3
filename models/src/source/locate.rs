//! From a reference to files on this machine, without the network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hf_hub::Repo;
use serde::Serialize;

use super::bundle::{self, Manifest};
use super::cache;
use super::checkpoint::{self, Part};
use super::error::SourceError;
use super::files::{self, Checksum, ModelFile};
use super::options::HubOptions;
use super::reference::{HubModel, Source};
use crate::ModelError;

/// How a model's directory is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `manifest.json` and what it names.
    Bundle,
    /// `config.json`, `tokenizer.json` and safetensors, as the hub has them.
    Checkpoint,
}

/// A model's files on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// What was asked for.
    pub source: Source,
    /// Where the files are.
    pub dir: PathBuf,
    /// How they are laid out.
    pub layout: Layout,
    /// The directory below the bundle's where a member of it lies.
    pub member: Option<String>,
    /// In a bundle: heads that stand on an encoder of their own, with the directory below [`Self::dir`] that has them.
    pub members: BTreeMap<String, String>,
    /// The hub's commit, the bundle's revision, or for a directory the beginning of [`Self::content`].
    pub revision: String,
    /// One hash of all files: two models are the same exactly when theirs are equal, so that a reload can tell
    /// whether weights changed even where the reference did not.
    pub content: String,
    /// The same hash without the members, so that a new one changes nothing for the others: what was measured with
    /// this model holds on, and what was remembered of its answers.
    #[serde(skip)]
    own: String,
    /// What the model is made of, by name.
    pub files: Vec<ModelFile>,
}

impl Located {
    /// Sizes of all files together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What it is called in messages: the reference, and the member's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.source.with_member(self.member.as_deref())
    }

    /// The model that has a head: this one without its members, or one of them.
    #[must_use]
    pub fn of_head(&self, head: &str) -> Self {
        match self.members.get(head) {
            Some(folder) => self.member(folder),
            None => self.alone(),
        }
    }

    /// This model without its members, and each of them.
    #[must_use]
    pub fn each(&self) -> Vec<Self> {
        let mut all = vec![self.alone()];
        let folders: BTreeSet<&String> = self.members.values().collect();
        all.extend(folders.into_iter().map(|folder| self.member(folder)));
        all
    }

    fn alone(&self) -> Self {
        Self {
            members: BTreeMap::new(),
            content: self.own.clone(),
            files: without(&self.files, &self.members),
            ..self.clone()
        }
    }

    fn member(&self, folder: &str) -> Self {
        let below = |file: &ModelFile| {
            let name = file.name.strip_prefix(folder)?.strip_prefix('/')?;
            Some(ModelFile {
                name: name.to_owned(),
                ..file.clone()
            })
        };
        let files: Vec<ModelFile> = self.files.iter().filter_map(below).collect();
        let content = files::content_hash(&files);
        Self {
            source: self.source.clone(),
            dir: self.dir.join(folder),
            layout: Layout::Bundle,
            member: Some(folder.to_owned()),
            members: BTreeMap::new(),
            revision: self.revision.clone(),
            own: content.clone(),
            content,
            files,
        }
    }
}

/// The files that lie in no member's directory.
fn without(files: &[ModelFile], members: &BTreeMap<String, String>) -> Vec<ModelFile> {
    let below = |name: &str, folder: &str| {
        let rest = name.strip_prefix(folder);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let own = |file: &&ModelFile| !members.values().any(|folder| below(&file.name, folder));
    files.iter().filter(own).cloned().collect()
}

/// Finds a model's files on this machine and checks that they are whole. The network is never asked.
///
/// Files are hashed, except for large ones of the hub cache, whose names say what they are (`verify` does not believe
/// that). A bundle whose files differ from its manifest is refused.
///
/// # Errors
/// [`ModelError::Load`] with a sentence that says what is missing and what to do.
pub fn locate(source: &Source, options: &HubOptions) -> Result<Located, ModelError> {
    locate_in(source, options).map_err(|error| error.of(source))
}

fn locate_in(source: &Source, options: &HubOptions) -> Result<Located, SourceError> {
    let place = Place::of(source, options)?;
    if !place.problems.is_empty() {
        return Err(place.refusal(place.problems.clone()));
    }
    let mut files = Vec::with_capacity(place.parts.len());
    for part in &place.parts {
        files.push(place.hash(part)?);
    }
    // Of a bundle's manifest: thresholds and windows stand in it.
    let settings = match place.layout {
        Layout::Bundle => Some(bundle::settings(&place.dir)?),
        Layout::Checkpoint => None,
    };
    let hash = |files: &[ModelFile]| {
        let all: Vec<ModelFile> = files.iter().chain(&settings).cloned().collect();
        files::content_hash(&all)
    };
    let content = hash(&files);
    let own = hash(&without(&files, &place.members));
    let revision = match &place.revision {
        Some(revision) => revision.clone(),
        None => content[..12].to_owned(),
    };
    Ok(Located {
        source: source.clone(),
        dir: place.dir,
        layout: place.layout,
        member: None,
        members: place.members,
        revision,
        content,
        own,
        files,
    })
}

/// A model's directory and what it holds, nothing of which was read whole yet.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dir: PathBuf,
    pub(super) layout: Layout,
    pub(super) members: BTreeMap<String, String>,
    pub(super) revision: Option<String>,
    pub(super) parts: Vec<Part>,
    pub(super) problems: Vec<String>,
    pub(super) advice: String,
}

impl Place {
    pub(super) fn of(source: &Source, options: &HubOptions) -> Result<Self, SourceError> {
        match source {
            Source::Bundle { head } => {
                let dir = bundle::locate(options.bundle.as_deref())?;
                let manifest = bundle::read(&dir)?;
                if let Some(head) = head {
                    has_head(&manifest, head)?;
                }
                Ok(Self::bundle(dir, &manifest))
            }
            Source::Dir(dir) => Self::directory(dir),
            Source::Hub(model) => Self::cached(model, options),
        }
    }

    fn bundle(dir: PathBuf, manifest: &Manifest) -> Self {
        let examined = bundle::examine(&dir, manifest);
        Self {
            dir,
            layout: Layout::Bundle,
            members: manifest.members.clone(),
            revision: Some(manifest.revision.clone()),
            parts: examined.parts,
            problems: examined.problems,
            advice: "The bundle is damaged: copy it again from the release".to_owned(),
        }
    }

    pub(super) fn directory(dir: &Path) -> Result<Self, SourceError> {
        if !dir.is_dir() {
            return Err(SourceError::NoDirectory(dir.to_owned()));
        }
        if dir.join(bundle::MANIFEST).is_file() {
            let manifest = bundle::read(dir)?;
            return Ok(Self::bundle(dir.to_owned(), &manifest));
        }
        Ok(Self::checkpoint(
            dir.to_owned(),
            None,
            format!("Copy what is missing to {}", dir.display()),
        ))
    }

    fn checkpoint(dir: PathBuf, revision: Option<String>, advice: String) -> Self {
        let examined = checkpoint::examine(&dir);
        Self {
            dir,
            layout: Layout::Checkpoint,
            members: BTreeMap::new(),
            revision,
            parts: examined.parts,
            problems: examined.problems,
            advice,
        }
    }

    fn cached(model: &HubModel, options: &HubOptions) -> Result<Self, SourceError> {
        let advice = advice(model, options);
        let snapshot = cache::commit(&options.cache, model)
            .map(|commit| (cache::snapshot(&options.cache, model, &commit), commit))
            .filter(|(dir, _)| dir.is_dir());
        match snapshot {
            Some((dir, commit)) => Ok(Self::checkpoint(dir, Some(commit), advice)),
            None => Err(SourceError::NotCached {
                cache: options.cache.clone(),
                advice,
            }),
        }
    }

    pub(super) fn refusal(&self, problems: Vec<String>) -> SourceError {
        SourceError::Incomplete {
            problems: problems
                .into_iter()
                .map(|problem| format!("{}/{problem}", self.dir.display()))
                .collect(),
            advice: self.advice.clone(),
        }
    }

    fn hash(&self, part: &Part) -> Result<ModelFile, SourceError> {
        let named = match (&part.expected, self.layout) {
            (Some(Checksum::Sha256(sum)), Layout::Checkpoint) => Some(sum.clone()),
            _ => None,
        };
        let sha256 = match named {
            Some(sum) => sum,
            None => {
                let hashes = files::hash(&part.path)?;
                if part.expected.as_ref().is_some_and(|sum| !sum.fits(&hashes)) {
                    return Err(self.refusal(vec![format!("{}: {MISMATCH}", part.name)]));
                }
                hashes.sha256
            }
        };
        Ok(ModelFile {
            name: part.name.clone(),
            sha256,
            bytes: part.bytes,
        })
    }
}

/// What is wrong with a file whose content is not what its name or the manifest says.
pub(super) const MISMATCH: &str = "its checksum is wrong";

/// How to get a model of the hub that is not here, or not whole.
fn advice(model: &HubModel, options: &HubOptions) -> String {
    let folder = Repo::from(model).folder_name();
    if options.offline {
        format!(
            "HF_HUB_OFFLINE is set, so nothing is downloaded: copy the directory `{}` from the hub cache of a machine \
             that has the model to {}, or unset it and run `commutator models pull hub:{model}`",
            folder,
            options.cache.display(),
        )
    } else {
        format!("Run `commutator models pull hub:{model}`")
    }
}

fn has_head(manifest: &Manifest, head: &str) -> Result<(), SourceError> {
    if manifest.heads.iter().any(|known| known.name == head) {
        return Ok(());
    }
    let heads: Vec<String> = manifest
        .heads
        .iter()
        .map(|known| format!("`{}`", known.name))
        .collect();
    Err(SourceError::NoHead {
        head: head.to_owned(),
        heads: heads.join(", "),
    })
}
