//! What the request path sees of a cluster: which endpoints are ready for which model.

use std::collections::HashMap;
use std::sync::Arc;

use super::balance::{Ring, Turns};
use super::endpoint::Endpoint;

/// The endpoints of a cluster, sorted by what they serve. Made anew when discovery or readiness
/// changes; what changes more often (load, ejection, draining) is in the endpoints themselves.
#[derive(Debug)]
pub(super) struct View {
    /// All endpoints.
    pub(super) all: Pool,
    models: HashMap<String, Pool>,
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
        for endpoint in endpoints {
            for model in endpoint.probed.load().served() {
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
            ring,
        }
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
