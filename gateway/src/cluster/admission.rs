//! How many requests may be in a cluster, and the queue of those that wait for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::LimitsConfig;

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Rejected {
    /// The queue has no place left.
    #[error("the cluster's queue is full")]
    QueueFull,
    /// The request has waited as long as it may.
    #[error("the request waited too long in the cluster's queue")]
    Deadline,
}

/// A place in the cluster, from admission to the end of the answer. Dropping it lets the next
/// request in.
#[derive(Debug)]
pub(crate) struct InFlight {
    _slot: Option<OwnedSemaphorePermit>,
    admission: Arc<Admission>,
    waited: Duration,
}

impl InFlight {
    /// How long the request waited in the queue.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.admission.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The places of a cluster. Waiting requests get theirs in the order they came: tokio's semaphore
/// is fair, and a future that is dropped while it waits leaves the queue.
#[derive(Debug)]
pub(super) struct Admission {
    slots: Option<Arc<Semaphore>>,
    queue_max: u32,
    deadline: Duration,
    in_flight: AtomicU32,
    waiting: AtomicU32,
}

impl Admission {
    pub(super) fn new(limits: &LimitsConfig) -> Self {
        Self {
            slots: limits
                .max_in_flight
                .map(|max| Arc::new(Semaphore::new((max as usize).min(Semaphore::MAX_PERMITS)))),
            queue_max: limits.queue.max,
            deadline: limits.queue.deadline.0,
            in_flight: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Waits for a place. `on_queue` hears how many wait, whenever that changes here.
    pub(super) async fn admit(
        self: &Arc<Self>,
        on_queue: impl Fn(u32),
    ) -> Result<InFlight, Rejected> {
        let Some(slots) = &self.slots else {
            return Ok(self.enter(None, Duration::ZERO));
        };
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Ok(self.enter(Some(slot), Duration::ZERO));
        }
        let since = Instant::now();
        let place = QueuePlace::take(self, &on_queue)?;
        let acquired = tokio::time::timeout(self.deadline, Arc::clone(slots).acquire_owned()).await;
        drop(place);
        match acquired {
            Ok(Ok(slot)) => Ok(self.enter(Some(slot), since.elapsed())),
            // The semaphore is never closed, so only the deadline leads here.
            Ok(Err(_)) | Err(_) => Err(Rejected::Deadline),
        }
    }

    fn enter(self: &Arc<Self>, slot: Option<OwnedSemaphorePermit>, waited: Duration) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight {
            _slot: slot,
            admission: Arc::clone(self),
            waited,
        }
    }
}

/// One of the queue's places; dropping it, also by dropping the waiting future, frees it.
struct QueuePlace<'a, F: Fn(u32)> {
    admission: &'a Admission,
    on_queue: &'a F,
}

impl<'a, F: Fn(u32)> QueuePlace<'a, F> {
    fn take(admission: &'a Admission, on_queue: &'a F) -> Result<Self, Rejected> {
        let max = admission.queue_max;
        let before = admission
            .waiting
            .fetch_update(Relaxed, Relaxed, |n| (n < max).then_some(n + 1))
            .map_err(|_| Rejected::QueueFull)?;
        on_queue(before + 1);
        Ok(Self {
            admission,
            on_queue,
        })
    }
}

impl<F: Fn(u32)> Drop for QueuePlace<'_, F> {
    fn drop(&mut self) {
        let before = self.admission.waiting.fetch_sub(1, Relaxed);
        (self.on_queue)(before.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests;
