//! `providers.models[].backend_refs`: sets of endpoints, each one cluster.

use std::net::IpAddr;

use commutator_plugins::units::HumanDuration;

use crate::import::report::Report;
use crate::import::write::{Item, Map, Yaml};

use super::env;
use super::fields::Fields;
use super::text;

/// One endpoint of a model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Endpoint {
    /// `host:port`, an IPv6 address in brackets; or a text with references.
    address: String,
    weight: i64,
}

/// What makes two models share a cluster.
#[derive(Clone, Debug, PartialEq)]
struct Set {
    endpoints: Vec<Endpoint>,
    tls: bool,
    /// Load balancing, retries and ejection, as they will be written.
    reliability: Map,
}

/// The clusters of a policy.
#[derive(Default)]
pub(super) struct Clusters {
    all: Vec<(String, Set)>,
}

/// Where a model without any endpoint is sent until somebody writes its address.
const PLACEHOLDER: &str = "127.0.0.1:8000";

impl Clusters {
    /// The name of the cluster for a model's endpoints.
    pub(super) fn of(&mut self, model: &str, fields: &Fields<'_, '_>, report: &Report) -> String {
        let mut names = Vec::new();
        let mut set = Set {
            endpoints: Vec::new(),
            tls: false,
            reliability: reliability(fields.fields("reliability"), report),
        };
        for node in fields.list("backend_refs") {
            let backend = Fields::of(node, report);
            if let Some((endpoint, tls)) = endpoint(&backend, report) {
                names.extend(backend.text("name").map(str::to_owned));
                if !set.endpoints.is_empty() && set.tls != tls {
                    report.changed(
                        node,
                        "a cluster speaks TLS with all its endpoints or with none: all of these",
                    );
                }
                set.tls |= tls;
                match set
                    .endpoints
                    .iter_mut()
                    .find(|e| e.address == endpoint.address)
                {
                    Some(known) => known.weight += endpoint.weight,
                    None => set.endpoints.push(endpoint),
                }
            }
            backend.skip(&["name"]);
            backend.finish();
        }
        if set.endpoints.is_empty() {
            report.changed(
                fields.node,
                format!("`{model}` has no backend_refs: write its frontends' address into the cluster `unknown`"),
            );
            names = vec!["unknown".to_owned()];
            set.endpoints.push(Endpoint {
                address: PLACEHOLDER.to_owned(),
                weight: 1,
            });
        }
        set.endpoints.sort();
        self.name(&names, model, set)
    }

    fn name(&mut self, names: &[String], model: &str, set: Set) -> String {
        if let Some((name, _)) = self.all.iter().find(|(_, known)| *known == set) {
            return name.clone();
        }
        let wanted = match names {
            [only] => only.clone(),
            _ => model.rsplit('/').next().unwrap_or(model).to_lowercase(),
        };
        let taken = |name: &String| self.all.iter().any(|(other, _)| other == name);
        let name = std::iter::once(wanted.clone())
            .chain((2..).map(|n| format!("{wanted}-{n}")))
            .find(|name| !taken(name))
            .unwrap_or(wanted);
        self.all.push((name.clone(), set));
        name
    }

    /// A cluster with a placeholder for models of which nothing but the name is known.
    pub(super) fn unknown(&mut self) -> String {
        let set = Set {
            endpoints: vec![Endpoint {
                address: PLACEHOLDER.to_owned(),
                weight: 1,
            }],
            tls: false,
            reliability: Map::block(),
        };
        self.name(&["unknown".to_owned()], "unknown", set)
    }

    /// The section `clusters` of the policy.
    pub(super) fn yaml(&self) -> Vec<Item> {
        self.all
            .iter()
            .map(|(name, set)| cluster(name, set))
            .collect()
    }
}

/// The first name of a cluster with TLS whose endpoints have several: one certificate has to do for all of them.
fn several_names(set: &Set) -> Option<String> {
    let host = |endpoint: &Endpoint| {
        endpoint
            .address
            .rsplit_once(':')
            .map(|(host, _)| host.to_owned())
    };
    let mut hosts: Vec<String> = set.endpoints.iter().filter_map(host).collect();
    hosts.dedup();
    (set.tls && hosts.len() > 1).then(|| hosts.swap_remove(0))
}

