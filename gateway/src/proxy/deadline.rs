//! The clocks of an exchange: first byte, silence between bytes, and the whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pingora::{Error, ErrorType};
use tokio::time::Instant;

/// Which clock ran out.
pub(super) const FIRST_BYTE: ErrorType = ErrorType::Custom("UpstreamFirstByteTimeout");
/// See [`FIRST_BYTE`].
pub(super) const STREAM_IDLE: ErrorType = ErrorType::Custom("UpstreamIdleTimeout");
/// See [`FIRST_BYTE`].
pub(super) const TOTAL: ErrorType = ErrorType::Custom("UpstreamTotalTimeout");

/// Deadlines of one exchange. The first-byte clock starts anew with every attempt; the total one never does.
#[derive(Debug)]
pub(super) struct Deadlines {
    started: Instant,
    first_byte: Duration,
    idle: Duration,
    total: Option<Duration>,
    /// Microseconds after `started` when this attempt was sent.
    sent: AtomicU64,
    /// Microseconds after `started` of the last bytes of the answer; 0 before the first.
    last: AtomicU64,
}

impl Deadlines {
    pub(super) fn new(first_byte: Duration, idle: Duration, total: Option<Duration>) -> Self {
        Self {
            started: Instant::now(),
            first_byte,
            idle,
            total,
            sent: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// An attempt begins.
    pub(super) fn attempt(&self) {
        self.sent.store(self.now(), Ordering::Relaxed);
        self.last.store(0, Ordering::Relaxed);
    }

    /// Bytes of the answer have come or been taken.
    pub(super) fn progress(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    fn next(&self) -> (Instant, ErrorType) {
        let after = |micros: u64, wait: Duration| {
            self.started + Duration::from_micros(micros).saturating_add(wait)
        };
        let last = self.last.load(Ordering::Relaxed);
        let silence = if last == 0 {
            (
                after(self.sent.load(Ordering::Relaxed), self.first_byte),
                FIRST_BYTE,
            )
        } else {
            (after(last, self.idle), STREAM_IDLE)
        };
        match self.total.map(|total| self.started + total) {
            Some(total) if total < silence.0 => (total, TOTAL),
            _ => silence,
        }
    }

    /// Resolves with the error of the first clock that runs out.
    pub(super) async fn expired(&self) -> Box<Error> {
        loop {
            let (at, what) = self.next();
            if at <= Instant::now() {
                return Error::new_up(what);
            }
            tokio::time::sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test(start_paused = true)]
    async fn the_first_byte_clock_restarts_with_each_attempt() {
        let deadlines = Deadlines::new(MS(100), MS(50), None);
        deadlines.attempt();
        tokio::time::sleep(MS(80)).await;
        deadlines.attempt();
        tokio::time::sleep(MS(80)).await;
        let start = Instant::now();
        assert_eq!(deadlines.expired().await.etype(), &FIRST_BYTE);
        assert!(start.elapsed() <= MS(21), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_bytes() {
        let deadlines = Deadlines::new(MS(100), MS(50), None);
        deadlines.attempt();
        for _ in 0..5 {
            tokio::time::sleep(MS(40)).await;
            deadlines.progress();
        }
        let start = Instant::now();
        assert_eq!(deadlines.expired().await.etype(), &STREAM_IDLE);
        assert!(start.elapsed() >= MS(49), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_clock_never_restarts() {
        let deadlines = Deadlines::new(MS(100), MS(100), Some(MS(150)));
        deadlines.attempt();
        tokio::time::sleep(MS(90)).await;
        deadlines.progress();
        let start = Instant::now();
        assert_eq!(deadlines.expired().await.etype(), &TOTAL);
        assert!(start.elapsed() <= MS(61), "{:?}", start.elapsed());
    }
}
