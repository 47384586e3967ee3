#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::cluster::tests::frontend::Frontend;
use crate::cluster::tests::{NoObserver, config, eventually};

fn reconcile(
    old: Option<&Clusters>,
    config: ClusterConfig,
    models: &[&str],
) -> Result<Clusters, ClusterError> {
    let models = models.iter().map(|m| (*m).to_owned()).collect();
    let observer: Arc<dyn ClusterObserver> = Arc::new(NoObserver);
    Clusters::reconcile(old, [(config, models)], &Handle::current(), &observer)
}

async fn ready(frontend: &Frontend) -> Clusters {
    let clusters = reconcile(None, config(&[frontend.addr], json!({})), &["a"]).unwrap();
    clusters.get("c").unwrap().ready().await;
    clusters
}

#[tokio::test]
async fn an_unchanged_cluster_goes_on() {
    let frontend = Frontend::start(&["a"]).await;
    let old = ready(&frontend).await;
    let same = config(&[frontend.addr], json!({}));
    let new = reconcile(Some(&old), same, &["a", "a"]).unwrap();
    assert!(Arc::ptr_eq(old.get("c").unwrap(), new.get("c").unwrap()));
    new.supersede(&old);
    let asked = frontend.paths().len();
    eventually("it is still probed", || frontend.paths().len() > asked + 2).await;
}

#[tokio::test]
async fn a_changed_cluster_takes_over_its_endpoints() {
    let frontend = Frontend::start(&["a", "b"]).await;
    let old = ready(&frontend).await;
    let in_flight = old.get("c").unwrap().pick("a", None, &[]).unwrap();
    let second = Frontend::start(&["a"]).await;
    let changes: [(Value, &[&str]); 4] = [
        (json!({"balance": "round_robin"}), &["a"]),
        (json!({"limits": {"max_in_flight": 9}}), &["a"]),
        (json!({}), &["a", "b"]),
        (
            json!({"endpoints": {"static": [frontend.addr, second.addr]}}),
            &["a"],
        ),
    ];
    for (change, models) in changes {
        let changed = config(&[frontend.addr], change.clone());
        let new = reconcile(Some(&old), changed, models).unwrap();
        let cluster = new.get("c").unwrap();
        assert!(!Arc::ptr_eq(old.get("c").unwrap(), cluster));
        // Ready at once, without a probe of its own, for all that the endpoint lists.
        for model in models {
            assert!(cluster.offers(model).ready >= 1, "{change}");
        }
        let tried = [second.addr];
        let picked = cluster.pick("a", None, &tried).unwrap();
        assert!(Arc::ptr_eq(picked.endpoint(), in_flight.endpoint()));
        assert_eq!(picked.endpoint().outstanding(), 2);
    }
}

#[tokio::test]
async fn what_is_known_of_another_service_is_not_taken_over() {
    let frontend = Frontend::start(&["a"]).await;
    let old = ready(&frontend).await;
    let in_flight = old.get("c").unwrap().pick("a", None, &[]).unwrap();
    let other = config(&[frontend.addr], json!({"host": "other.example"}));
    let new = reconcile(Some(&old), other, &["a"]).unwrap();
    let cluster = new.get("c").unwrap();
    cluster.ready().await;
    let picked = cluster.pick("a", None, &[]).unwrap();
    assert!(!Arc::ptr_eq(picked.endpoint(), in_flight.endpoint()));
}

#[tokio::test]
async fn the_replaced_cluster_stops_probing_and_the_new_one_sees_changes() {
    let frontend = Frontend::start(&["a"]).await;
    let old = ready(&frontend).await;
    let changed = config(&[frontend.addr], json!({"balance": "random"}));
    let new = reconcile(Some(&old), changed, &["a"]).unwrap();
    let cluster = new.get("c").unwrap();
    // Both probe now: each must see what the other one has stored first.
    for _ in 0..5 {
        frontend.set(|b| b.listed.clear());
        eventually("the loss is seen", || cluster.offers("a").ready == 0).await;
        frontend.set(|b| b.listed.push("a".into()));
        eventually("it is back", || cluster.offers("a").ready == 1).await;
    }
    new.supersede(&old);
    drop(new);
    // A probe that was on its way may still arrive.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let asked = frontend.paths().len();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(frontend.paths().len(), asked);
}

#[tokio::test]
async fn a_failed_reconciliation_leaves_the_old_clusters_alone() {
    let frontend = Frontend::start(&["a"]).await;
    let old = ready(&frontend).await;
    let broken = json!({"tls": {"ca": "no-such-file", "server_name": "a.example"}});
    let new = reconcile(Some(&old), config(&[frontend.addr], broken), &["a"]);
    assert!(new.err().unwrap().to_string().contains("no-such-file"));
    let asked = frontend.paths().len();
    eventually("it is still probed", || frontend.paths().len() > asked + 2).await;
    assert!(old.get("c").unwrap().pick("a", None, &[]).is_ok());
}

#[tokio::test]
async fn a_reload_that_removes_an_endpoint_keeps_its_requests_in_view() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let both = config(&[one.addr, two.addr], json!({}));
    let old = reconcile(None, both, &["a"]).unwrap();
    let cluster = old.get("c").unwrap();
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    let _in_flight = cluster.pick("a", None, &[two.addr]).unwrap();
    let new = reconcile(Some(&old), config(&[two.addr], json!({})), &["a"]).unwrap();
    new.supersede(&old);
    let status = new.get("c").unwrap().status();
    let leaving: Vec<_> = status.endpoints.iter().filter(|e| e.leaving).collect();
    assert_eq!((status.endpoints.len(), leaving.len()), (2, 1));
    assert_eq!(leaving[0].addr, one.addr);
    // The next reload does not forget it either, and one that brings it back finds it.
    let config = |addrs: &[_]| config(addrs, json!({"balance": "random"}));
    let newer = reconcile(Some(&new), config(&[two.addr]), &["a"]).unwrap();
    assert_eq!(newer.get("c").unwrap().status().endpoints.len(), 2);
    let back = reconcile(Some(&newer), config(&[one.addr, two.addr]), &["a"]).unwrap();
    let status = back.get("c").unwrap().status();
    let back = status.endpoints.iter().find(|e| e.addr == one.addr);
    assert_eq!(back.map(|e| (e.outstanding, e.leaving)), Some((1, false)));
}

#[tokio::test]
async fn a_reload_needs_no_new_discovery_to_serve() {
    let frontend = Frontend::start(&["a"]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}\n", frontend.addr)).unwrap();
    let listed = |balance| {
        let endpoints = json!({"file": {"path": file.path()}});
        config(&[], json!({"endpoints": endpoints, "balance": balance}))
    };
    let old = reconcile(None, listed("random"), &["a"]).unwrap();
    old.get("c").unwrap().ready().await;
    // Nothing is awaited here: no task of the new cluster has run.
    let new = reconcile(Some(&old), listed("round_robin"), &["a"]).unwrap();
    assert!(new.get("c").unwrap().pick("a", None, &[]).is_ok());
}
