#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use std::sync::Arc;

use http::Version;
use pingora::connectors::http::Connector;
use serde_json::json;

use super::*;
use crate::cluster::peer::PeerTemplate;
use crate::cluster::tests::config;
use crate::cluster::tests::frontend::Frontend;

fn prober(change: serde_json::Value, models: &[&str]) -> Prober {
    let template = PeerTemplate::new(&config(&[], change)).unwrap();
    let models = models.iter().map(|m| (*m).to_owned()).collect();
    Prober::new(
        Arc::new(Connector::new(None)),
        template,
        models,
        Duration::from_secs(10),
    )
}

async fn ask(frontend: &Frontend, models: &[&str]) -> Probed {
    let prober = prober(json!({}), models);
    prober
        .round(frontend.addr, &Probed::default())
        .await
        .unwrap()
}

fn not_ready(reason: &str) -> Verdict {
    Verdict::NotReady(reason.to_owned())
}

#[tokio::test]
async fn every_model_is_asked_for() {
    let frontend = Frontend::start(&["a", "org/b", "c"]).await;
    frontend.set(|b| b.incomplete = vec![("d".into(), "decode")]);
    let probed = ask(&frontend, &["a", "org/b", "d", "e"]).await;
    assert_eq!(probed.state, State::Ready);
    let served: Vec<_> = probed.served().into_iter().collect();
    // "c" was not asked for: the listing decides.
    assert_eq!(served, ["a", "c", "org/b"]);
    assert_eq!(probed.verdicts["a"], Verdict::Ready);
    assert_eq!(
        probed.verdicts["d"],
        not_ready("503 Service Unavailable, missing worker types: decode")
    );
    assert_eq!(
        probed.verdicts["e"],
        not_ready("it does not list the model")
    );
    assert!(frontend.paths().contains(&"/v1/models/org/b/ready".into()));
}

#[tokio::test]
async fn a_frontend_without_workers_is_not_ready() {
    let frontend = Frontend::start(&[]).await;
    let probed = ask(&frontend, &["a"]).await;
    assert!(matches!(&probed.state, State::NotReady { reason } if reason.contains("a: ")));
    assert!(probed.served().is_empty());
    frontend.set(|b| b.listing = Some((404, "")));
    let probed = ask(&frontend, &[]).await;
    let reason = "it lists no model".to_owned();
    assert_eq!(probed.state, State::NotReady { reason });
}

