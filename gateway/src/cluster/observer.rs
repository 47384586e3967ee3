//! Where a cluster tells what happens in it, so that metrics stay out of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::admission::Rejected;
use super::ejection::EjectionCause;
use super::readiness::State;

/// Hears of everything in a cluster that is worth a metric. Called from the request path too: an
/// implementation must be quick, must not block, and must not call the cluster. Everything defaults
/// to nothing.
pub(crate) trait ClusterObserver: Send + Sync {
    /// Discovery gave this many endpoints, after a change.
    fn endpoints(&self, _cluster: &str, _count: usize) {}
    /// Discovery failed; the last good list stays in use.
    fn discovery_failed(&self, _cluster: &str, _error: &str) {}
    /// Readiness of an endpoint changed.
    fn endpoint_state(&self, _cluster: &str, _addr: SocketAddr, _state: &State) {}
    /// Discovery removed an endpoint.
    fn endpoint_gone(&self, _cluster: &str, _addr: SocketAddr) {}
    /// A round of readiness questions ended.
    fn probed(&self, _cluster: &str, _addr: SocketAddr, _answered: bool, _took: Duration) {}
    /// An endpoint was ejected for so long.
    fn ejected(&self, _cluster: &str, _addr: SocketAddr, _cause: EjectionCause, _time: Duration) {}
    /// The number of waiting requests changed to this.
    fn waiting(&self, _cluster: &str, _waiting: u32) {}
    /// A request was let in after waiting so long; so many are in now.
    fn admitted(&self, _cluster: &str, _waited: Duration, _in_flight: u32) {}
    /// A request was turned away.
    fn rejected(&self, _cluster: &str, _why: Rejected) {}
    /// A retry was granted or refused by the budget.
    fn retry(&self, _cluster: &str, _granted: bool) {}
}