fn cluster(name: &str, set: &Set) -> Item {
    let mut map = Map::block()
        .with("name", text(name))
        .with("endpoints", endpoints(&set.endpoints));
    let several = several_names(set);
    if set.tls {
        let tls = Map::flow().maybe("server_name", several.as_deref().map(text));
        map.push("tls", tls);
    }
    map.extend(set.reliability.clone());
    let is_placeholder = matches!(set.endpoints.as_slice(), [only] if only.address == PLACEHOLDER)
        && name == "unknown";
    Item {
        above: match (is_placeholder, several) {
            (true, _) => vec![
                "The source does not say where these models are: write the address here.".to_owned(),
            ],
            (false, Some(_)) => vec![
                "The endpoints have several names: their certificates must all be for `server_name`."
                    .to_owned(),
            ],
            (false, None) => Vec::new(),
        },
        ..Item::from(map)
    }
}

/// One name is looked up again and again (`dns`); several endpoints, and addresses, are a fixed list.
fn endpoints(endpoints: &[Endpoint]) -> Map {
    if let [only] = endpoints
        && let Some((host, port)) = only.address.rsplit_once(':')
        && !host.starts_with('[')
        && host.parse::<IpAddr>().is_err()
        && !env::has_reference(&only.address)
    {
        let dns = Map::flow()
            .with("name", text(host))
            .with("port", Yaml::Raw(port.to_owned()));
        return Map::flow().with("dns", dns);
    }
    let weights = scaled(endpoints);
    let items = endpoints
        .iter()
        .zip(weights)
        .map(|(endpoint, weight)| -> Item {
            match weight {
                1 => text(&endpoint.address).into(),
                _ => Map::flow()
                    .with("address", text(&endpoint.address))
                    .with("weight", weight)
                    .into(),
            }
        });
    Map::flow().with("static", items.collect::<Vec<_>>())
}

