//! What a cluster's configuration must satisfy beyond its types.

use std::time::Duration;

use super::{Balance, ClusterConfig, EndpointsConfig, HashKey, PromptPrefix};

/// A value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The field, as a dotted path from the cluster, for example `balance.consistent_hash.key`.
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl ClusterConfig {
    /// Everything in this cluster that cannot be used; empty when all is well.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        let mut found = Problems(Vec::new());
        found.when(self.name.is_empty(), "name", "must not be empty");
        self.check_endpoints(&mut found);
        self.check_balance(&mut found);
        self.check_numbers(&mut found);
        found.0
    }

    fn check_endpoints(&self, found: &mut Problems) {
        match &self.endpoints {
            EndpointsConfig::Static(list) => {
                found.when(
                    list.is_empty(),
                    "endpoints.static",
                    "needs at least one `host:port`",
                );
                for (index, endpoint) in list.iter().enumerate() {
                    if list[..index].iter().any(|e| e.address == endpoint.address) {
                        let message = format!("`{}` is listed twice", endpoint.address);
                        found.add("endpoints.static", message);
                    }
                }
            }
            EndpointsConfig::Dns(dns) => {
                found.when(dns.name.is_empty(), "endpoints.dns.name", "is empty");
                found.when(dns.port == 0, "endpoints.dns.port", "must not be 0");
                found.short("endpoints.dns.refresh", dns.refresh.0);
            }
            EndpointsConfig::Srv(srv) => {
                found.when(srv.name.is_empty(), "endpoints.srv.name", "is empty");
                found.short("endpoints.srv.refresh", srv.refresh.0);
            }
            EndpointsConfig::File(file) => found.when(
                file.path.as_os_str().is_empty(),
                "endpoints.file.path",
                "is empty",
            ),
        }
    }

    fn check_balance(&self, found: &mut Problems) {
        let Balance::ConsistentHash(hash) = &self.balance else {
            return;
        };
        const KEY: &str = "balance.consistent_hash.key";
        found.when(
            !(hash.bounded_load >= 1.0 && hash.bounded_load.is_finite()),
            "balance.consistent_hash.bounded_load",
            "must be 1 or more, for example 1.25",
        );
        match &hash.key {
            HashKey::Header(name) => found.when(
                http::HeaderName::try_from(name.as_str()).is_err(),
                KEY,
                "`header` must be the name of a header",
            ),
            HashKey::PromptPrefix(PromptPrefix::Tokens(0) | PromptPrefix::Bytes(0)) => {
                found.add(KEY, "`prompt_prefix` must be more than 0".to_owned());
            }
            _ => {}
        }
    }

    fn check_numbers(&self, found: &mut Problems) {
        let readiness = &self.readiness;
        found.short("readiness.interval", readiness.interval.0);
        found.short("readiness.timeout", readiness.timeout.0);
        found.when(
            readiness.failure_threshold == 0,
            "readiness.failure_threshold",
            "must be at least 1",
        );
        found.when(
            self.ejection.max_percent > 100,
            "ejection.max_percent",
            "is a percentage: at most 100",
        );
        found.when(
            self.ejection.max_time < self.ejection.base_time,
            "ejection.max_time",
            "must not be less than `base_time`",
        );
        found.when(
            self.limits.max_in_flight == Some(0),
            "limits.max_in_flight",
            "must be at least 1; leave it out for no limit",
        );
        if let Some(host) = &self.host {
            found.when(
                http::uri::Authority::try_from(host.as_str()).is_err(),
                "host",
                "must be a host name, with a port if wanted",
            );
        }
    }
}

/// Less than this between two looks at anything is a mistake in the unit.
const SHORTEST: Duration = Duration::from_millis(10);

struct Problems(Vec<ConfigProblem>);

impl Problems {
    fn add(&mut self, field: &'static str, message: String) {
        self.0.push(ConfigProblem { field, message });
    }

    fn when(&mut self, wrong: bool, field: &'static str, message: &str) {
        if wrong {
            self.add(field, message.to_owned());
        }
    }

    fn short(&mut self, field: &'static str, time: Duration) {
        self.when(time < SHORTEST, field, "must be at least 10ms");
    }
}
