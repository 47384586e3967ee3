//! Fetching models: the only part that asks the network.

use super::locate::{Located, locate};
use super::options::{Download, HubOptions};
use super::progress::Progress;
use super::reference::{HubModel, Source};
use super::verify::verify;
use crate::ModelError;

/// Fetches a model of the hub into the cache, as far as it is not there, and checks every byte of it. What an earlier,
/// interrupted call left is used. A model counts as fetched only once all its files are there.
///
/// A commit that the cache has whole is not asked for again; a branch or a tag always is.
///
/// # Errors
/// [`ModelError::Load`] with a sentence that says what to do.
pub async fn pull(
    model: &HubModel,
    options: &HubOptions,
    progress: &dyn Progress,
) -> Result<Located, ModelError> {
    let source = Source::Hub(model.clone());
    let have = model.is_pinned() && verify(&source, options, None).problems.is_empty();
    if !have {
        fetch(model, options, progress)
            .await
            .map_err(|error| error.of(&source))?;
    }
    locate(&source, options)
}

/// For start-up: finds a model, and fetches it first if it is missing and `download` allows that.
///
/// # Errors
/// [`ModelError::Load`] with a sentence that says what is missing and what to do.
pub async fn obtain(
    source: &Source,
    options: &HubOptions,
    download: Download,
    progress: &dyn Progress,
) -> Result<Located, ModelError> {
    match (locate(source, options), source) {
        (Err(_), Source::Hub(model)) if download == Download::OnStart && !options.offline => {
            pull(model, options, progress).await
        }
        (located, _) => located,
    }
}

#[cfg(not(feature = "hub"))]
async fn fetch(
    _: &HubModel,
    _: &HubOptions,
    _: &dyn Progress,
) -> Result<(), super::error::SourceError> {
    Err(super::error::SourceError::NoHub)
}

#[cfg(feature = "hub")]
use online::fetch;

#[cfg(feature = "hub")]
mod online {
    use std::fs;
    use std::path::Path;

    use hf_hub::Repo;

    use super::super::cache;
    use super::super::download::Wanted;
    use super::super::error::SourceError;
    use super::super::hub::{Hub, HubError, Listing};
    use super::super::lock::write_whole;
    use super::super::options::HubOptions;
    use super::super::progress::Progress;
    use super::super::reference::HubModel;

    pub(super) async fn fetch(
        model: &HubModel,
        options: &HubOptions,
        progress: &dyn Progress,
    ) -> Result<(), SourceError> {
        if options.offline {
            return Err(SourceError::Hub(HubError::Offline {
                folder: Repo::from(model).folder_name(),
                cache: options.cache.display().to_string(),
            }));
        }
        let hub = Hub::new(options, progress)?;
        let mut listing = hub.listing(model).await?;
        listing
            .keep_wanted()
            .map_err(|pickles| SourceError::NoWeights { pickles })?;
        describe(&hub, model, &mut listing).await?;

        let sizes = listing.files.iter().filter_map(|file| file.bytes);
        progress.begin(listing.files.len(), sizes.sum());
        let mut done = 0;
        let mut links = Vec::new();
        for file in &listing.files {
            let Some(checksum) = &file.checksum else {
                continue;
            };
            progress.file(&file.name, file.bytes.unwrap_or_default());
            let wanted = Wanted {
                model,
                commit: &listing.commit,
                name: &file.name,
                checksum,
                bytes: file.bytes,
                blob: cache::blob(&options.cache, model, checksum.tag()),
                lock: cache::lock(&options.cache, model, checksum.tag()),
                before: done,
            };
            done += wanted.fetch(&hub, progress).await?;
            links.push((&file.name, checksum.tag()));
        }
        // A snapshot without `config.json` is no model: it comes last.
        links.sort_by_key(|(name, _)| *name == "config.json");
        let snapshot = cache::snapshot(&options.cache, model, &listing.commit);
        for (name, tag) in links {
            let blob = cache::blob(&options.cache, model, tag);
            link(&blob, &snapshot, name, tag)?;
        }
        if !model.is_pinned() {
            let reference = cache::reference(&options.cache, model);
            make_parent(&reference)?;
            // Not hf-hub's `CacheRepo::create_ref`: it empties the file first, and readers would see that.
            write_whole(&reference, listing.commit.as_bytes())?;
        }
        progress.end();
        Ok(())
    }

    /// Asks for the checksums that the listing lacks.
    async fn describe(
        hub: &Hub<'_>,
        model: &HubModel,
        listing: &mut Listing,
    ) -> Result<(), SourceError> {
        for file in &mut listing.files {
            if file.checksum.is_none() {
                let (bytes, checksum) = hub.describe(model, &listing.commit, &file.name).await?;
                file.bytes = bytes;
                file.checksum = Some(checksum);
            }
        }
        Ok(())
    }

    /// Puts a blob into a snapshot: a link, as the Python tools make it, or a copy where the file system has no links.
    fn link(blob: &Path, snapshot: &Path, name: &str, tag: &str) -> Result<(), SourceError> {
        let pointer = snapshot.join(name);
        make_parent(&pointer)?;
        let up = "../".repeat(2 + name.matches('/').count());
        let target = format!("{up}blobs/{tag}");
        let temporary = pointer.with_extension(format!("{}.tmp", std::process::id()));
        let _ = fs::remove_file(&temporary);
        std::os::unix::fs::symlink(&target, &temporary)
            .or_else(|_| fs::copy(blob, &temporary).map(drop))
            .map_err(SourceError::io(&temporary))?;
        fs::rename(&temporary, &pointer).map_err(SourceError::io(&pointer))
    }

    fn make_parent(path: &Path) -> Result<(), SourceError> {
        match path.parent() {
            Some(dir) => fs::create_dir_all(dir).map_err(SourceError::io(dir)),
            None => Ok(()),
        }
    }
}