#[tokio::test]
async fn a_model_that_is_listed_but_not_ready_is_not_served() {
    let frontend = Frontend::start(&[]).await;
    frontend.set(|b| {
        b.listing = Some((200, r#"{"data":[{"id":"a"}]}"#));
        b.incomplete = vec![("a".into(), "prefill")];
    });
    let probed = ask(&frontend, &["a"]).await;
    assert!(probed.served().is_empty());
}

#[tokio::test]
async fn without_the_ready_route_the_listing_decides() {
    let frontend = Frontend::start(&["a"]).await;
    frontend.set(|b| b.without_ready_route = true);
    let probed = ask(&frontend, &["a", "b"]).await;
    assert_eq!(probed.verdicts["a"], Verdict::Ready);
    assert_eq!(
        probed.verdicts["b"],
        not_ready("it does not list the model")
    );
}

#[tokio::test]
async fn answers_that_are_no_listing_are_named() {
    let frontend = Frontend::start(&["a"]).await;
    for (status, body, reason) in [
        (401, "", "GET /v1/models answered 401 Unauthorized"),
        (500, "{}", "GET /v1/models answered 500"),
        (200, "<html>", "its model list cannot be read"),
        (200, "{}", "its model list cannot be read"),
    ] {
        frontend.set(|b| b.listing = Some((status, body)));
        let state = ask(&frontend, &["a"]).await.state;
        assert!(
            matches!(&state, State::NotReady { reason: r } if r.starts_with(reason)),
            "{state:?}"
        );
    }
    frontend.set(|b| b.draining = true);
    assert_eq!(ask(&frontend, &["a"]).await.state, State::Draining);
}

#[tokio::test]
async fn a_closed_kept_connection_is_no_failure() {
    let frontend = Frontend::start(&["a"]).await;
    let prober = prober(json!({}), &["a"]);
    prober
        .round(frontend.addr, &Probed::default())
        .await
        .unwrap();
    let addr = frontend.kill().await;
    let again = Frontend::start_at(addr, &["a"]).await;
    assert_eq!(
        prober.round(addr, &Probed::default()).await.unwrap().state,
        State::Ready
    );
    drop(again);
}

#[tokio::test]
async fn silence_and_refusal_are_errors() {
    let frontend = Frontend::start(&["a"]).await;
    frontend.set(|b| b.hanging = true);
    let template = PeerTemplate::new(&config(&[], json!({}))).unwrap();
    let prober = Prober::new(
        Arc::new(Connector::new(None)),
        template,
        vec![],
        Duration::from_millis(100),
    );
    let error = prober
        .round(frontend.addr, &Probed::default())
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(error, "no answer within 100ms");
    let addr: SocketAddr = frontend.kill().await;
    let error = prober
        .round(addr, &Probed::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_huge_listing_is_not_read_to_its_end() {
    let frontend = Frontend::start(&["a"]).await;
    let name = "x".repeat(2 << 20);
    frontend.set(|b| b.listed.push(name));
    let error = prober(json!({}), &[])
        .round(frontend.addr, &Probed::default())
        .await;
    assert!(error.unwrap_err().to_string().contains("longer than"));
}

#[tokio::test]
async fn http2_by_prior_knowledge_works_too() {
    let frontend = Frontend::start(&["a"]).await;
    let prober = prober(json!({"protocol": "h2c"}), &["a"]);
    for _ in 0..3 {
        let probed = prober
            .round(frontend.addr, &Probed::default())
            .await
            .unwrap();
        assert_eq!(probed.state, State::Ready);
    }
    assert!(frontend.versions().iter().all(|v| *v == Version::HTTP_2));
}

#[tokio::test]
async fn the_time_of_the_question_is_no_change() {
    let frontend = Frontend::start(&["a"]).await;
    let first = ask(&frontend, &["a"]).await;
    let second = ask(&frontend, &["a"]).await;
    assert_ne!(first.listed[0].created, second.listed[0].created);
    assert_eq!(second.with_creation_times_of(&first), first);
}

#[tokio::test]
async fn odd_names_make_a_valid_path() {
    let frontend = Frontend::start(&["a"]).await;
    ask(&frontend, &["a b?c#d/é:1"]).await;
    let expected = "/v1/models/a%20b%3Fc%23d/%C3%A9:1/ready";
    assert!(frontend.paths().contains(&expected.into()));
}

#[tokio::test]
async fn certificates_are_checked_against_the_configured_authority_and_name() {
    let identity = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    let frontend = Frontend::start_tls(&["a"], &identity).await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), identity.cert.pem()).unwrap();
    let ca = ca.path();
    for (tls, accepted) in [
        (json!({"ca": ca, "server_name": "a.example"}), true),
        (json!({"ca": ca, "server_name": "b.example"}), false),
        (json!({"server_name": "a.example"}), false),
        (json!({"server_name": "b.example", "verify": false}), true),
    ] {
        let prober = prober(json!({ "tls": tls }), &["a"]);
        let result = prober.round(frontend.addr, &Probed::default()).await;
        assert_eq!(result.is_ok(), accepted, "{tls}: {result:?}");
    }
}

#[tokio::test]
async fn the_protocol_is_agreed_in_tls() {
    let identity = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    for (protocol, version) in [("h1", Version::HTTP_11), ("h2c", Version::HTTP_2)] {
        let frontend = Frontend::start_tls(&["a"], &identity).await;
        let tls = json!({"server_name": "a.example", "verify": false});
        let prober = prober(json!({"tls": tls, "protocol": protocol}), &["a"]);
        prober
            .round(frontend.addr, &Probed::default())
            .await
            .unwrap();
        assert_eq!(frontend.versions(), [version, version]);
    }
}

#[tokio::test]
async fn a_model_that_is_not_ready_is_asked_for_again_once_it_is_listed() {
    let frontend = Frontend::start(&["b"]).await;
    frontend.set(|b| b.incomplete = vec![("a".into(), "prefill")]);
    let prober = prober(json!({}), &["a"]);
    let path = "/v1/models/a/ready".to_owned();
    let asked = || frontend.paths().iter().filter(|p| **p == path).count();
    let mut probed = Probed::default();
    for _ in 0..3 {
        probed = prober.round(frontend.addr, &probed).await.unwrap();
        assert!(matches!(&probed.verdicts["a"], Verdict::NotReady(r) if r.contains("prefill")));
    }
    assert_eq!(asked(), 1);
    frontend.set(|b| b.listed.push("a".into()));
    for _ in 0..3 {
        probed = prober.round(frontend.addr, &probed).await.unwrap();
        assert_eq!(probed.verdicts["a"], Verdict::Ready);
    }
    assert_eq!(asked(), 4);
}
