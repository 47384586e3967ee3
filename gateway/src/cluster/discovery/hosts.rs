//! A list of hosts, each by address or by name.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use pingora_load_balancing::discovery::ServiceDiscovery;

use super::resolver::Resolve;
use super::target::{Host, Target};
use super::{Discovered, backend, failure};

/// Resolves each name to all its addresses. A name that cannot be resolved keeps its last good
/// addresses; it is an error only when no host at all has an address.
pub(super) struct Hosts<R> {
    targets: Vec<Target>,
    resolver: R,
    last_good: Mutex<HashMap<String, Vec<IpAddr>>>,
}

impl<R: Resolve> Hosts<R> {
    pub(super) fn new(targets: Vec<Target>, resolver: R) -> Self {
        Self {
            targets,
            resolver,
            last_good: Mutex::default(),
        }
    }

    async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, String> {
        let name = match host {
            Host::Ip(ip) => return Ok(vec![*ip]),
            Host::Name(name) => name,
        };
        match self.resolver.addresses(name).await {
            Ok(found) if !found.is_empty() => {
                self.last_good.lock().insert(name.clone(), found.clone());
                Ok(found)
            }
            result => {
                let error = result.err();
                let error = error.unwrap_or_else(|| format!("looking up `{name}`: no address"));
                let last = self.last_good.lock().get(name).cloned();
                if last.is_some() {
                    tracing::debug!(%error, "the last good addresses stay in use");
                }
                last.ok_or(error)
            }
        }
    }
}

#[async_trait]
impl<R: Resolve> ServiceDiscovery for Hosts<R> {
    async fn discover(&self) -> Discovered {
        let answers = join_all(self.targets.iter().map(|t| self.resolve(&t.host))).await;
        let mut endpoints = BTreeMap::new();
        let mut errors = Vec::new();
        for (target, answer) in self.targets.iter().zip(answers) {
            match answer {
                Ok(ips) => endpoints.extend(
                    ips.into_iter()
                        .map(|ip| (SocketAddr::new(ip, target.port), target.weight)),
                ),
                Err(error) => errors.push(error),
            }
        }
        if endpoints.is_empty() {
            return Err(failure(errors.join("; ")));
        }
        for error in errors {
            tracing::debug!(%error, "a host is left out");
        }
        let backends = endpoints.into_iter().map(|(a, w)| backend(a, w)).collect();
        Ok((backends, HashMap::new()))
    }
}
