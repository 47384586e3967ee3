//! Passive ejection: an endpoint that fails real requests again and again is left out for a while.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::clock::{Millis, millis};
use super::config::EjectionConfig;

/// What the requests sent to an endpoint say about its health.
#[derive(Debug, Default)]
pub(super) struct Health {
    errors: AtomicU32,
    connect_failures: AtomicU32,
    /// How often it was ejected lately; decides how long the next ejection lasts.
    times: AtomicU32,
    /// When the last ejection ends or ended, or 0.
    until: AtomicU64,
}

/// What an ejection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EjectionCause {
    /// Connecting failed too often in a row.
    ConnectFailures,
    /// Answers failed too often in a row.
    Errors,
}

impl EjectionCause {
    /// The name of the cause in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ConnectFailures => "connect_failures",
            Self::Errors => "errors",
        }
    }
}

impl Health {
    /// When the last ejection ends or ended, or 0.
    pub(super) fn ejected_until(&self) -> Millis {
        self.until.load(Relaxed)
    }

    pub(super) fn is_ejected(&self, now: Millis) -> bool {
        self.ejected_until() > now
    }

    /// A request went well: the rows of failures are broken.
    pub(super) fn succeeded(&self) {
        // Reading first keeps the cache line shared on the path that every request takes.
        if self.errors.load(Relaxed) != 0 {
            self.errors.store(0, Relaxed);
        }
        self.connected();
    }

    /// The connection at least worked.
    pub(super) fn connected(&self) {
        if self.connect_failures.load(Relaxed) != 0 {
            self.connect_failures.store(0, Relaxed);
        }
    }

    /// Counts a failed answer; says whether the row is long enough to eject.
    pub(super) fn failed(&self, config: &EjectionConfig) -> Option<EjectionCause> {
        let row = self.errors.fetch_add(1, Relaxed).saturating_add(1);
        let limit = config.consecutive_errors;
        (limit != 0 && row >= limit).then_some(EjectionCause::Errors)
    }

    /// Counts a failed connection; says whether the row is long enough to eject.
    pub(super) fn connect_failed(&self, config: &EjectionConfig) -> Option<EjectionCause> {
        let row = self
            .connect_failures
            .fetch_add(1, Relaxed)
            .saturating_add(1);
        let limit = config.consecutive_connect_failures;
        (limit != 0 && row >= limit).then_some(EjectionCause::ConnectFailures)
    }

    /// Ejects. The time doubles with each ejection; each `base_time` in good standing since the
    /// last one takes back one doubling (as Envoy's outlier detection does).
    pub(super) fn eject(&self, now: Millis, config: &EjectionConfig) -> Duration {
        let base = millis(config.base_time.0).max(1);
        let quiet = now.saturating_sub(self.ejected_until()) / base;
        let forgiven = u32::try_from(quiet).unwrap_or(u32::MAX);
        let times = self.times.load(Relaxed).saturating_sub(forgiven);
        let doubled = base.saturating_mul(1u64.checked_shl(times).unwrap_or(u64::MAX));
        let time = doubled.min(millis(config.max_time.0).max(base));
        self.times.store((times + 1).min(32), Relaxed);
        self.until.store(now.saturating_add(time), Relaxed);
        self.errors.store(0, Relaxed);
        self.connect_failures.store(0, Relaxed);
        Duration::from_millis(time)
    }

    /// Ends an ejection now: a probe has seen the endpoint come back.
    pub(super) fn forgive(&self, now: Millis) {
        self.errors.store(0, Relaxed);
        self.connect_failures.store(0, Relaxed);
        if self.is_ejected(now) {
            self.until.store(now, Relaxed);
        }
    }
}

/// Whether one more of `total` endpoints may be ejected when `ejected` are out already and
/// `usable_others` could still take requests.
pub(super) fn allowed(
    config: &EjectionConfig,
    total: usize,
    ejected: usize,
    usable_others: usize,
) -> bool {
    if usable_others == 0 || config.max_percent == 0 {
        return false;
    }
    let most = (total * config.max_percent as usize / 100).max(1);
    ejected < most
}

#[cfg(test)]
mod tests;
