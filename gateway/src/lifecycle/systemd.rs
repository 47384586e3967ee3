//! What the service manager is told (`sd_notify(3)`); nothing happens where there is none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// Set once the listeners were handed to a new process: from then on that one speaks to the service manager. A word
/// from this one would make the manager take it for the service's main process again.
static HANDED_OVER: AtomicBool = AtomicBool::new(false);

/// Says nothing from now on.
pub(crate) fn hand_over() {
    HANDED_OVER.store(true, Ordering::SeqCst);
}

fn notify(states: &[NotifyState<'_>]) {
    if HANDED_OVER.load(Ordering::SeqCst) {
        return;
    }
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// The gateway serves. The main process is named because after an upgrade it is another one.
pub(crate) fn ready(status: &str) {
    notify(&[
        NotifyState::MainPid(std::process::id()),
        NotifyState::Status(status),
        NotifyState::Ready,
    ]);
}

/// One line for `systemctl status`.
pub(crate) fn status(status: &str) {
    notify(&[NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it. `Type=notify-reload` wants the monotonic time with it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no monotonic clock"),
    }
}

/// The process is on its way out.
pub(crate) fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Answers the watchdog at half its interval as long as `alive` succeeds.
pub(crate) async fn watchdog<F, A>(alive: A)
where
    F: Future<Output = bool> + Send,
    A: Fn() -> F + Send,
{
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval((interval / 2).max(Duration::from_millis(100)));
    loop {
        tick.tick().await;
        if alive().await {
            notify(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the data listener does not answer: the watchdog is left to bite");
        }
    }
}
