//! What the service manager is told (`sd_notify(3)`); nothing happens where there is none.

use std::time::Duration;

use parking_lot::Mutex;
use sd_notify::NotifyState;

/// What the service manager has been told so far, which decides what it may be told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Nothing but status lines: `READY=1` is [`ready`]'s to say, whatever is reloaded before.
    Starting,
    Ready,
    Stopping,
    /// Nothing more: the listeners were handed to a new process, and that one speaks. A word from this one would
    /// make the manager take it for the service's main process again.
    HandedOver,
}

/// Held while a message is sent, so that none overtakes another.
static TOLD: Mutex<Told> = Mutex::new(Told::Starting);

/// Says nothing from now on.
pub(crate) fn hand_over() {
    *TOLD.lock() = Told::HandedOver;
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// The gateway serves. The main process is named because after an upgrade it is another one.
pub(crate) fn ready(status: &str) {
    let mut told = TOLD.lock();
    if matches!(*told, Told::Starting | Told::Ready) {
        *told = Told::Ready;
        send(&[
            NotifyState::MainPid(std::process::id()),
            NotifyState::Status(status),
            NotifyState::Ready,
        ]);
    }
}

/// One line for `systemctl status`.
pub(crate) fn status(status: &str) {
    let told = TOLD.lock();
    if *told != Told::HandedOver {
        send(&[NotifyState::Status(status)]);
    }
}

/// A reload begins; [`reloaded`] ends it. `Type=notify-reload` wants the monotonic time with it.
pub(crate) fn reloading() {
    let told = TOLD.lock();
    if *told != Told::Ready {
        return;
    }
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "no monotonic clock"),
    }
}

/// A reload has ended, well or not.
pub(crate) fn reloaded(status: &str) {
    let told = TOLD.lock();
    match *told {
        Told::Ready => send(&[
            NotifyState::MainPid(std::process::id()),
            NotifyState::Status(status),
            NotifyState::Ready,
        ]),
        Told::Starting => send(&[NotifyState::Status(status)]),
        Told::Stopping | Told::HandedOver => {}
    }
}

/// The process is on its way out.
pub(crate) fn stopping() {
    let mut told = TOLD.lock();
    if *told != Told::HandedOver {
        *told = Told::Stopping;
        send(&[
            NotifyState::Stopping,
            NotifyState::Status("finishing running requests"),
        ]);
    }
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
            let told = TOLD.lock();
            if *told == Told::HandedOver {
                return;
            }
            send(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the data listener does not answer: the watchdog is left to bite");
        }
    }
}
