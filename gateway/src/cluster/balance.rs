//! Choosing one endpoint of those that can take a request.

mod consistent_hash;
mod least_request;
mod random;
mod round_robin;

pub(super) use consistent_hash::{Ring, consistent_hash};
pub(super) use least_request::least_request;
pub(super) use random::random;
pub(super) use round_robin::{Turns, round_robin};

use std::net::SocketAddr;
use std::sync::Arc;

use super::clock::Millis;
use super::endpoint::Endpoint;

/// The endpoints that are ready for a model, seen from one try of one request.
///
/// The algorithms go over them more than once instead of collecting them, so that a choice costs
/// no allocation. What is usable can change in between: each takes the last usable one it saw then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidates<'a> {
    /// Those whose last probe says that they serve the model.
    pub(super) ready: &'a [Arc<Endpoint>],
    /// Those that this request has been sent to already.
    pub(super) tried: &'a [SocketAddr],
    pub(super) now: Millis,
    /// The window of slow start.
    pub(super) window: Millis,
    /// Whether ejected endpoints count as well: when nothing else is left.
    pub(super) even_ejected: bool,
}

impl<'a> Candidates<'a> {
    pub(super) fn is_usable(&self, endpoint: &Endpoint) -> bool {
        !endpoint.is_draining()
            && (self.even_ejected || !endpoint.health.is_ejected(self.now))
            && !self.tried.contains(&endpoint.addr())
    }

    /// The endpoints that may be chosen.
    pub(super) fn usable(&self) -> impl Iterator<Item = &'a Arc<Endpoint>> + use<'a> {
        let this = *self;
        this.ready.iter().filter(move |e| this.is_usable(e))
    }

    /// The endpoint's weight after slow start; more than 0.
    pub(super) fn weight(&self, endpoint: &Endpoint) -> f64 {
        endpoint.weight_now(self.now, self.window).max(0.001)
    }

    /// The sum of the usable endpoints' weights.
    fn total_weight(&self) -> f64 {
        self.usable().map(|e| self.weight(e)).sum()
    }

    /// The usable endpoint at `mark` on a line on which each one takes its weight.
    fn at(&self, mut mark: f64, skip: Option<&Endpoint>) -> Option<&'a Arc<Endpoint>> {
        let mut last = None;
        for endpoint in self.usable() {
            if skip.is_some_and(|s| std::ptr::eq(s, &**endpoint)) {
                continue;
            }
            last = Some(endpoint);
            mark -= self.weight(endpoint);
            if mark < 0.0 {
                break;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests;
