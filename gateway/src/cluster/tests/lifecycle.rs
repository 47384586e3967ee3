//! Endpoints and clusters that come and go.

use super::*;

#[tokio::test]
async fn the_operator_takes_an_endpoint_out_and_back() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let cluster = start(config(&[one.addr, two.addr], json!({})), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    let in_flight = cluster.pick("a", None, &[two.addr]).unwrap();
    assert!(cluster.set_draining(one.addr, true));
    assert_eq!(used(&cluster, "a"), [two.addr]);
    assert_eq!(in_flight.endpoint().outstanding(), 1);
    assert!(cluster.set_draining(two.addr, true));
    let none = cluster.pick("a", None, &[]);
    assert_eq!(none.unwrap_err(), NoEndpoint::AllDraining);
    assert!(!cluster.is_ready());
    assert!(cluster.set_draining(one.addr, false));
    assert_eq!(used(&cluster, "a"), [one.addr]);
    let status = cluster.status();
    let back = status.endpoints.iter().find(|e| e.addr == one.addr);
    assert!(back.unwrap().weight_now < 1.0, "{back:?}");
    assert!(!cluster.set_draining("127.0.0.1:1".parse().unwrap(), true));
}

#[tokio::test]
async fn the_first_endpoints_skip_slow_start_and_later_ones_do_not() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}\n", one.addr)).unwrap();
    let endpoints = json!({"endpoints": {"file": {"path": file.path()}}});
    let cluster = start(config(&[], endpoints), &["a"]);
    cluster.ready().await;
    assert_eq!(cluster.status().endpoints[0].weight_now, 1.0);

    let both = format!("# two now\n{} weight=4\n{}\n", one.addr, two.addr);
    std::fs::write(file.path(), both).unwrap();
    eventually("the second is ready", || cluster.offers("a").ready == 2).await;
    for endpoint in cluster.status().endpoints {
        if endpoint.addr == one.addr {
            assert_eq!((endpoint.weight, endpoint.weight_now), (4, 4.0));
        } else {
            assert!(endpoint.weight_now < 1.0, "{endpoint:?}");
        }
    }
}

#[tokio::test]
async fn a_removed_endpoint_gets_no_new_requests_and_ends_the_old_ones() {
    let (one, two) = (Frontend::start(&["a"]).await, Frontend::start(&["a"]).await);
    let file = tempfile::NamedTempFile::new().unwrap();
    let both = format!("{}\n{}\n", one.addr, two.addr);
    std::fs::write(file.path(), &both).unwrap();
    let endpoints = json!({"endpoints": {"file": {"path": file.path()}}});
    let cluster = start(config(&[], endpoints), &["a"]);
    eventually("both are ready", || cluster.offers("a").ready == 2).await;

    let in_flight = cluster.pick("a", None, &[two.addr]).unwrap();
    std::fs::write(file.path(), format!("{}\n", two.addr)).unwrap();
    eventually("one is left", || cluster.offers("a").endpoints == 1).await;
    assert_eq!(used(&cluster, "a"), [two.addr]);
    let leaving = cluster.status().endpoints.pop().unwrap();
    assert!(leaving.leaving && leaving.addr == one.addr && leaving.outstanding == 1);

    // Nobody asks it any more, apart from a probe that was on its way.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = one.paths().len();

    // A list with a mistake changes nothing; one that brings it back finds its requests.
    std::fs::write(file.path(), "nonsense\n").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(used(&cluster, "a"), [two.addr]);
    assert_eq!(one.paths().len(), asked);
    std::fs::write(file.path(), &both).unwrap();
    eventually("both are ready", || cluster.offers("a").ready == 2).await;
    let status = cluster.status();
    let back = status
        .endpoints
        .iter()
        .find(|e| e.addr == one.addr)
        .unwrap();
    assert_eq!((back.outstanding, back.leaving), (1, false));
    drop(in_flight);
    assert_eq!(cluster.status().endpoints.len(), 2);
}

#[tokio::test]
async fn it_waits_for_the_first_ready_endpoint() {
    let one = Frontend::start(&[]).await;
    let cluster = start(config(&[one.addr], json!({})), &["a"]);
    eventually("it was asked", || !one.paths().is_empty()).await;
    assert!(!cluster.is_ready());
    let waiting = tokio::spawn({
        let cluster = Arc::clone(&cluster);
        async move { cluster.ready().await }
    });
    one.set(|b| b.listed.push("a".into()));
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(cluster.is_ready());
}

#[tokio::test]
async fn its_tasks_end_with_the_last_handle() {
    let one = Frontend::start(&["a"]).await;
    let cluster = start(config(&[one.addr], json!({})), &["a"]);
    cluster.ready().await;
    let weak = Arc::downgrade(&cluster);
    drop(cluster);
    eventually("it is gone", || weak.upgrade().is_none()).await;
    // A probe that was on its way may still arrive.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = one.paths().len();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(one.paths().len(), asked);
}

#[tokio::test]
async fn a_broken_authority_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let tls = json!({"tls": {"ca": file.path(), "server_name": "a.example"}});
    let start = || {
        let config = config(&["127.0.0.1:9".parse().unwrap()], tls.clone());
        Cluster::start(config, vec![], &Handle::current(), Arc::new(NoObserver))
    };
    let message = |result: Result<_, ClusterError>| result.err().unwrap().to_string();
    assert!(message(start()).contains("no certificate"));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(file.path(), broken).unwrap();
    assert!(message(start()).contains("broken certificate"));
    let good = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    std::fs::write(file.path(), good.cert.pem()).unwrap();
    assert!(start().is_ok());
}

#[tokio::test]
async fn probes_that_say_the_same_change_nothing() {
    let one = Frontend::start(&["a"]).await;
    let cluster = start(config(&[one.addr], json!({})), &["a"]);
    cluster.ready().await;
    let (changes, asked) = (*cluster.changed.borrow(), one.paths().len());
    eventually("it was asked again", || one.paths().len() > asked + 10).await;
    assert_eq!(*cluster.changed.borrow(), changes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_and_changes_at_once_lose_no_count() {
    let addrs: Vec<SocketAddr> = (1..=4).map(|n| ([127, 0, 0, n], 9).into()).collect();
    let cluster = start(config(&addrs, json!({"readiness": {"mode": "none"}})), &[]);
    let mut requests = Vec::new();
    for number in 0..4 {
        let cluster = Arc::clone(&cluster);
        requests.push(tokio::spawn(async move {
            for turn in 0..2_000 {
                let _place = cluster.admit().await.unwrap();
                let Ok(picked) = cluster.pick("a", Some(turn * 31 + number), &[]) else {
                    continue;
                };
                let outcome = if turn % 3 == 0 {
                    Outcome::Status(500)
                } else {
                    Outcome::Status(200)
                };
                cluster.report(picked.endpoint(), outcome);
                if turn % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    let all = cluster.known_endpoints();
    while requests.iter().any(|request| !request.is_finished()) {
        for addr in &addrs {
            let mut fewer = all.clone();
            fewer.remove(addr);
            cluster.take_endpoints(&fewer);
            cluster.set_draining(*addr, true);
            tokio::task::yield_now().await;
            cluster.take_endpoints(&all);
            cluster.set_draining(*addr, false);
        }
    }
    for request in requests {
        request.await.unwrap();
    }
    let status = cluster.status();
    assert_eq!((status.in_flight, status.endpoints.len()), (0, 4));
    assert!(status.endpoints.iter().all(|e| e.outstanding == 0));
}
