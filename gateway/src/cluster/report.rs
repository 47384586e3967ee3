//! What came of a request, and what follows from it for the endpoint.

use std::time::Duration;

use super::Cluster;
use super::ejection::{self, EjectionCause};
use super::endpoint::Endpoint;
use super::readiness::State;

/// What came of one try of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An answer with a status below 400.
    Success {
        /// From sending the request to the first byte of the answer.
        ttfb: Duration,
    },
    /// The connection could not be made.
    ConnectFailed,
    /// The connection broke before the answer began.
    Reset,
    /// An answer with this status, 400 or above.
    Status(u16),
    /// No answer in time, or a stream that fell silent.
    Timeout,
    /// The stream ended early or carried an error event. With Dynamo that is a worker's fault far
    /// more often than the frontend's, so it only makes the gateway look closer.
    StreamError,
}

/// Dynamo's "all workers are busy": the frontend is well.
const OVERLOADED: u16 = 529;

impl Cluster {
    /// Reports what came of a try. Failures in a row eject the endpoint; failures that a probe can
    /// confirm or refute start one at once.
    pub(crate) fn report(&self, endpoint: &Endpoint, outcome: Outcome) {
        let (health, config) = (&endpoint.health, &self.config.ejection);
        let cause = match outcome {
            Outcome::Success { ttfb } => {
                endpoint.saw_first_byte(ttfb);
                health.succeeded();
                None
            }
            Outcome::ConnectFailed => health.connect_failed(config),
            Outcome::Reset | Outcome::Timeout => health.failed(config),
            Outcome::Status(OVERLOADED) | Outcome::Status(404) => {
                health.connected();
                None
            }
            Outcome::Status(500..) => {
                health.connected();
                health.failed(config)
            }
            Outcome::Status(_) => {
                health.succeeded();
                None
            }
            Outcome::StreamError => None,
        };
        if let Some(cause) = cause {
            self.eject(endpoint, cause);
        }
        if looks_suspicious(outcome) {
            endpoint.probe_now.notify_one();
        }
    }

    fn eject(&self, endpoint: &Endpoint, cause: EjectionCause) {
        // The lock keeps two ejections from using up the same allowance.
        let members = self.membership.lock();
        let now = self.clock.now();
        if endpoint.health.is_ejected(now) {
            return;
        }
        let all = &members.endpoints;
        let ejected = all.iter().filter(|e| e.health.is_ejected(now)).count();
        let is_usable = |e: &Endpoint| {
            e.addr() != endpoint.addr()
                && e.probed.load().state == State::Ready
                && !e.is_draining()
                && !e.health.is_ejected(now)
        };
        let usable_others = all.iter().filter(|e| is_usable(e)).count();
        let config = &self.config.ejection;
        if !ejection::allowed(config, all.len(), ejected, usable_others) {
            return;
        }
        let time = endpoint.health.eject(now, config);
        drop(members);
        let (name, addr) = (&self.config.name, endpoint.addr());
        tracing::warn!(cluster = %name, endpoint = %addr, cause = cause.as_str(), ?time, "an endpoint is ejected");
        self.observer.ejected(name, addr, cause, time);
    }
}

/// Whether an outcome puts the last probe's result in doubt.
fn looks_suspicious(outcome: Outcome) -> bool {
    match outcome {
        Outcome::ConnectFailed | Outcome::Reset | Outcome::Timeout | Outcome::StreamError => true,
        Outcome::Status(status) => matches!(status, 404 | 502 | 503),
        Outcome::Success { .. } => false,
    }
}
