//! What this machine holds.

use std::path::PathBuf;

use serde::Serialize;

use super::bundle;
use super::cache;
use super::describe::{self, Description};
use super::locate::Place;
use super::options::HubOptions;
use super::reference::{HubModel, Source};

/// A model on this machine.
#[derive(Debug, Clone, Serialize)]
pub struct Holding {
    /// How configuration refers to it, without a revision.
    pub source: Source,
    /// Where it is.
    pub dir: PathBuf,
    /// The hub's commit, or the bundle's revision.
    pub revision: String,
    /// Branches and tags that stood for this commit when they were last fetched.
    pub refs: Vec<String>,
    /// Sizes of all the files it is made of.
    pub bytes: u64,
    /// What it is for.
    #[serde(flatten)]
    pub description: Description,
    /// Why it cannot be loaded, if that can be seen without reading it whole.
    pub problems: Vec<String>,
}

/// The bundle, if there is one, and every model of the hub cache. Nothing is read whole, and the network is not asked.
#[must_use]
pub fn list(options: &HubOptions) -> Vec<Holding> {
    let mut held: Vec<Holding> = bundled(options).into_iter().collect();
    for cached in cache::models(&options.cache) {
        let at = Source::Hub(HubModel {
            repo: cached.repo.clone(),
            revision: Some(cached.commit.clone()),
        });
        let Ok(place) = Place::of(&at, options) else {
            continue;
        };
        held.push(Holding {
            source: Source::Hub(HubModel {
                repo: cached.repo,
                revision: None,
            }),
            revision: cached.commit,
            refs: cached.refs,
            bytes: place.parts.iter().map(|part| part.bytes).sum(),
            description: describe::checkpoint(&place.dir),
            dir: place.dir,
            problems: place.problems,
        });
    }
    held
}

fn bundled(options: &HubOptions) -> Option<Holding> {
    let source = Source::Bundle { head: None };
    let dir = bundle::locate(options.bundle.as_deref()).ok()?;
    let read = bundle::read(&dir).and_then(|manifest| Ok((Place::of(&source, options)?, manifest)));
    Some(match read {
        Ok((place, manifest)) => Holding {
            source,
            revision: manifest.revision.clone(),
            refs: Vec::new(),
            bytes: place.parts.iter().map(|part| part.bytes).sum(),
            description: describe::bundle(&manifest),
            problems: place.problems,
            dir,
        },
        Err(error) => Holding {
            source,
            revision: String::new(),
            refs: Vec::new(),
            bytes: 0,
            description: Description::default(),
            problems: vec![error.to_string()],
            dir,
        },
    })
}
