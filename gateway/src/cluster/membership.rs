//! Which endpoints a cluster has, and the tasks that watch them.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::Cluster;
use super::balance::Ring;
use super::config::{Balance, ReadinessMode};
use super::discovery::Endpoints;
use super::endpoint::Endpoint;
use super::readiness::{self, Probed, State};
use super::view::View;

/// The endpoints of a cluster. Behind a lock that only discovery, readiness and the operator take.
#[derive(Debug, Default)]
pub(super) struct Membership {
    /// In the order of their addresses.
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// Removed by discovery, with requests still in flight; also the endpoints of the cluster that
    /// this one replaces. One that comes back is found here.
    pub(super) leaving: Vec<Arc<Endpoint>>,
    ring: Option<Arc<Ring>>,
    /// Whether the next endpoints are the first ones since the gateway started.
    is_new: bool,
}

impl Membership {
    /// Without endpoints, knowing those of the cluster before.
    pub(super) fn after(old: Option<&Cluster>) -> Self {
        let mut leaving = Vec::new();
        if let Some(old) = old {
            let old = old.membership.lock();
            leaving.extend(old.endpoints.iter().cloned());
            leaving.extend(old.leaving.iter().cloned());
        }
        Self {
            leaving,
            is_new: old.is_none(),
            ..Self::default()
        }
    }

    fn find(&self, addr: SocketAddr) -> Option<&Arc<Endpoint>> {
        let known = self.endpoints.iter().chain(&self.leaving);
        known.into_iter().find(|e| e.addr() == addr)
    }

    fn ring_for(&mut self, balance: &Balance) -> Option<Arc<Ring>> {
        if !matches!(balance, Balance::ConsistentHash(_)) {
            return None;
        }
        if let Some(ring) = &self.ring
            && ring.is_of(&self.endpoints)
        {
            return Some(Arc::clone(ring));
        }
        self.ring = Some(Arc::new(Ring::new(&self.endpoints)));
        self.ring.clone()
    }
}

/// The tasks of a cluster. They end when this is dropped.
pub(super) struct Tasks {
    runtime: Handle,
    discovery: Mutex<Option<AbortHandle>>,
    probes: Mutex<HashMap<SocketAddr, AbortHandle>>,
}

impl Tasks {
    pub(super) fn new(runtime: &Handle) -> Self {
        Self {
            runtime: runtime.clone(),
            discovery: Mutex::default(),
            probes: Mutex::default(),
        }
    }

    pub(super) fn follow(&self, discovery: impl Future<Output = ()> + Send + 'static) {
        let handle = self.runtime.spawn(discovery).abort_handle();
        *self.discovery.lock() = Some(handle);
    }

    fn watch(&self, addr: SocketAddr, probes: impl Future<Output = ()> + Send + 'static) {
        let handle = self.runtime.spawn(probes).abort_handle();
        if let Some(old) = self.probes.lock().insert(addr, handle) {
            old.abort();
        }
    }

    fn unwatch(&self, addr: SocketAddr) {
        if let Some(handle) = self.probes.lock().remove(&addr) {
            handle.abort();
        }
    }

