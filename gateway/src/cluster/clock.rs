//! The clock of a cluster: milliseconds in one word, so that times fit into atomics.

use std::time::{Duration, Instant};

/// Milliseconds since a cluster's clock began; never 0, so that 0 can mean "never".
pub(super) type Millis = u64;

/// Tells the time to everything in a cluster that ages: ejections, slow start, the retry budget.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: Instant,
    /// What a test has added, in milliseconds.
    #[cfg(test)]
    ahead: std::sync::atomic::AtomicU64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            #[cfg(test)]
            ahead: Default::default(),
        }
    }

    pub(super) fn now(&self) -> Millis {
        let now = millis(self.epoch.elapsed()) + 1;
        #[cfg(test)]
        let now = now + self.ahead.load(std::sync::atomic::Ordering::Relaxed);
        now
    }

    #[cfg(test)]
    pub(super) fn advance(&self, by: Duration) {
        self.ahead
            .fetch_add(millis(by), std::sync::atomic::Ordering::Relaxed);
    }
}

/// A span of time in whole milliseconds.
pub(super) fn millis(span: Duration) -> Millis {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
