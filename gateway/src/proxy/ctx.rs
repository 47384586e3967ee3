//! What the proxy keeps about one request between Pingora's calls.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use commutator_plugins::api::Api;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::HeaderChange;
use commutator_plugins::finding::Finding;
use commutator_plugins::guard::Verdict;
use commutator_plugins::model::ModelConfig;
use commutator_plugins::plugin::ResponsePath;
use tokio::sync::Mutex;

use super::deadline::Deadlines;
use super::replay::Slot;
use super::responder::Responder;
use crate::cluster::{Cluster, InFlight, Picked};
use crate::snapshot::Snapshot;
use crate::telemetry::trace_context::TraceContext;

/// One request.
pub(crate) struct Ctx {
    /// Keeps the process from ending as idle.
    pub(super) _counted: crate::telemetry::metrics::InFlight,
    /// The policy and clusters it began with.
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) started: Instant,
    /// Set once the head has been looked at.
    pub(super) id: String,
    pub(super) trace: TraceContext,
    pub(super) api: Option<Api>,
    pub(super) stream: bool,
    pub(super) record: Record,
    /// Why the gateway answers with an error, where it knows better than Pingora.
    pub(super) error: Option<ApiError>,
    /// Set while the request is proxied.
    pub(super) flight: Option<Flight>,
}

/// What the access log and the metrics say about a request.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) client: Option<SocketAddr>,
    pub(super) request_bytes: u64,
    pub(super) requested_model: String,
    pub(super) model: Option<Arc<ModelConfig>>,
    pub(super) decision: Option<Arc<str>>,
    pub(super) confidence: f32,
    pub(super) response_path: Option<ResponsePath>,
    /// Signals, decision and plugins, and waiting for a slot.
    pub(super) policy_us: u64,
    pub(super) queue_us: u64,
    pub(super) code: Option<&'static str>,
    /// What guards decided and found; set when the exchange is over.
    pub(super) verdicts: Vec<Verdict>,
    pub(super) findings: Vec<Finding>,
    /// A guard's answer stands for the frontend's: whole, although the frontend's work was broken off.
    pub(super) stopped: bool,
    /// The client left before the answer was complete.
    pub(super) client_gone: bool,
}

/// A request on its way to a frontend.
pub(super) struct Flight {
    pub(super) responder: Arc<Mutex<Responder>>,
    pub(super) slot: Option<Slot>,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) cluster: Arc<Cluster>,
    /// Holds the cluster's slot until the exchange ends.
    pub(super) _place: InFlight,
    pub(super) model: Arc<ModelConfig>,
    pub(super) fallback: std::vec::IntoIter<Arc<ModelConfig>>,
    /// The final body for `model`.
    pub(super) body: Bytes,
    /// For consistent hashing.
    pub(super) hash_key: Option<u64>,
    pub(super) upstream_headers: Vec<HeaderChange>,
    pub(super) picked: Option<Picked>,
    pub(super) tried: Vec<SocketAddr>,
    pub(super) attempts: u32,
    /// A kept connection turned out to be closed: the one try on the same frontend again is used up.
    pub(super) stale: bool,
    /// The upstream connection, for `TCP_QUICKACK`; only valid during the attempt.
    pub(super) fd: Option<RawFd>,
    /// Did some attempt end in 503 or 529?
    pub(super) overloaded: bool,
    /// When the current attempt was handed to Pingora.
    pub(super) attempt_at: Instant,
    pub(super) reused: bool,
}
