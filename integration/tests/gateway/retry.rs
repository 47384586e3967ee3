//! A request that fails before its answer goes to another frontend, whole, and never twice to the same.

use std::collections::HashSet;

use commutator_integration::client::{CHAT, Client, chat, streamed};
use commutator_integration::frontend::{Refusing, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, Wait};
use commutator_simulator::{Fault, Simulator};
use rstest::rstest;

use crate::answers::by_hand;
use crate::support::{Stage, policy, simulators};

/// Nothing is left out after failures, so that each attempt depends on the request alone.
const NO_EJECTION: &str = "ejection: {consecutive_errors: 0, consecutive_connect_failures: 0}";

/// A whole answer.
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// Sends requests until one has met the first frontend; all must be answered by the others.
async fn all_succeed(gateway: &Gateway, met: impl Fn() -> bool) {
    let mut client = Client::h1(gateway.addr()).await;
    let large = "y".repeat(200_000);
    for index in 0..100 {
        let body = if index % 2 == 0 {
            chat(&large)
        } else {
            streamed("hello")
        };
        let answer = client.post(CHAT, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.whole);
        // One of each kind at least.
        if met() && index >= 10 {
            return;
        }
    }
    panic!("the first frontend was never chosen");
}

#[rstest]
#[case::overloaded(Fault::overload(), "529")]
#[case::unavailable(Fault::status(503), "503")]
#[case::without_the_model(Fault::status(404), "404")]
#[case::closing(Fault::close_before_response(), "reset")]
#[tokio::test]
async fn another_frontend_gets_the_same_body(
    #[case] fault: Fault,
    #[case] reason: &str,
    #[values("h1", "h2c")] protocol: &str,
) {
    let stage = Stage::cluster(2, &format!("{NO_EJECTION}\nprotocol: {protocol}")).await;
    let [bad, good] = &stage.frontends[..] else {
        panic!("two frontends");
    };
    bad.set_fault(fault);
    all_succeed(&stage.gateway, || bad.total() > 2).await;
    let tried = bad.requests();
    let answered = good.requests();
    let mut seen = HashSet::new();
    for record in &tried {
        let id = record.header("x-request-id").unwrap().to_owned();
        let same = answered
            .iter()
            .find(|r| r.header("x-request-id") == Some(id.as_str()))
            .expect("the other frontend got it too");
        assert!(record.body == same.body, "bodies differ");
        assert!(!record.body.is_empty());
        assert!(seen.insert(id), "the same frontend twice");
    }
    let metrics = stage.gateway.metrics().await;
    let retries = metrics.sum("upstream_retries_total", &[("reason", reason)]);
    assert_eq!(retries, tried.len() as f64, "{}", metrics.text());
}

#[tokio::test]
async fn a_refused_connection_goes_elsewhere() {
    let frontends = simulators(1).await;
    let mut policy = policy(&frontends).cluster(UNPROBED).cluster(NO_EJECTION);
    let refusing = Refusing::new().unwrap();
    policy.frontends.push(refusing.addr);
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    let mut client = Client::h1(gateway.addr()).await;
    let mut retries = 0.0;
    for _ in 0..100 {
        let answer = client.post(CHAT, &chat("hello")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let metrics = gateway.metrics().await;
        retries = metrics.sum("upstream_retries_total", &[("reason", "connect")]);
        if retries > 0.0 {
            break;
        }
    }
    assert!(retries > 0.0);
}

#[tokio::test]
async fn each_frontend_is_tried_once_at_most() {
    let stage = Stage::cluster(3, &format!("{NO_EJECTION}\nretries: {{max: 10}}")).await;
    for (fault, status, code) in [
        (Fault::status(503), 503, "upstream_overloaded"),
        (Fault::overload(), 503, "upstream_overloaded"),
        (Fault::close_before_response(), 502, "upstream_disconnected"),
        (Fault::status(404), 503, "no_upstream"),
    ] {
        for frontend in &stage.frontends {
            frontend.clear_requests();
            frontend.set_fault(fault.clone());
        }
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(CHAT, &chat("hello")).await;
        answer.is_error(status, code);
        for frontend in &stage.frontends {
            assert_eq!(frontend.requests().len(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn retries_end_where_the_policy_says() {
    let stage = Stage::cluster(4, &format!("{NO_EJECTION}\nretries: {{max: 1}}")).await;
    for frontend in &stage.frontends {
        frontend.set_fault(Fault::overload());
    }
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("hello")).await;
    answer.is_error(503, "upstream_overloaded");
    assert_eq!(stage.arrived(), 2);
}

#[tokio::test]
async fn nothing_is_retried_after_the_first_byte() {
    let stage = Stage::cluster(2, NO_EJECTION).await;
    let reset_all = |fault: &Fault| {
        for frontend in &stage.frontends {
            Simulator::clear_requests(frontend);
            frontend.set_fault(fault.clone());
        }
    };
    reset_all(&Fault::reset_mid_stream(2));
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    answer.ends_with_error("upstream_disconnected");
    stage.only();

    // Half of a body with a declared length: it cannot be completed, so it must not look complete.
    reset_all(&Fault::reset_mid_stream(0));
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("hello")).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.whole, "{}", answer.text());
    stage.only();

    // Other statuses than those of retries are the answer.
    for status in [400, 422, 429, 500, 501] {
        reset_all(&Fault::status(status));
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(CHAT, &chat("hello")).await;
        assert_eq!(answer.status, status);
        stage.only();
    }
}

#[tokio::test]
async fn a_pooled_connection_that_went_stale_costs_no_answer() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut first = frontend.request().await;
        first.connection.send(OK).await;
        // The second request comes on the same connection, which closes without an answer.
        first.connection.until("second").await;
        drop(first);
        let mut second = frontend.request().await;
        second.connection.send(OK).await;
        String::from_utf8_lossy(&second.body).into_owned()
    };
    let ask = async {
        let first = client.post(CHAT, &chat("first")).await;
        let second = client.post(CHAT, &chat("second")).await;
        (first, second)
    };
    let (body, (first, second)) = tokio::join!(serve, ask);
    assert!(body.contains("second"));
    assert_eq!((first.text(), second.text()), ("{}", "{}"));
}

#[tokio::test]
async fn a_frontend_that_closes_idle_connections_costs_no_answer() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Client::h1(gateway.addr()).await;
    for _ in 0..10 {
        let serve = async {
            let mut exchange = frontend.request().await;
            exchange.connection.send(OK).await;
            // Dropping it closes the connection that the gateway means to keep.
        };
        let question = chat("hello");
        let ((), answer) = tokio::join!(serve, client.post(CHAT, &question));
        assert_eq!(answer.text(), "{}");
    }
}

#[tokio::test]
async fn the_next_model_is_asked_when_one_has_no_frontend() {
    let top = r#"
signals:
  keywords: [{name: sums, any: [sum]}]
decisions:
  - {name: sums, when: {keyword: sums}, models: [{name: math}], fallback: [general]}
"#;
    let stage = Stage::top(top).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let mut body = chat("what is the sum");
    body["model"] = "auto".into();
    let answer = client.post(CHAT, &body).await;
    assert_eq!(answer.json()["model"], "org/math-8b");
    stage.frontend().clear_requests();
    // The frontend still lists the model but answers 503 for it alone.
    stage.frontend().set_ready("org/math-8b", false);
    for _ in 0..3 {
        let answer = client.post(CHAT, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["model"], "general");
        assert_eq!(answer.header("x-vsr-selected-model"), "general");
    }
}
