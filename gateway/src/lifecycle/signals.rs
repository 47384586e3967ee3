//! Signals. Stock Pingora ends on SIGHUP; here it reloads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::stage::Stage;
use super::systemd;
use crate::server::Reloader;

/// Makes SIGHUP harmless until [`Hangup::listen`].
pub(crate) fn ignore_hangup() {
    // SAFETY: `signal` with SIG_IGN installs no handler, so nothing of ours runs in signal context. It is the first
    // thing the process does: no other thread races for the disposition.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// SIGHUPs, remembered from before the policy is read until they can be obeyed: one in between asks for a change
/// that may have been missed.
#[derive(Debug)]
pub(crate) struct Hangup(Mutex<Option<Signal>>);

impl Hangup {
    /// Begins to remember. On a runtime that lives as long as the process.
    pub(crate) fn listen() -> Self {
        Self(Mutex::new(listen(SignalKind::hangup())))
    }
}

/// Pingora's source of shutdown signals, with reloads in between.
pub(crate) struct Signals {
    /// Reloads the policy and tells the service manager.
    pub reloader: Arc<Reloader>,
    /// Set on the way out.
    pub stage: Arc<Stage>,
    /// Where a new process waits for the listeners.
    pub upgrade_socket: PathBuf,
    /// What asks for a reload.
    pub hangup: Hangup,
}

/// A signal stream; `None` where the kernel refused the handler, which then never fires.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind)
        .inspect_err(|error| tracing::error!(%error, "cannot handle a signal"))
        .ok()
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let mut hangup = self.hangup.0.lock().take();
        let mut terminate = listen(SignalKind::terminate());
        let mut quit = listen(SignalKind::quit());
        let mut interrupt = listen(SignalKind::interrupt());
        let chosen = loop {
            tokio::select! {
                () = next(&mut hangup) => {
                    let reloader = Arc::clone(&self.reloader);
                    // Off this task: a reload reads files and resolves names.
                    tokio::task::spawn_blocking(move || reloader.reload("sighup"));
                }
                () = next(&mut terminate) => break ShutdownSignal::GracefulTerminate,
                // From a terminal: end at once on the second, like everybody; the first drains.
                () = next(&mut interrupt) => break ShutdownSignal::GracefulTerminate,
                () = next(&mut quit) => {
                    // Pingora would stop serving even if nobody took the listeners.
                    if is_waited_at(&self.upgrade_socket) {
                        break ShutdownSignal::GracefulUpgrade;
                    }
                    tracing::error!(socket = %self.upgrade_socket.display(),
                        "SIGQUIT ignored: no new process waits for the listeners; start it with --upgrade first");
                }
            }
        };
        match chosen {
            ShutdownSignal::GracefulUpgrade => {
                systemd::hand_over();
                self.stage.hand_over();
                tracing::info!("handing the listeners to the new process");
            }
            _ => {
                self.stage.drain();
                tracing::info!("draining");
                systemd::stopping();
            }
        }
        // A task of its own: Pingora's main loop does not come back here.
        tokio::spawn(async move {
            next(&mut interrupt).await;
            tracing::warn!("interrupted again: ending at once");
            std::process::exit(130);
        });
        chosen
    }
}

/// Whether a process listens on the socket at `path`. The file alone proves nothing: one that ended before its time
/// leaves it behind. To connect would prove it, but also use up the new process's one `accept`.
fn is_waited_at(path: &Path) -> bool {
    match std::fs::read_to_string("/proc/self/net/unix") {
        Ok(table) => is_listening(&table, path),
        Err(error) => {
            tracing::warn!(%error, "cannot see who listens on the upgrade socket");
            is_socket(path).unwrap_or(false)
        }
    }
}

fn is_socket(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileTypeExt as _;
    Ok(std::fs::metadata(path)?.file_type().is_socket())
}

/// Looks for a listening socket in the kernel's table (`/proc/net/unix`): columns Num, RefCount,
/// Protocol, Flags, Type, St, Inode, Path; flag `__SO_ACCEPTCON` (0x10000) is set by `listen`.
fn is_listening(table: &str, path: &Path) -> bool {
    const LISTENS: u32 = 0x1_0000;
    let Some(path) = path.to_str().filter(|path| !path.is_empty()) else {
        return false;
    };
    let lines = table.lines().filter_map(|line| line.strip_suffix(path));
    lines.into_iter().any(|before| {
        let columns: Vec<&str> = before.split_ascii_whitespace().collect();
        let flags = columns.get(3).map(|flags| u32::from_str_radix(flags, 16));
        columns.len() == 7
            && before.ends_with(' ')
            && matches!(flags, Some(Ok(flags)) if flags & LISTENS != 0)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const TABLE: &str = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 18373 /run/commutator/upgrade.sock
0000000000000000: 00000003 00000000 00000000 0001 03 26342 /run/other.sock
0000000000000000: 00000003 00000000 00000000 0001 03 26343
0000000000000000: 00000002 00000000 00010000 0001 01 18374 /run/with space.sock
";

    #[test]
    fn only_a_listening_socket_counts() {
        assert!(is_listening(
            TABLE,
            Path::new("/run/commutator/upgrade.sock")
        ));
        assert!(is_listening(TABLE, Path::new("/run/with space.sock")));
        assert!(!is_listening(TABLE, Path::new("space.sock")));
        assert!(!is_listening(TABLE, Path::new("upgrade.sock")));
        assert!(!is_listening(TABLE, Path::new("/run/other.sock")));
        assert!(!is_listening(TABLE, Path::new("/run/none.sock")));
        assert!(!is_listening(TABLE, Path::new("")));
    }

    #[test]
    fn a_socket_is_waited_at_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("commutator-{}.sock", std::process::id()));
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(is_waited_at(&path));
        drop(listener);
        assert!(path.exists());
        assert!(!is_waited_at(&path));
        std::fs::remove_file(&path).unwrap();
    }
}
