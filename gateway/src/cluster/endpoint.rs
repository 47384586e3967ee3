//! One frontend of a cluster and what the gateway knows about it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::clock::Millis;
use super::ejection::Health;
use super::readiness::Probed;

/// One frontend. Shared by every request that was sent there and by the clusters of successive
/// configurations, so its counters live on across a reload. Everything in it is atomic.
#[derive(Debug)]
pub(crate) struct Endpoint {
    addr: SocketAddr,
    weight: AtomicU32,
    outstanding: AtomicU32,
    draining: AtomicBool,
    /// Whether it was there when the gateway started: such an endpoint skips slow start.
    original: bool,
    /// When it became ready again, or 0.
    ramp_from: AtomicU64,
    /// Smoothed time to the first byte in microseconds, or 0.
    first_byte_us: AtomicU64,
    pub(super) health: Health,
    pub(super) probed: ArcSwap<Probed>,
    pub(super) probe_now: Notify,
}

/// A new endpoint's weight in slow start, as a share of its full weight.
const FIRST_SHARE: f64 = 0.1;

impl Endpoint {
    pub(super) fn new(addr: SocketAddr, weight: u32, original: bool) -> Self {
        Self {
            addr,
            weight: AtomicU32::new(weight),
            outstanding: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            original,
            ramp_from: AtomicU64::new(0),
            first_byte_us: AtomicU64::new(0),
            health: Health::default(),
            probed: ArcSwap::from_pointee(Probed::default()),
            probe_now: Notify::new(),
        }
    }

    /// Its address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its configured weight.
    pub(crate) fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Requests sent there that have not ended.
    pub(crate) fn outstanding(&self) -> u32 {
        self.outstanding.load(Relaxed)
    }

    /// Whether the operator has taken it out of use.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    pub(super) fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Relaxed);
    }

    pub(super) fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
    }

    pub(super) fn is_original(&self) -> bool {
        self.original
    }

    pub(super) fn start_ramp(&self, now: Millis) {
        self.ramp_from.store(now, Relaxed);
    }

    /// The share of its weight that slow start grants now: linear from [`FIRST_SHARE`] to 1 over
    /// `window` milliseconds after it became ready or its ejection ended.
    pub(super) fn ramp(&self, now: Millis, window: Millis) -> f64 {
        let from = self
            .ramp_from
            .load(Relaxed)
            .max(self.health.ejected_until());
        if from == 0 || window == 0 {
            return 1.0;
        }
        let elapsed = now.saturating_sub(from) as f64;
        (elapsed / window as f64).clamp(FIRST_SHARE, 1.0)
    }

    /// Its weight after slow start.
    pub(super) fn weight_now(&self, now: Millis, window: Millis) -> f64 {
        f64::from(self.weight()) * self.ramp(now, window)
    }

    /// Takes a measured time to the first byte into the smoothed one (an eighth of the new value,
    /// as TCP smooths its round-trip time, RFC 6298).
    pub(super) fn saw_first_byte(&self, took: Duration) {
        let new = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.first_byte_us.load(Relaxed);
        let smooth = if old == 0 {
            new
        } else {
            old - old / 8 + new / 8
        };
        self.first_byte_us.store(smooth, Relaxed);
    }

    /// The smoothed time to the first byte, once there was an answer.
    pub(crate) fn first_byte(&self) -> Option<Duration> {
        match self.first_byte_us.load(Relaxed) {
            0 => None,
            us => Some(Duration::from_micros(us)),
        }
    }
}

/// An endpoint chosen for one try of one request. It counts as outstanding there until this is
/// dropped.
#[derive(Debug)]
pub(crate) struct Picked {
    endpoint: Arc<Endpoint>,
}

impl Picked {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        endpoint.outstanding.fetch_add(1, Relaxed);
        Self { endpoint }
    }

    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Its address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.endpoint.addr
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        self.endpoint.outstanding.fetch_sub(1, Relaxed);
    }
}
