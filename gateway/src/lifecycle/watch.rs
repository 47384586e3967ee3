//! Reload when the policy file changes, Kubernetes' way of changing it included.

use std::collections::BTreeSet;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use xxhash_rust::xxh3::Xxh3;

use crate::server::Reloader;

/// Some file systems (network, overlay) send no events: look at the contents this often as well.
const POLL: Duration = Duration::from_secs(10);

/// Watches on a thread of its own for the life of the process.
pub(crate) fn start(reloader: Arc<Reloader>, settle: Duration) {
    let spawned = std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || follow(&reloader, settle));
    if let Err(error) = spawned {
        tracing::error!(%error, "the policy file is not watched");
    }
}

fn follow(reloader: &Reloader, settle: Duration) {
    let (sender, events) = channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = sender.send(());
        }
    });
    let mut watcher = watcher
        .inspect_err(|error| tracing::warn!(%error, "no file events: polling only"))
        .ok();
    let mut watched = BTreeSet::new();
    // What was loaded before there was a watcher may have changed since.
    let mut known = None;
    loop {
        let files = reloader.files();
        watch_directories(watcher.as_mut(), &files, &mut watched);
        let now = fingerprint(&files);
        if known.is_none() && reloader.is_current() {
            known = Some(now);
        }
        if known == Some(now) {
            wait(&events, settle);
            continue;
        }
        reloader.reload("file");
        let after = reloader.files();
        // What was hashed before the reload, so that a change during it is not missed; a new policy may refer to
        // other files.
        known = Some(if after == files {
            now
        } else {
            fingerprint(&after)
        });
    }
}

/// Watches directories, not files: editors and Kubernetes put a new file (or link) in the old one's place. With
/// Kubernetes the file itself is a link to `..data/FILE`, and `..data`, a link beside it, is what is replaced. Where
/// a file is a link into another directory, that one is watched too.
fn watch_directories(
    watcher: Option<&mut RecommendedWatcher>,
    files: &[PathBuf],
    watched: &mut BTreeSet<PathBuf>,
) {
    let Some(watcher) = watcher else { return };
    let mut wanted = BTreeSet::new();
    for file in files {
        wanted.insert(directory_of(file));
        if let Ok(target) = file.canonicalize() {
            wanted.insert(directory_of(&target));
        }
    }
    watched.retain(|directory| {
        let keep = wanted.contains(directory);
        if !keep {
            // Fails where the directory is gone, and the watch with it.
            let _ = watcher.unwatch(directory);
        }
        keep
    });
    for directory in wanted {
        if watched.contains(&directory) {
            continue;
        }
        match watcher.watch(&directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                watched.insert(directory);
            }
            Err(error) => tracing::warn!(directory = %directory.display(), %error, "not watched"),
        }
    }
}

fn directory_of(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_path_buf()
}

/// Until something happened and then nothing for `settle` (at most ten times that), or until the next poll.
fn wait(events: &Receiver<()>, settle: Duration) {
    match events.recv_timeout(POLL) {
        Ok(()) => {}
        Err(RecvTimeoutError::Timeout) => return,
        Err(RecvTimeoutError::Disconnected) => return std::thread::sleep(POLL),
    }
    let end = Instant::now() + settle * 10;
    while Instant::now() < end && events.recv_timeout(settle).is_ok() {}
}

/// A hash over the contents; a file that cannot be read counts as empty.
fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = Xxh3::new();
    for file in files {
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write(&std::fs::read(file).unwrap_or_default());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}
