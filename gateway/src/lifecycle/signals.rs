//! Signals. Stock Pingora ends on SIGHUP; here it reloads.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::systemd;
use crate::server::Reloader;

/// Makes SIGHUP harmless until [`Signals`] handles it.
pub(crate) fn ignore_hangup() {
    // SAFETY: `signal` with SIG_IGN installs no handler, so nothing of ours runs in signal context. It is the first
    // thing the process does: no other thread races for the disposition.
    unsafe {
        libc::signal(libc::SIGHUP, libc::SIG_IGN);
    }
}

/// Pingora's source of shutdown signals, with reloads in between.
pub(crate) struct Signals {
    /// Reloads the policy and tells the service manager.
    pub reloader: Arc<Reloader>,
    /// Set on the way out.
    pub draining: Arc<AtomicBool>,
    /// Where a new process waits for the listeners.
    pub upgrade_socket: PathBuf,
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
        let mut hangup = listen(SignalKind::hangup());
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
                    if self.upgrade_socket.exists() {
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
                tracing::info!("handing the listeners to the new process");
            }
            _ => {
                self.draining.store(true, Ordering::SeqCst);
                tracing::info!("draining");
                systemd::stopping();
                tokio::spawn(async move {
                    next(&mut interrupt).await;
                    tracing::warn!("interrupted again: ending at once");
                    std::process::exit(130);
                });
            }
        }
        chosen
    }
}
