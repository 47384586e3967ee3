//! The end: as soon as the last request is done, not when the grace period is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::server::ExecutionPhase;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::stage::Stage;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;

/// How long there must be no request: connections that were accepted last may still bring one.
const QUIET: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(25);

/// How long the last streams get, after the grace period, to be ended in good order.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(2);

/// Waits (on a thread of its own) until Pingora has stopped accepting and no request is left, then ends the process.
/// Pingora itself sleeps through the whole grace period even when idle. After `grace`, what still runs is told to end.
pub(crate) fn exit_when_idle(
    phases: Receiver<ExecutionPhase>,
    grace: Duration,
    stage: Arc<Stage>,
    metrics: Arc<Metrics>,
    access: AccessLog,
) {
    let spawned = std::thread::Builder::new()
        .name("drain".to_owned())
        .spawn(move || {
            if !wait_for_grace_period(phases) {
                return;
            }
            let end = Instant::now() + grace;
            let mut is_over = false;
            let mut quiet = Duration::ZERO;
            while quiet < QUIET {
                std::thread::sleep(STEP);
                let running = metrics.in_flight.get();
                quiet = if running == 0 {
                    quiet + STEP
                } else {
                    Duration::ZERO
                };
                if running > 0 && !is_over && Instant::now() >= end {
                    tracing::warn!(running, "the grace period is over, ending what still runs");
                    stage.end_grace();
                    is_over = true;
                }
            }
            tracing::info!("idle, ending");
            access.flush();
            std::process::exit(0);
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no drain thread: the whole grace period will be waited for");
    }
}

/// False when the server ended otherwise.
fn wait_for_grace_period(mut phases: Receiver<ExecutionPhase>) -> bool {
    loop {
        match phases.blocking_recv() {
            Ok(ExecutionPhase::ShutdownGracePeriod) => return true,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return false,
        }
    }
}