/// Weights from 1 to 100 in the same relation, as far as whole numbers go.
fn scaled(endpoints: &[Endpoint]) -> Vec<i64> {
    let divisor = endpoints.iter().fold(0, |all, e| gcd(all, e.weight)).max(1);
    let weights: Vec<i64> = endpoints.iter().map(|e| e.weight / divisor).collect();
    match weights.iter().copied().max() {
        Some(largest) if largest > 100 => {
            let scale = |weight: i64| (weight.saturating_mul(100) / largest).max(1);
            weights.into_iter().map(scale).collect()
        }
        _ => weights,
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

/// An endpoint, and whether it speaks TLS.
fn endpoint(backend: &Fields<'_, '_>, report: &Report) -> Option<(Endpoint, bool)> {
    credentials(backend, report);
    let url = backend.get("base_url").is_some();
    let protocol = backend.text("protocol").unwrap_or("http");
    let written = backend
        .text("endpoint")
        .or_else(|| backend.text("base_url"));
    backend.skip(&["base_url", "type", "provider"]);
    let weight = backend.whole("weight").filter(|w| *w > 0).unwrap_or(1);
    let provider = backend.text("provider").unwrap_or("vllm");
    if !["vllm", "openai"].contains(&provider) {
        let at = backend.get("provider").unwrap_or(backend.node);
        report.dropped(
            at,
            format!("provider `{provider}`: frontends are spoken to in OpenAI's API"),
        );
    }
    let Some((address, tls, path)) = address(written?, protocol) else {
        report.dropped(backend.node, "an endpoint is `host:port`");
        return None;
    };
    if !path.is_empty() && path != "v1" {
        let at = backend
            .get(if url { "base_url" } else { "endpoint" })
            .unwrap_or(backend.node);
        report.dropped(
            at,
            format!("the path `/{path}`: requests go to the path that the client asked for"),
        );
    }
    Some((Endpoint { address, weight }, tls))
}

/// Frontends get no credentials from the gateway. Values are never shown.
fn credentials(backend: &Fields<'_, '_>, report: &Report) {
    let secret = ["api_key", "api_key_env"];
    if let Some(node) = secret.into_iter().find_map(|key| backend.get(key)) {
        let why = "frontends get no credentials from a cluster; a `headers` plugin can set `authorization`, with its value \
                   in an environment variable";
        report.dropped(node, why);
    }
    backend.skip(&secret);
    for key in [
        "auth_header",
        "auth_prefix",
        "extra_headers",
        "api_version",
        "chat_path",
    ] {
        if let Some(node) = backend.get(key) {
            report.dropped(node, format!("`{key}` has no counterpart in a cluster"));
        }
    }
}

/// Host and port, TLS, and the path behind, of `host`, `host:port` or a URL.
fn address(written: &str, protocol: &str) -> Option<(String, bool, String)> {
    let written = written.trim();
    let (protocol, rest) = written.split_once("://").unwrap_or((protocol, written));
    let tls = protocol.eq_ignore_ascii_case("https");
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.is_empty() {
        return None;
    }
    let path = path.trim_matches('/').to_owned();
    if env::has_reference(authority) {
        // The references, not the text around them, may hold the port.
        return Some((authority.to_owned(), tls, path));
    }
    let default_port = if tls { 443 } else { 80 };
    let bare = authority.trim_start_matches('[').trim_end_matches(']');
    if bare.contains("::") && bare.parse::<IpAddr>().is_ok() {
        return Some((format!("[{bare}]:{default_port}"), tls, path));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => (authority, default_port),
    };
    (!host.is_empty()).then(|| (format!("{host}:{port}"), tls, path))
}

/// `reliability`: load balancing, retries and ejection of the cluster.
fn reliability(fields: Option<Fields<'_, '_>>, report: &Report) -> Map {
    let Some(fields) = fields else {
        return Map::block();
    };
    let mut map = Map::block().maybe("balance", fields.text("lb_policy").map(text));
    if let Some(count) = fields.whole("retry_count") {
        map.push("retries", Map::flow().with("max", count.max(0)));
    }
    if let Some(node) = fields.get("retry_on") {
        let why = "what is retried is fixed: connect failures, resets, 502, 503 and 529, as long as nothing was answered";
        report.changed(node, why);
    }
    let ejection = Map::flow()
        .maybe("consecutive_errors", fields.whole("consecutive_5xx"))
        .maybe("base_time", duration(&fields, "base_ejection_time", report))
        .maybe("max_percent", fields.whole("max_ejection_percent"));
    let readiness = Map::flow()
        .maybe(
            "interval",
            duration(&fields, "health_check_interval", report),
        )
        .maybe("timeout", duration(&fields, "health_check_timeout", report));
    for (key, part) in [("ejection", ejection), ("readiness", readiness)] {
        if !part.is_empty() {
            map.push(key, part);
        }
    }
    if let Some(node) = fields.get("health_check_path") {
        report.changed(
            node,
            "frontends are asked for their models (/v1/models), not for a path",
        );
    }
    fields.finish();
    map
}

fn duration(fields: &Fields<'_, '_>, key: &str, report: &Report) -> Option<Yaml> {
    let node = fields.get(key)?;
    match fields.text(key)?.trim().parse::<HumanDuration>() {
        Ok(duration) => Some(Yaml::Raw(duration.to_string())),
        Err(_) => {
            report.dropped(node, "a duration is expected here, for example 30s");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("host:8000", "http", Some(("host:8000", false, "")))]
    #[case("host", "https", Some(("host:443", true, "")))]
    #[case("10.0.0.1", "http", Some(("10.0.0.1:80", false, "")))]
    #[case("https://api.example.com/v1", "http", Some(("api.example.com:443", true, "v1")))]
    #[case("http://host:81/a/b/", "http", Some(("host:81", false, "a/b")))]
    #[case("[::1]:8000", "http", Some(("[::1]:8000", false, "")))]
    #[case("::1", "http", Some(("[::1]:80", false, "")))]
    #[case("${HOST}:8000", "http", Some(("${HOST}:8000", false, "")))]
    #[case("host:port", "http", None)]
    #[case("", "http", None)]
    fn addresses(
        #[case] written: &str,
        #[case] protocol: &str,
        #[case] expected: Option<(&str, bool, &str)>,
    ) {
        let found = address(written, protocol);
        let found = found
            .as_ref()
            .map(|(a, tls, p)| (a.as_str(), *tls, p.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn weights_keep_their_relation() {
        let of = |weights: &[i64]| {
            let endpoint = |weight: &i64| Endpoint {
                address: String::new(),
                weight: *weight,
            };
            scaled(&weights.iter().map(endpoint).collect::<Vec<_>>())
        };
        assert_eq!(of(&[50, 100]), [1, 2]);
        assert_eq!(of(&[3, 700]), [1, 100]);
    }
}
