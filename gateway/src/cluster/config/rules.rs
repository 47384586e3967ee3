//! What a cluster's configuration must satisfy beyond its types.

use std::time::Duration;

use commutator_plugins::problem::Problems;

use super::{Balance, ClusterConfig, EndpointsConfig, HashKey, PromptPrefix};
use crate::cluster::peer::server_name;

/// Less than this between two looks at anything is a mistake in the unit.
const SHORTEST: Duration = Duration::from_millis(10);

impl ClusterConfig {
    /// Everything in this cluster that cannot be used. Paths begin at the cluster.
    pub(crate) fn check(&self) -> Problems {
        let mut problems = Problems::new();
        if self.name.is_empty() {
            problems.error("name", "a cluster needs a name");
        }
        self.check_endpoints(&mut problems);
        self.check_balance(&mut problems);
        self.check_numbers(&mut problems);
        self.check_identity(&mut problems);
        problems
    }

    fn check_endpoints(&self, problems: &mut Problems) {
        match &self.endpoints {
            EndpointsConfig::Static(list) => {
                if list.is_empty() {
                    problems
                        .error("endpoints.static", "the list is empty")
                        .with_hint("name at least one `host:port`");
                }
                for (index, endpoint) in list.iter().enumerate() {
                    if list[..index].iter().any(|e| e.address == endpoint.address) {
                        let message = format!("`{}` is listed twice", endpoint.address);
                        problems.error(format!("endpoints.static[{index}]"), message);
                    }
                }
            }
            EndpointsConfig::Dns(dns) => {
                non_empty(problems, "endpoints.dns.name", &dns.name);
                if dns.port == 0 {
                    problems.error("endpoints.dns.port", "0 is not a port");
                }
                not_short(problems, "endpoints.dns.refresh", dns.refresh.0);
            }
            EndpointsConfig::Srv(srv) => {
                non_empty(problems, "endpoints.srv.name", &srv.name);
                not_short(problems, "endpoints.srv.refresh", srv.refresh.0);
            }
            EndpointsConfig::File(file) => {
                if file.path.as_os_str().is_empty() {
                    problems.error("endpoints.file.path", "the path is empty");
                }
            }
        }
    }

    fn check_balance(&self, problems: &mut Problems) {
        let Balance::ConsistentHash(hash) = &self.balance else {
            return;
        };
        if !(hash.bounded_load >= 1.0 && hash.bounded_load.is_finite()) {
            problems
                .error(
                    "balance.consistent_hash.bounded_load",
                    "it must be 1 or more",
                )
                .with_hint("1.25 lets a frontend have a quarter more than the average");
        }
        match &hash.key {
            HashKey::Header(name) if http::HeaderName::try_from(name.as_str()).is_err() => {
                let message = format!("`{name}` is not the name of a header");
                problems.error("balance.consistent_hash.key.header", message);
            }
            HashKey::PromptPrefix(PromptPrefix::Tokens(0) | PromptPrefix::Bytes(0)) => {
                let path = "balance.consistent_hash.key.prompt_prefix";
                problems.error(path, "a prefix of nothing is the same for all prompts");
            }
            _ => {}
        }
    }

    fn check_numbers(&self, problems: &mut Problems) {
        let (readiness, ejection) = (&self.readiness, &self.ejection);
        not_short(problems, "readiness.interval", readiness.interval.0);
        not_short(problems, "readiness.timeout", readiness.timeout.0);
        if readiness.failure_threshold == 0 {
            problems.error("readiness.failure_threshold", "it must be at least 1");
        }
        if ejection.max_percent > 100 {
            problems.error("ejection.max_percent", "it must be at most 100");
        }
        if ejection.max_time < ejection.base_time {
            problems.error("ejection.max_time", "it is less than `base_time`");
        }
        if self.limits.max_in_flight == Some(0) {
            problems
                .error("limits.max_in_flight", "it must be at least 1")
                .with_hint("leave it out for no limit");
        }
    }

    fn check_identity(&self, problems: &mut Problems) {
        if let Some(host) = &self.host
            && http::uri::Authority::try_from(host.as_str()).is_err()
        {
            let message = format!("`{host}` is not a host name with or without a port");
            problems.error("host", message);
        }
        if let Some(tls) = &self.tls
            && tls.verify
            && server_name(self).is_empty()
        {
            problems
                .error("tls", "no name is known to expect in the certificate")
                .with_hint("set `server_name` or the cluster's `host`");
        }
    }
}

fn non_empty(problems: &mut Problems, path: &str, text: &str) {
    if text.is_empty() {
        problems.error(path, "the name is empty");
    }
}

fn not_short(problems: &mut Problems, path: &str, time: Duration) {
    if time < SHORTEST {
        problems.error(path, "it must be at least 10ms");
    }
}
