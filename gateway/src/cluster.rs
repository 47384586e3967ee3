//! Clusters of Dynamo frontends: who is in one, who is ready, who gets the next request.
//!
//! A [`Cluster`] follows its endpoints' discovery and readiness with tasks of its own and answers
//! the request path from what they left behind, without waiting: [`Cluster::pick`] takes no lock
//! that is held for long and allocates nothing. A request's way through it:
//!
//! 1. [`Cluster::record_request`], then [`Cluster::admit`]: a place in the cluster, or the queue;
//! 2. for each try [`Cluster::pick`], [`Cluster::peer`], and [`Cluster::report`] of what came of
//!    it; between tries [`Cluster::may_retry`].

mod admission;
mod balance;
mod clock;
pub(crate) mod config;
mod discovery;
mod ejection;
mod endpoint;
mod membership;
mod observer;
mod peer;
mod readiness;
mod reconcile;
mod report;
mod retry;
mod status;
mod view;

pub(crate) use admission::{InFlight, Rejected};
pub(crate) use config::ClusterConfig;
pub(crate) use ejection::EjectionCause;
pub(crate) use endpoint::{Endpoint, Picked};
pub(crate) use observer::ClusterObserver;
pub(crate) use peer::ClusterError;
pub(crate) use readiness::{ListedModel, State};
pub(crate) use reconcile::Clusters;
pub(crate) use report::Outcome;

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;
use pingora::connectors::http::Connector;
use pingora::upstreams::peer::HttpPeer;
use tokio::runtime::Handle;
use tokio::sync::watch;

use admission::Admission;
use balance::Candidates;
use clock::{Clock, millis};
use config::{Balance, ReadinessMode};
use discovery::Source;
use membership::{Membership, Tasks};
use peer::PeerTemplate;
use readiness::Prober;
use retry::RetryBudget;
use view::{Pool, View};

/// A set of frontends that serve the same models. Its tasks stop when the last `Arc` is dropped.
pub(crate) struct Cluster {
    this: Weak<Self>,
    config: ClusterConfig,
    models: Vec<String>,
    clock: Arc<Clock>,
    observer: Arc<dyn ClusterObserver>,
    template: PeerTemplate,
    prober: Arc<Prober>,
    membership: Mutex<Membership>,
    view: ArcSwap<View>,
    /// Rises with every new view.
    changed: watch::Sender<u64>,
    admission: Arc<Admission>,
    budget: Arc<RetryBudget>,
    tasks: Tasks,
}

/// Why no endpoint can take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoEndpoint {
    /// Discovery has found no endpoint.
    #[error("the cluster has no endpoint")]
    NoneKnown,
    /// No endpoint is ready for the model.
    #[error("no endpoint is ready for the model")]
    NoneReady,
    /// Every endpoint that is ready for the model has been taken out of use.
    #[error("every endpoint that is ready for the model is draining")]
    AllDraining,
    /// The request has been sent to every endpoint that is ready for the model.
    #[error("the request was tried at every endpoint that is ready for the model")]
    AllTried,
}

/// How many endpoints can serve a model now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Those that would get a request: ready for the model and not draining.
    pub(crate) ready: usize,
    /// All endpoints of the cluster.
    pub(crate) endpoints: usize,
}

