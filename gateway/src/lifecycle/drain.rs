//! The end: as soon as the last request is done, not when the grace period is over.

use std::sync::Arc;
use std::time::Duration;

use pingora::server::ExecutionPhase;
use tokio::sync::broadcast::Receiver;

use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;

/// How long there must be no request: connections that were accepted last may still bring one.
const QUIET: Duration = Duration::from_millis(300);
const STEP: Duration = Duration::from_millis(25);

/// Waits (on a thread of its own) until Pingora has stopped accepting and no request is left, then ends the process.
/// Pingora itself sleeps through the whole grace period even when idle.
pub(crate) fn exit_when_idle(
    mut phases: Receiver<ExecutionPhase>,
    metrics: Arc<Metrics>,
    access: AccessLog,
) {
    let spawned = std::thread::Builder::new()
        .name("drain".to_owned())
        .spawn(move || {
            loop {
                match phases.blocking_recv() {
                    Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                    Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                }
            }
            let mut quiet = Duration::ZERO;
            while quiet < QUIET {
                std::thread::sleep(STEP);
                quiet = if metrics.in_flight.get() == 0 {
                    quiet + STEP
                } else {
                    Duration::ZERO
                };
            }
            tracing::info!("idle, ending");
            access.flush();
            std::process::exit(0);
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no drain thread: the whole grace period will be waited for");
    }
}
