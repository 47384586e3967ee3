//! All clusters of one configuration, and how they follow from those of the one before.

use std::collections::BTreeMap;
use std::sync::Arc;

use pingora::connectors::http::Connector;
use tokio::runtime::Handle;

use super::peer::{ClusterError, host_name};
use super::{Cluster, ClusterConfig, ClusterObserver};

/// The clusters of one configuration, by name.
#[derive(Default, Clone)]
pub(crate) struct Clusters(BTreeMap<String, Arc<Cluster>>);

impl Clusters {
    /// The clusters for these configurations, each with the upstream names of the models that the
    /// policy routes to it. Of `old`, a cluster that is to be the same goes on as it is; one that
    /// is to change hands over what it knows of the endpoints that stay. `old` itself is not
    /// touched: when the new ones are in use, call [`Self::supersede`]; when not, drop them.
    ///
    /// # Errors
    /// When a file that a configuration names cannot be used.
    pub(crate) fn reconcile(
        old: Option<&Self>,
        configs: impl IntoIterator<Item = (ClusterConfig, Vec<String>)>,
        runtime: &Handle,
        observer: &Arc<dyn ClusterObserver>,
    ) -> Result<Self, ClusterError> {
        // One for all: idle connections of a connector outlive it, so one for each new cluster would pile them up.
        let connector = old
            .and_then(|old| old.0.values().next())
            .map_or_else(|| Arc::new(Connector::new(None)), |c| c.prober.connector());
        let mut clusters = BTreeMap::new();
        for (config, mut models) in configs {
            models.sort_unstable();
            models.dedup();
            let before = old.and_then(|old| old.get(&config.name));
            let name = config.name.clone();
            let cluster = match before {
                Some(before) if before.config == config && before.models == models => {
                    Arc::clone(before)
                }
                _ => {
                    let before = before.filter(|before| is_same_service(&before.config, &config));
                    let before = before.map(|before| &**before);
                    let observer = Arc::clone(observer);
                    let connector = Arc::clone(&connector);
                    Cluster::start_after(before, connector, config, models, runtime, observer)?
                }
            };
            clusters.insert(name, cluster);
        }
        Ok(Self(clusters))
    }

    /// Ends the tasks of those clusters of `old` that are not among these. Requests in flight there
    /// go on.
    pub(crate) fn supersede(&self, old: &Self) {
        for (name, cluster) in &old.0 {
            let kept = self.get(name).is_some_and(|new| Arc::ptr_eq(new, cluster));
            if !kept {
                cluster.tasks.stop();
            }
        }
    }

    /// A cluster by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.0.get(name)
    }

    /// All clusters, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.0.values()
    }
}

/// Whether what is known about an address under one configuration is true under the other.
fn is_same_service(a: &ClusterConfig, b: &ClusterConfig) -> bool {
    let same_host = host_name(a) == host_name(b);
    same_host && a.tls == b.tls && a.protocol == b.protocol && a.readiness.mode == b.readiness.mode
}

#[cfg(test)]
mod tests;
