//! Where models come from: the bundle in the box, a directory, or the hub.
//!
//! A [`Source`] is what configuration says, in one line. [`locate`] finds its files on this machine and never asks the
//! network; `pull` downloads from the hub into the cache that the Python tools use too, so that either finds what the
//! other fetched. [`obtain`] is for start-up: locate, and pull first where the operator allows that. [`verify`] reads
//! every byte again and compares it with the checksum it should have; a [`LockFile`] pins revisions and checksums.
//!
//! Only safetensors are ever read or downloaded. Pickles (`pytorch_model.bin`) run code when they are opened.

mod bundle;
mod cache;
mod checkpoint;
mod describe;
#[cfg(feature = "hub")]
mod download;
mod error;
mod files;
#[cfg(feature = "hub")]
mod hub;
mod list;
mod locate;
mod lock;
mod options;
mod progress;
mod pull;
mod reference;
mod verify;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use bundle::find as find_bundle;
pub use describe::{Description, Task};
pub use files::ModelFile;
pub use list::{Holding, list};
pub use locate::{Layout, Located, locate};
pub use lock::{LockFile, Locked, LockedFile};
pub use options::{Download, HubOptions, Token};
pub use progress::{Progress, Silent};
pub use pull::{obtain, pull};
pub use reference::{HubModel, ReferenceError, Source};
pub use verify::{Report, verify};
