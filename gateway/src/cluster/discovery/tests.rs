#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;

use super::resolver::{Resolve, Service};
use super::*;

/// Answers from tables; what is not in them fails.
#[derive(Default, Clone)]
struct Names {
    addresses: Arc<Mutex<HashMap<String, Vec<IpAddr>>>>,
    services: Vec<Service>,
}

impl Names {
    fn set(&self, name: &str, ips: &[&str]) {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.addresses.lock().insert(name.to_owned(), ips);
    }
}

#[async_trait]
impl Resolve for Names {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let found = self.addresses.lock().get(name).cloned();
        found.ok_or_else(|| format!("looking up `{name}`: failed"))
    }

    async fn services(&self, _name: &str) -> Result<Vec<Service>, String> {
        Ok(self.services.clone())
    }
}

async fn addrs(source: &dyn ServiceDiscovery) -> Result<Vec<(String, usize)>, String> {
    let found = source.discover().await;
    let (backends, _) = found.map_err(|e| e.context.as_ref().unwrap().as_str().to_owned())?;
    let pairs = backends.iter().map(|b| (b.addr.to_string(), b.weight));
    Ok(pairs.collect())
}

fn pairs(list: &[(&str, usize)]) -> Result<Vec<(String, usize)>, String> {
    Ok(list.iter().map(|(a, w)| ((*a).to_owned(), *w)).collect())
}

#[tokio::test]
async fn every_address_of_a_name_is_an_endpoint() {
    let names = Names::default();
    names.set("a", &["10.0.0.2", "10.0.0.1", "::1"]);
    let hosts = Hosts::new(vec![Target::named("a", 80)], names);
    let expected = [("10.0.0.1:80", 1), ("10.0.0.2:80", 1), ("[::1]:80", 1)];
    assert_eq!(addrs(&hosts).await, pairs(&expected));
}

#[tokio::test]
async fn the_last_good_answer_survives_failures_and_emptiness() {
    let names = Names::default();
    let hosts = Hosts::new(vec![Target::named("a", 80)], names.clone());
    assert!(addrs(&hosts).await.unwrap_err().contains("`a`"));
    names.set("a", &["10.0.0.1"]);
    let good = pairs(&[("10.0.0.1:80", 1)]);
    assert_eq!(addrs(&hosts).await, good);
    names.set("a", &[]);
    assert_eq!(addrs(&hosts).await, good);
    names.addresses.lock().clear();
    assert_eq!(addrs(&hosts).await, good);
    names.set("a", &["10.0.0.9"]);
    assert_eq!(addrs(&hosts).await, pairs(&[("10.0.0.9:80", 1)]));
}

#[tokio::test]
async fn one_bad_name_does_not_hide_the_others() {
    let names = Names::default();
    names.set("good", &["10.0.0.2"]);
    let targets = ["10.0.0.1:80", "good:81", "bad:82"];
    let targets = targets.map(|t| Target::parse(t, 2).unwrap()).to_vec();
    let hosts = Hosts::new(targets, names);
    let expected = [("10.0.0.1:80", 2), ("10.0.0.2:81", 2)];
    assert_eq!(addrs(&hosts).await, pairs(&expected));
}

fn service(priority: u16, weight: u16, host: &str) -> Service {
    Service {
        priority,
        weight,
        port: 80,
        host: host.to_owned(),
    }
}

#[tokio::test]
async fn srv_takes_the_best_priority_and_scales_weights() {
    let mut names = Names::default();
    names.set("a", &["10.0.0.1"]);
    names.set("b", &["10.0.0.2"]);
    names.services = vec![
        service(1, 0, "a"),
        service(1, 1000, "b"),
        service(2, 5, "backup"),
        service(0, 5, "."),
    ];
    let found = addrs(&Srv::with("s", names.clone())).await;
    assert_eq!(found, pairs(&[("10.0.0.1:80", 1), ("10.0.0.2:80", 100)]));
    names.services = vec![service(1, 3, "a"), service(1, 7, "b")];
    let found = addrs(&Srv::with("s", names.clone())).await;
    assert_eq!(found, pairs(&[("10.0.0.1:80", 3), ("10.0.0.2:80", 7)]));
    // One that cannot be resolved now must not look like one that is gone.
    names.services.push(service(1, 7, "c"));
    assert!(addrs(&Srv::with("s", names.clone())).await.is_err());
    names.services.clear();
    assert!(addrs(&Srv::with("s", names)).await.is_err());
}

#[tokio::test]
async fn the_system_resolver_knows_localhost() {
    let config = json!({"dns": {"name": "localhost", "port": 8000}});
    let source = Source::new(&serde_json::from_value(config).unwrap());
    let found = source.discover().await.unwrap();
    assert!(
        found.contains_key(&"127.0.0.1:8000".parse().unwrap()),
        "{found:?}"
    );
    assert_eq!(source.refresh, Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn a_static_list_of_addresses_needs_no_resolver() {
    let config = json!({"static": ["10.0.0.1:80", {"address": "[::1]:80", "weight": 3}]});
    let config = serde_json::from_value(config).unwrap();
    let source = Source::new(&config);
    assert_eq!(source.refresh, None);
    assert_eq!(fixed(&config), Some(source.discover().await.unwrap()));
    let named = json!({"static": ["10.0.0.1:80", "localhost:80"]});
    let named = serde_json::from_value(named).unwrap();
    assert_eq!(fixed(&named), None);
    assert_eq!(Source::new(&named).refresh, Some(STATIC_REFRESH));
}

#[test]
fn a_list_is_read_with_comments_and_weights() {
    let text = "# frontends\n\n10.0.0.1:80 weight=5 # big\n  [::1]:81\r\n";
    let list = file::parse(text).unwrap();
    let expected = [("10.0.0.1:80", 5), ("[::1]:81", 1)];
    let expected = expected.map(|(addr, weight)| (addr.parse().unwrap(), weight));
    assert_eq!(list, expected.into());
}

#[test]
fn a_mistake_in_a_list_is_named_with_its_line() {
    for (text, expected) in [
        ("10.0.0.1:80\nnonsense\n", ":2: `nonsense`"),
        ("a.example:80\n", ":1: `a.example:80` is a name"),
        ("10.0.0.1:80 weight=x\n", ":1: `x` is not a weight"),
        ("10.0.0.1:80 weight=0\n", ":1: `10.0.0.1:80`: the weight"),
        ("10.0.0.1:80 wieght=2\n", ":1: `wieght=2`"),
        (
            "10.0.0.1:80\n10.0.0.1:80\n",
            ":2: `10.0.0.1:80` is listed twice",
        ),
        ("# nothing\n", ": lists no endpoint"),
    ] {
        let error = file::parse(text).unwrap_err();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[tokio::test]
async fn a_missing_list_is_an_error() {
    let list = FileList::new(std::path::Path::new("no-such-directory/list"));
    assert!(
        addrs(&list)
            .await
            .unwrap_err()
            .contains("no-such-directory")
    );
}