    /// Ends all tasks.
    pub(super) fn stop(&self) {
        if let Some(handle) = self.discovery.lock().take() {
            handle.abort();
        }
        for (_, handle) in self.probes.lock().drain() {
            handle.abort();
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Cluster {
    /// Takes the whole list of endpoints that discovery gives. Those that are gone get no new
    /// requests; what is in flight there goes on.
    pub(super) fn take_endpoints(&self, found: &Endpoints) {
        let mut members = self.membership.lock();
        let same = members.endpoints.iter().map(|e| (e.addr(), e.weight()));
        if same.eq(found.iter().map(|(addr, weight)| (*addr, *weight))) {
            return;
        }
        let original = members.is_new;
        members.is_new = false;
        let mut endpoints = Vec::with_capacity(found.len());
        for (&addr, &weight) in found {
            let is_current = members.endpoints.iter().any(|e| e.addr() == addr);
            let endpoint = match members.find(addr) {
                Some(known) => Arc::clone(known),
                None => self.new_endpoint(addr, weight, original),
            };
            endpoint.set_weight(weight);
            if !is_current {
                self.start_watching(&endpoint);
            }
            endpoints.push(endpoint);
        }
        let before = std::mem::replace(&mut members.endpoints, endpoints);
        for endpoint in before {
            if !found.contains_key(&endpoint.addr()) {
                self.tasks.unwatch(endpoint.addr());
                self.observer
                    .endpoint_gone(&self.config.name, endpoint.addr());
                members.leaving.push(endpoint);
            }
        }
        members
            .leaving
            .retain(|e| e.outstanding() > 0 && !found.contains_key(&e.addr()));
        let count = members.endpoints.len();
        tracing::info!(cluster = %self.config.name, endpoints = count, "the cluster's endpoints changed");
        self.observer.endpoints(&self.config.name, count);
        self.publish(&mut members);
    }

    fn new_endpoint(&self, addr: SocketAddr, weight: u32, original: bool) -> Arc<Endpoint> {
        let endpoint = Endpoint::new(addr, weight, original);
        if self.config.readiness.mode == ReadinessMode::None && !original {
            endpoint.start_ramp(self.clock.now());
        }
        Arc::new(endpoint)
    }

    fn start_watching(&self, endpoint: &Arc<Endpoint>) {
        match self.config.readiness.mode {
            ReadinessMode::Models => self.tasks.watch(
                endpoint.addr(),
                readiness::watch(
                    Arc::clone(&self.prober),
                    Arc::clone(endpoint),
                    self.this.clone(),
                ),
            ),
            ReadinessMode::None => {
                let probed = Probed::without_models(State::Ready);
                endpoint.probed.store(Arc::new(probed));
            }
        }
    }

    /// Takes the result of a probe.
    pub(super) fn take_probe(&self, endpoint: &Endpoint, probed: Probed) {
        let mut members = self.membership.lock();
        let before = endpoint.probed.load_full();
        if *before != probed {
            if before.state != probed.state {
                self.state_changed(endpoint, &before.state, &probed.state);
            }
            endpoint.probed.store(Arc::new(probed));
        }
        if !self.view.load().is_current() {
            self.publish(&mut members);
        }
    }

    fn state_changed(&self, endpoint: &Endpoint, before: &State, after: &State) {
        let (name, addr) = (&self.config.name, endpoint.addr());
        tracing::info!(cluster = %name, endpoint = %addr, before = before.as_str(), state = ?after, "an endpoint's readiness changed");
        self.observer.endpoint_state(name, addr, after);
        if *after != State::Ready {
            return;
        }
        let now = self.clock.now();
        if matches!(before, State::Unreachable { .. } | State::Draining) {
            endpoint.health.forgive(now);
        }
        let at_start = *before == State::Unknown && endpoint.is_original();
        if !at_start {
            endpoint.start_ramp(now);
        }
    }

    /// Lets the request path see what has changed.
    fn publish(&self, members: &mut Membership) {
        let ring = members.ring_for(&self.config.balance);
        self.view
            .store(Arc::new(View::new(&members.endpoints, ring)));
        self.changed.send_modify(|n| *n += 1);
    }

    /// Takes an endpoint out of use, or back into it. Requests in flight go on. False when the
    /// cluster has no such endpoint.
    pub(crate) fn set_draining(&self, addr: SocketAddr, draining: bool) -> bool {
        let view = self.view.load();
        let Some(endpoint) = view.all.endpoints.iter().find(|e| e.addr() == addr) else {
            return false;
        };
        let was = endpoint.is_draining();
        endpoint.set_draining(draining);
        if was && !draining {
            endpoint.start_ramp(self.clock.now());
        }
        self.changed.send_modify(|n| *n += 1);
        true
    }

    /// The endpoints of now.
    pub(super) fn known_endpoints(&self) -> Endpoints {
        let members = self.membership.lock();
        members
            .endpoints
            .iter()
            .map(|e| (e.addr(), e.weight()))
            .collect()
    }
}
