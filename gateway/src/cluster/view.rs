//! What the request path sees of a cluster: which endpoints are ready for which model.

use std::collections::HashMap;
use std::sync::Arc;

use super::balance::{Ring, Turns};
use super::endpoint::Endpoint;
use super::readiness::Probed;

/// The endpoints of a cluster, sorted by what they serve. Made anew when discovery or readiness
/// changes; what changes more often (load, ejection, draining) is in the endpoints themselves.
#[derive(Debug)]
pub(super) struct View {
    /// All endpoints.
    pub(super) all: Pool,
    models: HashMap<String, Pool>,
    /// The probes it was made from, one an endpoint.
    probes: Vec<Arc<Probed>>,
    pub(super) ring: Option<Arc<Ring>>,
}

/// The endpoints that can serve one model.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    pub(super) turns: Turns,
}

impl Pool {
    fn new(endpoints: Vec<Arc<Endpoint>>) -> Self {
        let turns = Turns::new(endpoints.len());
        Self { endpoints, turns }
    }
}

impl View {
    /// Sorts the endpoints by what their last probe says.
    pub(super) fn new(endpoints: &[Arc<Endpoint>], ring: Option<Arc<Ring>>) -> Self {
        let mut models: HashMap<String, Vec<Arc<Endpoint>>> = HashMap::new();
        let probes: Vec<_> = endpoints.iter().map(|e| e.probed.load_full()).collect();
        for (endpoint, probed) in endpoints.iter().zip(&probes) {
            for model in probed.served() {
                let pool = models.entry(model.to_owned()).or_default();
                pool.push(Arc::clone(endpoint));
            }
        }
        Self {
            all: Pool::new(endpoints.to_vec()),
            models: models
                .into_iter()
                .map(|(model, endpoints)| (model, Pool::new(endpoints)))
                .collect(),
            probes,
            ring,
        }
    }

    /// Whether the endpoints' last probes are those that it was made from. Another cluster may have
    /// probed them: the one that this one replaces.
    pub(super) fn is_current(&self) -> bool {
        let now = self.all.endpoints.iter().map(|e| e.probed.load());
        now.zip(&self.probes)
            .all(|(now, then)| Arc::ptr_eq(&now, then))
    }

    /// The endpoints that are ready for a model, if there are any.
    pub(super) fn pool(&self, model: &str) -> Option<&Pool> {
        self.models.get(model)
    }

    /// Whether any model has a ready endpoint.
    pub(super) fn has_pools(&self) -> bool {
        !self.models.is_empty()
    }
}
