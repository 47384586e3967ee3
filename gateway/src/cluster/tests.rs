#![allow(clippy::unwrap_used)]

mod failing;
pub(super) mod frontend;
mod lifecycle;
mod observing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use frontend::Frontend;

/// Hears nothing.
pub(super) struct NoObserver;

impl ClusterObserver for NoObserver {}

impl Cluster {
    fn start(
        config: ClusterConfig,
        models: Vec<String>,
        runtime: &Handle,
        observer: Arc<dyn ClusterObserver>,
    ) -> Result<Arc<Self>, ClusterError> {
        Self::start_after(
            None,
            Arc::new(Connector::new(None)),
            config,
            models,
            runtime,
            observer,
        )
    }
}

/// The configuration of a cluster of these frontends that looks often, with `change` on top.
pub(super) fn config(addrs: &[SocketAddr], change: Value) -> ClusterConfig {
    let mut value = json!({
        "name": "c",
        "endpoints": {"static": addrs},
        "readiness": {"interval": "20ms", "timeout": "5s", "failure_threshold": 1},
        "slow_start": {"window": "1h"},
    });
    for (key, new) in change.as_object().unwrap() {
        value[key] = new.clone();
    }
    serde_json::from_value(value).unwrap()
}

pub(super) fn start(config: ClusterConfig, models: &[&str]) -> Arc<Cluster> {
    let models = models.iter().map(|m| (*m).to_owned()).collect();
    Cluster::start(config, models, &Handle::current(), Arc::new(NoObserver)).unwrap()
}

/// Waits until something holds; a busy machine only makes it slower.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}

/// The addresses that 50 requests are sent to, each once.
fn used(cluster: &Cluster, model: &str) -> Vec<SocketAddr> {
    let mut addrs: Vec<_> = (0..50)
        .filter_map(|_| Some(cluster.pick(model, None, &[]).ok()?.addr()))
        .collect();
    addrs.sort_unstable();
    addrs.dedup();
    addrs
}

fn state_of(cluster: &Cluster, addr: SocketAddr) -> State {
    let status = cluster.status();
    let found = status.endpoints.into_iter().find(|e| e.addr == addr);
    found.unwrap().state
}

#[tokio::test]
async fn a_request_goes_where_its_model_is_ready() {
    let (one, two) = (
        Frontend::start(&["a"]).await,
        Frontend::start(&["a", "org/b"]).await,
    );
    let config = config(&[one.addr, two.addr], json!({}));
    let cluster = start(config, &["a", "org/b"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    assert_eq!(used(&cluster, "a").len(), 2);
    assert_eq!(used(&cluster, "org/b"), [two.addr]);
    assert_eq!(
        cluster.pick("unknown", None, &[]).unwrap_err(),
        NoEndpoint::NoneReady
    );
    assert_eq!(
        cluster.offers("org/b"),
        Offer {
            ready: 1,
            endpoints: 2
        }
    );
    let listed: Vec<_> = cluster.listed_models().into_iter().map(|m| m.id).collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&"a".to_owned()) && listed.contains(&"org/b".to_owned()));

    two.set(|b| {
        b.listed = vec!["a".into()];
        b.incomplete = vec![("org/b".into(), "prefill")];
    });
    eventually("the second loses a model", || {
        cluster.offers("org/b").ready == 0
    })
    .await;
    assert_eq!(cluster.offers("a").ready, 2);
    let status = serde_json::to_value(cluster.status()).unwrap();
    let text = status.to_string();
    assert!(text.contains("missing worker types: prefill"), "{text}");
}

#[tokio::test]
async fn a_request_is_never_sent_to_the_same_endpoint_twice() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let cluster = start(config(&[one.addr, two.addr], json!({})), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    for _ in 0..50 {
        let first = cluster.pick("a", None, &[]).unwrap();
        let second = cluster.pick("a", None, &[first.addr()]).unwrap();
        assert_ne!(first.addr(), second.addr());
        let tried = [first.addr(), second.addr()];
        let third = cluster.pick("a", None, &tried);
        assert_eq!(third.unwrap_err(), NoEndpoint::AllTried);
    }
}

#[tokio::test]
async fn requests_in_flight_are_counted_until_they_end() {
    let one = Frontend::start(&["a"]).await;
    let cluster = start(config(&[one.addr], json!({})), &["a"]);
    cluster.ready().await;
    let picked: Vec<_> = (0..3)
        .map(|_| cluster.pick("a", None, &[]).unwrap())
        .collect();
    assert_eq!(cluster.status().endpoints[0].outstanding, 3);
    drop(picked);
    assert_eq!(cluster.status().endpoints[0].outstanding, 0);
}

#[tokio::test]
async fn the_same_key_goes_to_the_same_endpoint() {
    let frontends = [
        Frontend::start(&["a"]).await,
        Frontend::start(&["a"]).await,
        Frontend::start(&["a"]).await,
    ];
    let addrs: Vec<_> = frontends.iter().map(|f| f.addr).collect();
    let hash = json!({"balance": {"consistent_hash": {"key": "session"}}});
    let cluster = start(config(&addrs, hash), &["a"]);
    eventually("all are ready", || cluster.offers("a").ready == 3).await;
    let mut used = std::collections::BTreeSet::new();
    for key in 0..100 {
        let at = || cluster.pick("a", Some(key), &[]).unwrap().addr();
        let first = at();
        assert!((0..5).all(|_| at() == first));
        used.insert(first);
    }
    assert_eq!(used.len(), 3);
    assert!(cluster.pick("a", None, &[]).is_ok());
}

#[tokio::test]
async fn without_readiness_every_endpoint_serves_every_model() {
    let addrs = [
        "127.0.0.1:9".parse().unwrap(),
        "127.0.0.2:9".parse().unwrap(),
    ];
    let cluster = start(config(&addrs, json!({"readiness": {"mode": "none"}})), &[]);
    assert!(cluster.is_ready());
    assert_eq!(used(&cluster, "whatever").len(), 2);
}

#[tokio::test]
async fn places_and_retries_are_limited() {
    let change = json!({
        "readiness": {"mode": "none"},
        "limits": {"max_in_flight": 1, "queue": {"max": 0}},
        "retries": {"budget": {"percent": 50, "min_per_second": 0}},
    });
    let cluster = start(config(&["127.0.0.1:9".parse().unwrap()], change), &[]);
    let place = cluster.admit().await.unwrap();
    assert_eq!(cluster.admit().await.unwrap_err(), Rejected::QueueFull);
    drop(place);
    assert!(cluster.admit().await.is_ok());
    assert!(!cluster.may_retry());
    cluster.record_request();
    cluster.record_request();
    assert!(cluster.may_retry());
    assert!(!cluster.may_retry());
}

/// Not a test of speed, but a way to see it: `cargo test pick_cost -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "prints a measurement"]
async fn pick_cost() {
    for count in [2u8, 16, 64] {
        let addrs: Vec<SocketAddr> = (1..=count).map(|n| ([127, 0, 0, n], 9).into()).collect();
        for balance in [
            json!("least_request"),
            json!("round_robin"),
            json!({"consistent_hash": {"key": "session"}}),
        ] {
            let change = json!({"readiness": {"mode": "none"}, "balance": balance.clone()});
            let cluster = start(config(&addrs, change), &[]);
            let (draws, began) = (200_000u32, std::time::Instant::now());
            for key in 0..u64::from(draws) {
                drop(cluster.pick("m", Some(key), &[]).unwrap());
            }
            println!(
                "{count} endpoints, {balance}: {:?}",
                began.elapsed() / draws
            );
        }
    }
}
