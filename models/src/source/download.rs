//! One file from the hub into the cache: resumed where it was broken off, in its place only once it is whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use super::error::SourceError;
use super::files::{self, Checksum};
use super::hub::{Hub, HubError};
use super::progress::Progress;
use super::reference::HubModel;

/// A file to fetch.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) model: &'a HubModel,
    pub(super) commit: &'a str,
    pub(super) name: &'a str,
    pub(super) checksum: &'a Checksum,
    /// If the hub says it.
    pub(super) bytes: Option<u64>,
    /// Where it goes.
    pub(super) blob: PathBuf,
    /// Held while it is written; other tools hold it too.
    pub(super) lock: PathBuf,
    /// Bytes of the files before this one.
    pub(super) before: u64,
}

impl Wanted<'_> {
    /// Fetches the file unless it is there already, whole.
    pub(super) async fn fetch(
        &self,
        hub: &Hub<'_>,
        progress: &dyn Progress,
    ) -> Result<u64, SourceError> {
        for path in [&self.blob, &self.lock] {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir).map_err(SourceError::io(dir))?;
            }
        }
        let _lock = self.locked(progress).await?;
        if self.blob.exists() {
            let hashes = files::hash(&self.blob)?;
            if self.checksum.fits(&hashes) {
                progress.position(self.before + hashes.bytes);
                return Ok(hashes.bytes);
            }
            progress.note(&format!("{}: the cached copy is damaged", self.name));
            fs::remove_file(&self.blob).map_err(SourceError::io(&self.blob))?;
        }
        let partial = self.partial();
        let mut resumed = partial.exists();
        loop {
            self.fill(&partial, hub, progress).await?;
            let hashes = files::hash(&partial)?;
            if self.checksum.fits(&hashes) {
                fs::rename(&partial, &self.blob).map_err(SourceError::io(&self.blob))?;
                return Ok(hashes.bytes);
            }
            fs::remove_file(&partial).map_err(SourceError::io(&partial))?;
            if !resumed {
                return Err(self.mismatch(hub, hashes).into());
            }
            progress.note(&format!(
                "{}: what was left of an earlier download is damaged; starting again",
                self.name
            ));
            resumed = false;
        }
    }

    fn partial(&self) -> PathBuf {
        let mut name = self.blob.file_name().unwrap_or_default().to_owned();
        name.push(".incomplete");
        self.blob.with_file_name(name)
    }

    fn mismatch(&self, hub: &Hub<'_>, hashes: files::Hashes) -> HubError {
        HubError::Checksum {
            file: self.name.to_owned(),
            host: hub.host(),
            got: match self.checksum {
                Checksum::Sha256(_) => hashes.sha256,
                Checksum::GitBlob(_) => hashes.git_blob,
            },
            expected: self.checksum.tag().to_owned(),
        }
    }

    /// Brings the partial file to its full length, over as many requests as it takes. Attempts count from the last
    /// byte that came.
    async fn fill(
        &self,
        partial: &Path,
        hub: &Hub<'_>,
        progress: &dyn Progress,
    ) -> Result<(), SourceError> {
        let mut failed = 0;
        loop {
            let had = length(partial)?;
            if self.bytes.is_some_and(|bytes| had > bytes) {
                fs::remove_file(partial).map_err(SourceError::io(partial))?;
                continue;
            }
            progress.position(self.before + had);
            if had > 0 && Some(had) == self.bytes {
                return Ok(());
            }
            let error = match self.request(partial, had, hub, progress).await {
                Ok(()) => return Ok(()),
                Err(Failure::Hub(error)) => error,
                Err(Failure::Disk(error)) => return Err(SourceError::io(partial)(error)),
            };
            failed = if length(partial)? > had {
                1
            } else {
                failed + 1
            };
            hub.again(failed, error).await?;
        }
    }

    async fn request(
        &self,
        partial: &Path,
        had: u64,
        hub: &Hub<'_>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        let mut response = hub.open(self.model, self.commit, self.name, had).await?;
        let from = match response.status() {
            StatusCode::RANGE_NOT_SATISFIABLE => {
                fs::remove_file(partial)?;
                return Err(HubError::Interrupted { host: hub.host() }.into());
            }
            StatusCode::PARTIAL_CONTENT if begins_at(&response) == Some(had) => had,
            StatusCode::PARTIAL_CONTENT => {
                return Err(hub.malformed("is another part than was asked for").into());
            }
            _ => 0,
        };
        let mut file = if from > 0 {
            OpenOptions::new().append(true).open(partial)?
        } else {
            File::create(partial)?
        };
        let mut done = from;
        while let Some(chunk) = hub.chunk(&mut response).await? {
            let chunk = chunk.as_ref();
            done += chunk.len() as u64;
            if self.bytes.is_some_and(|bytes| done > bytes) {
                drop(file);
                fs::remove_file(partial)?;
                return Err(hub
                    .malformed(&format!(
                        "has more bytes of {} than the hub says",
                        self.name
                    ))
                    .into());
            }
            file.write_all(chunk)?;
            progress.position(self.before + done);
        }
        file.sync_all()?;
        if self.bytes.is_some_and(|bytes| done < bytes) {
            return Err(HubError::Interrupted { host: hub.host() }.into());
        }
        Ok(())
    }

    /// Waits for other processes that download the same file.
    async fn locked(&self, progress: &dyn Progress) -> Result<File, SourceError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.lock)
            .map_err(SourceError::io(&self.lock))?;
        let begun = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(SourceError::io(&self.lock)(error)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LONGEST_WAIT => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(SourceError::Hub(HubError::Busy {
                        file: self.name.to_owned(),
                        minutes: LONGEST_WAIT.as_secs() / 60,
                    }));
                }
            }
            if !said {
                progress.note(&format!(
                    "{}: another process downloads it; waiting",
                    self.name
                ));
                said = true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A process that still holds the lock after this is more likely stuck than slow.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

enum Failure {
    Hub(HubError),
    Disk(io::Error),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

fn length(path: &Path) -> Result<u64, SourceError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(SourceError::io(path)(error)),
    }
}

/// The first byte of a partial answer.
fn begins_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .parse()
        .ok()
}
