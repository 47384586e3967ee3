//! The SRV records of a name.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use async_trait::async_trait;
use pingora_load_balancing::discovery::ServiceDiscovery;

use super::resolver::{Resolve, Service, SystemResolver};
use super::{Discovered, backend, failure};

/// Takes the records with the best (lowest) priority, resolves their hosts and uses their weights
/// (0 as 1, larger ones scaled down to at most 100).
pub(super) struct Srv<R = SystemResolver> {
    name: String,
    resolver: R,
}

impl Srv {
    pub(super) fn new(name: &str) -> Self {
        Self::with(name, SystemResolver::default())
    }
}

impl<R: Resolve> Srv<R> {
    pub(super) fn with(name: &str, resolver: R) -> Self {
        Self {
            name: name.to_owned(),
            resolver,
        }
    }
}

#[async_trait]
impl<R: Resolve> ServiceDiscovery for Srv<R> {
    async fn discover(&self) -> Discovered {
        let records = self.resolver.services(&self.name).await.map_err(failure)?;
        let mut endpoints = BTreeMap::new();
        for (service, weight) in best(&records) {
            // One host that cannot be resolved must not look like one that was removed.
            let ips = self.resolver.addresses(&service.host).await;
            for ip in ips.map_err(failure)? {
                endpoints.insert(SocketAddr::new(ip, service.port), weight);
            }
        }
        if endpoints.is_empty() {
            return Err(failure(format!("looking up `{}`: no record", self.name)));
        }
        let backends = endpoints.into_iter().map(|(a, w)| backend(a, w)).collect();
        Ok((backends, HashMap::new()))
    }
}

/// The records with the best priority and their weights from 1 to 100. A target of `.` means that
/// the service is not offered (RFC 2782).
fn best(records: &[Service]) -> Vec<(&Service, u32)> {
    let offered = || records.iter().filter(|r| r.host != "." && r.port != 0);
    let Some(priority) = offered().map(|r| r.priority).min() else {
        return Vec::new();
    };
    let first = || offered().filter(|r| r.priority == priority);
    let largest = first().map(|r| u32::from(r.weight)).max().unwrap_or(0);
    let scale = |weight: u16| match u32::from(weight) {
        weight if largest <= 100 => weight.max(1),
        weight => (weight * 100 / largest).max(1),
    };
    first().map(|r| (r, scale(r.weight))).collect()
}
