//! How far the process is on its way out.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Set by signals, read by every request.
#[derive(Debug)]
pub(crate) struct Stage {
    draining: AtomicBool,
    handed_over: AtomicBool,
    grace_over: watch::Sender<bool>,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            draining: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            grace_over: watch::Sender::new(false),
        }
    }
}

impl Stage {
    /// The process was asked to end.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// A new process takes the listeners over.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Ordering::SeqCst);
    }

    /// Whether the gateway is about to be gone. Not after a hand-over: then another process serves on, and a probe
    /// that still reaches this one over an old connection must not say otherwise.
    #[must_use]
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether this process is on its way out, for either reason: no connection is kept for another request.
    #[must_use]
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_draining() || self.handed_over.load(Ordering::Relaxed)
    }

    /// The grace period is over: what still runs is to end now.
    pub(crate) fn end_grace(&self) {
        self.grace_over.send_replace(true);
    }

    /// Resolves when the grace period is over.
    pub(crate) async fn cut_off(&self) {
        // The sender lives as long as `self`.
        let _ = self.grace_over.subscribe().wait_for(|over| *over).await;
    }
}
