//! Why a model cannot be found, fetched or trusted, in sentences that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::reference::Source;
use crate::ModelError;

/// Why a model cannot be found, fetched or trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "the bundle is not there. Looked in {places}. Reinstall the product, or name the directory that holds its \
         `manifest.json` with COMMUTATOR_BUNDLE"
    )]
    NoBundle { places: String },
    #[error("the bundle has no head `{head}`; it has {heads}")]
    NoHead { head: String, heads: String },
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    #[error("it is not in the hub cache {}. {advice}", cache.display())]
    NotCached { cache: PathBuf, advice: String },
    #[error("{}. {advice}", problems.join("; "))]
    Incomplete {
        problems: Vec<String>,
        advice: String,
    },
    #[cfg(feature = "hub")]
    #[error(
        "it has no safetensors{pickles}. Weights in other formats are never read: ask its authors for safetensors, or \
         convert them and use `dir:PATH`"
    )]
    NoWeights { pickles: String },
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] super::hub::HubError),
    #[cfg(not(feature = "hub"))]
    #[error(
        "this program was built without the feature `hub` and cannot download. Fetch the model elsewhere and copy the \
         hub cache, or use `dir:PATH`"
    )]
    NoHub,
}

impl SourceError {
    /// For `map_err`: an operation on `path` failed.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }

    pub(super) fn damaged(path: &Path, what: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    /// The crate's error, which names the model.
    pub(super) fn of(self, source: &Source) -> ModelError {
        ModelError::Load {
            model: source.to_string(),
            reason: self.to_string(),
        }
    }
}
