mod cached;
mod listing;
mod local;
mod locked;
#[cfg(feature = "hub")]
mod pulling;
#[cfg(feature = "hub")]
mod refusals;

use std::path::Path;

use super::testing::{COMMIT, REPO, WEIGHTS};
use super::{HubModel, Source};

fn at(revision: Option<&str>) -> HubModel {
    HubModel {
        repo: REPO.to_owned(),
        revision: revision.map(str::to_owned),
    }
}

fn hub(revision: Option<&str>) -> Source {
    Source::Hub(at(revision))
}

/// The weights' blob in the cache.
fn weights(cache: &Path) -> std::path::PathBuf {
    let link = cache
        .join("models--org--guard/snapshots")
        .join(COMMIT)
        .join(WEIGHTS);
    link.canonicalize().unwrap()
}
