//! Where the endpoints of a cluster come from.
//!
//! Each source is a Pingora [`ServiceDiscovery`] whose answer is the whole list of now. A source
//! that fails returns an error, and the cluster keeps the list it has.

mod file;
mod hosts;
mod resolver;
mod srv;
mod target;

pub(super) use target::Target;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;

use pingora::protocols::l4::socket::SocketAddr as PingoraAddr;
use pingora_load_balancing::Backend;
use pingora_load_balancing::discovery::{ServiceDiscovery, Static};

use super::Cluster;
use super::config::EndpointsConfig;
use file::FileList;
use hosts::Hosts;
use resolver::SystemResolver;
use srv::Srv;

/// The weight of each address.
pub(super) type Endpoints = BTreeMap<SocketAddr, u32>;

/// What Pingora's trait wants to be returned.
type Discovered = pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)>;

/// How often names in a static list are looked up.
const STATIC_REFRESH: Duration = Duration::from_secs(5);

/// How often a watched file is read. It is small, and reading it finds every kind of change: in
/// place, by renaming, and by Kubernetes' links.
const FILE_REFRESH: Duration = Duration::from_secs(1);

/// A source of endpoints.
pub(super) struct Source {
    discovery: Box<dyn ServiceDiscovery + Send + Sync>,
    /// Time between two looks; `None` when nothing can change.
    refresh: Option<Duration>,
}

impl Source {
    /// The source that the configuration names.
    pub(super) fn new(config: &EndpointsConfig) -> Self {
        match config {
            EndpointsConfig::Static(_) => match fixed(config) {
                Some(endpoints) => Self {
                    discovery: Static::new(
                        endpoints.iter().map(|(a, w)| backend(*a, *w)).collect(),
                    ),
                    refresh: None,
                },
                None => Self {
                    discovery: Box::new(Hosts::new(targets(config), SystemResolver::default())),
                    refresh: Some(STATIC_REFRESH),
                },
            },
            EndpointsConfig::Dns(dns) => {
                let target = Target::named(&dns.name, dns.port);
                Self {
                    discovery: Box::new(Hosts::new(vec![target], SystemResolver::default())),
                    refresh: Some(dns.refresh.0),
                }
            }
            EndpointsConfig::Srv(srv) => Self {
                discovery: Box::new(Srv::new(&srv.name)),
                refresh: Some(srv.refresh.0),
            },
            EndpointsConfig::File(file) => Self {
                discovery: Box::new(FileList::new(&file.path)),
                refresh: Some(FILE_REFRESH),
            },
        }
    }

    async fn discover(&self) -> Result<Endpoints, String> {
        let (backends, _) = self.discovery.discover().await.map_err(|error| {
            let context = error.context.as_ref().map(|c| c.as_str().to_owned());
            context.unwrap_or_else(|| error.to_string())
        })?;
        let weighted = backends.iter().filter_map(|b| {
            let weight = u32::try_from(b.weight).unwrap_or(u32::MAX);
            b.addr.as_inet().map(|addr| (*addr, weight))
        });
        Ok(weighted.collect())
    }
}

fn backend(addr: SocketAddr, weight: u32) -> Backend {
    Backend {
        addr: PingoraAddr::Inet(addr),
        weight: weight as usize,
        ext: http::Extensions::new(),
    }
}

/// An error with a message for the log.
fn failure(message: String) -> Box<pingora::Error> {
    pingora::Error::explain(pingora::ErrorType::InternalError, message)
}

fn targets(config: &EndpointsConfig) -> Vec<Target> {
    let EndpointsConfig::Static(list) = config else {
        return Vec::new();
    };
    // Every entry was parsed once when the configuration was read.
    list.iter()
        .filter_map(|e| Target::parse(&e.address, e.weight).ok())
        .collect()
}

/// The endpoints of a static list without names: they are known without asking anybody.
pub(super) fn fixed(config: &EndpointsConfig) -> Option<Endpoints> {
    if !matches!(config, EndpointsConfig::Static(_)) {
        return None;
    }
    targets(config)
        .iter()
        .map(|target| Some((target.addr()?, target.weight)))
        .collect()
}

/// Keeps the cluster's endpoints up to date until the cluster is gone.
pub(super) async fn follow(source: Source, cluster: Weak<Cluster>) {
    let mut last_error = None;
    loop {
        let result = source.discover().await;
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        let name = &cluster.config.name;
        match result {
            Ok(endpoints) => {
                last_error = None;
                cluster.take_endpoints(&endpoints);
            }
            Err(error) => {
                cluster.observer.discovery_failed(name, &error);
                if last_error.as_ref() != Some(&error) {
                    tracing::warn!(cluster = %name, %error, "discovery failed; the endpoints stay as they are");
                    last_error = Some(error);
                }
            }
        }
        drop(cluster);
        match source.refresh {
            Some(refresh) => tokio::time::sleep(refresh).await,
            None => return,
        }
    }
}

#[cfg(test)]
mod tests;