impl Cluster {
    /// Starts a cluster. `models` are the upstream names that the policy routes to it: each one's
    /// readiness is asked for. The tasks run on `runtime`. From `old` it takes over what is known
    /// about endpoints at the same addresses, and their requests in flight.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be used.
    fn start_after(
        old: Option<&Self>,
        connector: Arc<Connector>,
        config: ClusterConfig,
        models: Vec<String>,
        runtime: &Handle,
        observer: Arc<dyn ClusterObserver>,
    ) -> Result<Arc<Self>, ClusterError> {
        let template = PeerTemplate::new(&config)?;
        let timeout = config.readiness.timeout.0;
        let prober = Prober::new(connector, template.clone(), models.clone(), timeout);
        let admission = match old {
            Some(old) if old.config.limits == config.limits => Arc::clone(&old.admission),
            _ => Arc::new(Admission::new(&config.limits)),
        };
        let budget = match old {
            Some(old) if old.config.retries == config.retries => Arc::clone(&old.budget),
            _ => Arc::new(RetryBudget::new(&config.retries.budget)),
        };
        let cluster = Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            clock: old.map_or_else(|| Arc::new(Clock::new()), |old| Arc::clone(&old.clock)),
            template,
            prober: Arc::new(prober),
            membership: Mutex::new(Membership::after(old)),
            view: ArcSwap::from_pointee(View::new(&[], None)),
            changed: watch::Sender::new(0),
            admission,
            budget,
            tasks: Tasks::new(runtime),
            config,
            models,
            observer,
        });
        let first = discovery::fixed(&cluster.config.endpoints)
            .or_else(|| old.map(Self::known_endpoints))
            .filter(|endpoints| !endpoints.is_empty());
        if let Some(endpoints) = first {
            cluster.take_endpoints(&endpoints);
        }
        let source = Source::new(&cluster.config.endpoints);
        let weak = Arc::downgrade(&cluster);
        cluster.tasks.follow(discovery::follow(source, weak));
        Ok(cluster)
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    /// Waits for a place in the cluster. Keep what this returns until the answer has ended.
    ///
    /// # Errors
    /// When the queue is full or the request waited too long.
    pub(crate) async fn admit(&self) -> Result<InFlight, Rejected> {
        let name = &self.config.name;
        let on_queue = |waiting| self.observer.waiting(name, waiting);
        let result = self.admission.admit(on_queue).await;
        match &result {
            Ok(place) => {
                let in_flight = self.admission.in_flight();
                self.observer.admitted(name, place.waited(), in_flight);
            }
            Err(why) => self.observer.rejected(name, *why),
        }
        result
    }

    /// Chooses an endpoint that is ready for `model` (its upstream name) and not in `tried`. `key`
    /// is the hash of what `balance.consistent_hash.key` names, if the request has it. An ejected
    /// endpoint is chosen only when no other is left.
    ///
    /// # Errors
    /// With the reason when there is none.
    pub(crate) fn pick(
        &self,
        model: &str,
        key: Option<u64>,
        tried: &[SocketAddr],
    ) -> Result<Picked, NoEndpoint> {
        let view = self.view.load();
        let Some(pool) = self.pool(&view, model) else {
            return Err(if view.all.endpoints.is_empty() {
                NoEndpoint::NoneKnown
            } else {
                NoEndpoint::NoneReady
            });
        };
        let mut candidates = Candidates {
            ready: &pool.endpoints,
            tried,
            now: self.clock.now(),
            window: millis(self.config.slow_start.window.0),
            even_ejected: false,
        };
        let mut found = self.choose(&candidates, pool, &view, key);
        if found.is_none() {
            candidates.even_ejected = true;
            found = self.choose(&candidates, pool, &view, key);
        }
        found.map(|e| Picked::new(Arc::clone(e))).ok_or_else(|| {
            let is_tried = |e: &Arc<Endpoint>| tried.contains(&e.addr());
            if pool.endpoints.iter().any(is_tried) {
                NoEndpoint::AllTried
            } else {
                NoEndpoint::AllDraining
            }
        })
    }

    fn choose<'a>(
        &self,
        candidates: &Candidates<'a>,
        pool: &Pool,
        view: &View,
        key: Option<u64>,
    ) -> Option<&'a Arc<Endpoint>> {
        match (&self.config.balance, key, &view.ring) {
            (Balance::RoundRobin, ..) => balance::round_robin(candidates, &pool.turns),
            (Balance::Random, ..) => balance::random(candidates),
            (Balance::ConsistentHash(hash), Some(key), Some(ring)) => {
                balance::consistent_hash(candidates, ring, key, hash.bounded_load)
            }
            (Balance::LeastRequest | Balance::ConsistentHash(_), ..) => {
                balance::least_request(candidates)
            }
        }
    }

    /// The endpoints that are ready for a model; `None` when there is none.
    fn pool<'v>(&self, view: &'v View, model: &str) -> Option<&'v Pool> {
        match self.config.readiness.mode {
            ReadinessMode::Models => view.pool(model),
            ReadinessMode::None => Some(&view.all).filter(|all| !all.endpoints.is_empty()),
        }
    }

    /// How to connect to an endpoint, with the configured TLS, protocol and timeouts. The caller
    /// sets what differs between requests, such as the time to the first byte.
    pub(crate) fn peer(&self, endpoint: &Endpoint) -> HttpPeer {
        self.template.peer(endpoint.addr())
    }

    /// The `host` header for a request to an endpoint.
    pub(crate) fn host(&self, endpoint: &Endpoint) -> HeaderValue {
        self.template.host(endpoint.addr())
    }

    /// Counts a request, once however often it is tried: the base of the retry budget.
    pub(crate) fn record_request(&self) {
        self.budget.record_request(self.clock.now());
    }

    /// Takes one retry out of the budget. False when it is used up: then the request must not be
    /// tried again. `retries.max` is the caller's to count.
    pub(crate) fn may_retry(&self) -> bool {
        let granted = self.budget.try_take(self.clock.now());
        self.observer.retry(&self.config.name, granted);
        granted
    }

    /// How many endpoints can serve a model now.
    pub(crate) fn offers(&self, model: &str) -> Offer {
        let view = self.view.load();
        let pool = self.pool(&view, model);
        Offer {
            ready: pool.map_or(0, |pool| {
                pool.endpoints.iter().filter(|e| !e.is_draining()).count()
            }),
            endpoints: view.all.endpoints.len(),
        }
    }

    /// Whether one endpoint can serve a model of the policy (any model, if the policy names none).
    pub(crate) fn is_ready(&self) -> bool {
        let view = self.view.load();
        if self.config.readiness.mode == ReadinessMode::None {
            return view.all.endpoints.iter().any(|e| !e.is_draining());
        }
        if self.models.is_empty() {
            return view.has_pools();
        }
        self.models.iter().any(|model| self.offers(model).ready > 0)
    }

    /// Waits until [`Self::is_ready`].
    #[allow(dead_code, reason = "for whoever prefers waiting to polling")]
    pub(crate) async fn ready(&self) {
        let mut changed = self.changed.subscribe();
        while !self.is_ready() {
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Waits until a model can be served, or every endpoint has been asked and none can.
    pub(crate) async fn settled(&self) {
        const STEP: Duration = Duration::from_millis(5);
        while !self.is_ready() && !self.is_asked() {
            tokio::time::sleep(STEP).await;
        }
    }

    fn is_asked(&self) -> bool {
        let members = self.membership.lock();
        let is_known = |e: &Arc<Endpoint>| e.probed.load().state != State::Unknown;
        !members.endpoints.is_empty() && members.endpoints.iter().all(is_known)
    }

    /// The models that the reachable endpoints list, each once.
    pub(crate) fn listed_models(&self) -> Vec<ListedModel> {
        let mut models: Vec<ListedModel> = Vec::new();
        for endpoint in &self.view.load().all.endpoints {
            for listed in &endpoint.probed.load().listed {
                if models.iter().all(|m| m.id != listed.id) {
                    models.push(listed.clone());
                }
            }
        }
        models
    }
}

#[cfg(test)]
mod tests;
