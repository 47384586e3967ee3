//! Endpoints that fail: loss, ejection, return.

use super::*;

#[tokio::test]
async fn a_killed_frontend_is_left_and_taken_back() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let rest = two.addr;
    let cluster = start(config(&[one.addr, two.addr], json!({})), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    let killed = one.kill().await;
    eventually("the loss is seen", || cluster.offers("a").ready == 1).await;
    assert_eq!(used(&cluster, "a"), [rest]);
    assert!(matches!(
        state_of(&cluster, killed),
        State::Unreachable { .. }
    ));
    let _one = Frontend::start_at(killed, &["a"]).await;
    eventually("it is back", || cluster.offers("a").ready == 2).await;
    // It is led up slowly: back among the used ones, but with a part of its weight.
    let status = cluster.status();
    let back = status.endpoints.iter().find(|e| e.addr == killed).unwrap();
    assert!(back.weight_now < 1.0, "{back:?}");
}

#[tokio::test]
async fn a_return_that_a_probe_sees_ends_the_ejection() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let cluster = start(config(&[one.addr, two.addr], json!({})), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    let ejected_for = |addr| {
        let status = cluster.status();
        let found = status.endpoints.into_iter().find(|e| e.addr == addr);
        found.unwrap().ejected_for_ms
    };
    let picked = cluster.pick("a", None, &[two.addr]).unwrap();
    for _ in 0..2 {
        cluster.report(picked.endpoint(), Outcome::ConnectFailed);
    }
    assert!(ejected_for(one.addr).is_some());
    let killed = one.kill().await;
    eventually("the loss is seen", || cluster.offers("a").ready == 1).await;
    let _one = Frontend::start_at(killed, &["a"]).await;
    eventually("it is back", || cluster.offers("a").ready == 2).await;
    assert_eq!(ejected_for(killed), None);
}

#[tokio::test]
async fn a_failed_request_starts_a_probe_at_once() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let slow = json!({"readiness": {"interval": "1h", "failure_threshold": 1}});
    let cluster = start(config(&[one.addr, two.addr], slow), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    two.set(|b| b.listed.clear());
    let picked = cluster.pick("a", None, &[one.addr]).unwrap();
    cluster.report(picked.endpoint(), Outcome::Status(404));
    eventually("the loss is seen", || cluster.offers("a").ready == 1).await;
    // Its next probe would be an hour away; another failure brings it back.
    two.set(|b| b.listed.push("a".into()));
    cluster.report(picked.endpoint(), Outcome::Status(503));
    eventually("it is back", || cluster.offers("a").ready == 2).await;
}

#[tokio::test]
async fn a_draining_frontend_gets_nothing() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let cluster = start(config(&[one.addr, two.addr], json!({})), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    one.set(|b| b.draining = true);
    eventually("it is seen", || {
        state_of(&cluster, one.addr) == State::Draining
    })
    .await;
    assert_eq!(used(&cluster, "a"), [two.addr]);
}

fn without_probes(addrs: &[SocketAddr]) -> Arc<Cluster> {
    let change = json!({
        "readiness": {"mode": "none"},
        "ejection": {"consecutive_errors": 3, "base_time": "5s", "max_percent": 100},
        "slow_start": {"window": "10s"},
    });
    start(config(addrs, change), &[])
}

fn two_addrs() -> [SocketAddr; 2] {
    [
        "127.0.0.1:9".parse().unwrap(),
        "127.0.0.2:9".parse().unwrap(),
    ]
}

fn fail(cluster: &Cluster, addr: SocketAddr, outcome: Outcome, times: usize) {
    let others: Vec<_> = two_addrs().into_iter().filter(|a| *a != addr).collect();
    for _ in 0..times {
        let picked = cluster.pick("a", None, &others).unwrap();
        assert_eq!(picked.addr(), addr);
        cluster.report(picked.endpoint(), outcome);
    }
}

#[tokio::test]
async fn errors_in_a_row_eject_and_the_return_is_slow() {
    let [one, two] = two_addrs();
    let cluster = without_probes(&[one, two]);
    fail(&cluster, one, Outcome::Status(500), 2);
    assert_eq!(used(&cluster, "a").len(), 2);
    fail(&cluster, one, Outcome::Status(500), 1);
    assert_eq!(used(&cluster, "a"), [two]);
    assert!(cluster.status().endpoints[0].ejected_for_ms.is_some());
    cluster.clock.advance(Duration::from_secs(6));
    let back = &cluster.status().endpoints[0];
    assert_eq!(back.ejected_for_ms, None);
    assert!((0.1..0.5).contains(&back.weight_now), "{back:?}");
    cluster.clock.advance(Duration::from_secs(10));
    assert_eq!(cluster.status().endpoints[0].weight_now, 1.0);
    assert_eq!(used(&cluster, "a").len(), 2);
}

#[tokio::test]
async fn failures_of_old_requests_do_not_prolong_an_ejection() {
    let [one, two] = two_addrs();
    let cluster = without_probes(&[one, two]);
    fail(&cluster, one, Outcome::ConnectFailed, 20);
    cluster.clock.advance(Duration::from_secs(6));
    assert_eq!(cluster.status().endpoints[0].ejected_for_ms, None);
}

#[tokio::test]
async fn the_last_usable_endpoint_is_never_ejected() {
    let [one, two] = two_addrs();
    let cluster = without_probes(&[one, two]);
    fail(&cluster, one, Outcome::ConnectFailed, 2);
    fail(&cluster, two, Outcome::ConnectFailed, 10);
    assert_eq!(used(&cluster, "a"), [two]);
    // A request that was tried at the other one may still go to the ejected one.
    assert_eq!(cluster.pick("a", None, &[two]).unwrap().addr(), one);
}

#[tokio::test]
async fn being_overloaded_or_refusing_a_request_never_ejects() {
    let [one, two] = two_addrs();
    let cluster = without_probes(&[one, two]);
    for outcome in [
        Outcome::Status(529),
        Outcome::Status(404),
        Outcome::Status(400),
        Outcome::StreamError,
    ] {
        fail(&cluster, one, outcome, 20);
        assert_eq!(used(&cluster, "a").len(), 2, "{outcome:?}");
    }
    // Between errors it neither counts as one nor breaks the row.
    fail(&cluster, one, Outcome::Status(502), 2);
    fail(&cluster, one, Outcome::Status(529), 2);
    fail(&cluster, one, Outcome::Timeout, 1);
    assert_eq!(used(&cluster, "a"), [two]);
}

#[tokio::test]
async fn an_answer_breaks_the_row() {
    let [one, two] = two_addrs();
    let cluster = without_probes(&[one, two]);
    let good = Outcome::Success {
        ttfb: Duration::from_millis(20),
    };
    for _ in 0..5 {
        fail(&cluster, one, Outcome::Reset, 2);
        fail(&cluster, one, good, 1);
    }
    assert_eq!(used(&cluster, "a").len(), 2);
    let first_byte = cluster.status().endpoints[0].first_byte_ms.unwrap();
    assert!((19.9..20.1).contains(&first_byte), "{first_byte}");
}
