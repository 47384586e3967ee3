//! A cluster as the operator sees it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Cluster;
use super::clock::{Millis, millis};
use super::endpoint::Endpoint;
use super::readiness::{State, Verdict};

/// A cluster as the operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ClusterStatus {
    /// Its name.
    pub(crate) name: String,
    /// Whether a model of the policy can be served.
    pub(crate) ready: bool,
    /// Requests let in that have not ended.
    pub(crate) in_flight: u32,
    /// Requests in the queue.
    pub(crate) waiting: u32,
    /// Its endpoints, then those that are gone but still have requests in flight.
    pub(crate) endpoints: Vec<EndpointStatus>,
}

/// An endpoint as the operator sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EndpointStatus {
    /// Its address.
    pub(crate) addr: SocketAddr,
    /// Its configured weight.
    pub(crate) weight: u32,
    /// Its weight now, which is less in slow start.
    pub(crate) weight_now: f64,
    /// What its last probe says.
    #[serde(flatten)]
    pub(crate) state: State,
    /// Whether the operator has taken it out of use.
    pub(crate) draining: bool,
    /// Whether discovery no longer lists it.
    pub(crate) leaving: bool,
    /// Requests sent there that have not ended.
    pub(crate) outstanding: u32,
    /// For how many more milliseconds it is ejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ejected_for_ms: Option<u64>,
    /// The smoothed time to the first byte, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_byte_ms: Option<f64>,
    /// Each model it lists or was asked for.
    pub(crate) models: Vec<ModelStatus>,
}

/// A model at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ModelStatus {
    /// Its upstream name.
    pub(crate) id: String,
    /// Whether the endpoint can serve it.
    pub(crate) ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Cluster {
    /// What there is to know about the cluster now.
    pub(crate) fn status(&self) -> ClusterStatus {
        let now = self.clock.now();
        let window = millis(self.config.slow_start.window.0);
        let members = self.membership.lock();
        let current = members.endpoints.iter().map(|e| (e, false));
        let leaving = members.leaving.iter().map(|e| (e, true));
        let leaving = leaving.filter(|(e, _)| e.outstanding() > 0);
        let endpoints = current
            .chain(leaving)
            .map(|(endpoint, leaving)| endpoint_status(endpoint, leaving, now, window))
            .collect();
        drop(members);
        ClusterStatus {
            name: self.config.name.clone(),
            ready: self.is_ready(),
            in_flight: self.admission.in_flight(),
            waiting: self.admission.waiting(),
            endpoints,
        }
    }
}

fn endpoint_status(
    endpoint: &Arc<Endpoint>,
    leaving: bool,
    now: Millis,
    window: Millis,
) -> EndpointStatus {
    let probed = endpoint.probed.load();
    let asked = probed.verdicts.iter().map(|(id, verdict)| ModelStatus {
        id: id.clone(),
        ready: *verdict == Verdict::Ready,
        reason: match verdict {
            Verdict::Ready => None,
            Verdict::NotReady(reason) => Some(reason.clone()),
        },
    });
    let listed = probed.listed.iter().map(|listed| listed.id.clone());
    let listed = listed
        .filter(|id| !probed.verdicts.contains_key(id))
        .map(|id| ModelStatus {
            id,
            ready: true,
            reason: None,
        });
    let left = endpoint.health.ejected_until().saturating_sub(now);
    EndpointStatus {
        addr: endpoint.addr(),
        weight: endpoint.weight(),
        weight_now: endpoint.weight_now(now, window),
        state: probed.state.clone(),
        draining: endpoint.is_draining(),
        leaving,
        outstanding: endpoint.outstanding(),
        ejected_for_ms: (left > 0).then_some(left),
        first_byte_ms: endpoint.first_byte().map(as_ms),
        models: asked.chain(listed).collect(),
    }
}

fn as_ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
