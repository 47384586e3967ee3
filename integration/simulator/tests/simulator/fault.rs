//! Every fault, as a client sees it.

use commutator_simulator::{Fault, FaultKind, Outcome, Simulator};
use http_body_util::BodyExt;
use serde_json::json;

use crate::client::*;

async fn after_fault(simulator: &Simulator) {
    simulator.set_fault(Fault::none());
    assert_eq!(post(simulator, CHAT, &chat("x")).await.status, 200);
}

#[tokio::test]
async fn status_with_and_without_a_body() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::status(500));
    post(&simulator, CHAT, &chat("x"))
        .await
        .is_flat_error(500, "Simulated");
    let body = Some(r#"{"own":1}"#.into());
    simulator.set_fault(FaultKind::Status { code: 418, body }.into());
    let answer = post(&simulator, CHAT, &streamed("x")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (418, json!({"own": 1}))
    );
    assert_eq!(
        get(&simulator, "/live").await.status,
        200,
        "probes do not meet it"
    );
    after_fault(&simulator).await;
}

#[tokio::test]
async fn overload_is_529_without_retry_after() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::overload());
    let answer = post(&simulator, CHAT, &chat("x")).await;
    answer.is_flat_error(529, "Service temporarily overloaded");
    assert_eq!(answer.json()["type"], "Overloaded");
    assert!(!answer.headers.contains_key("retry-after"));
    after_fault(&simulator).await;
}

#[tokio::test]
async fn a_count_wears_off() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::overload().times(2));
    let mut client = Client::connect(simulator.addr()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        assert_eq!(client.get("/v1/models").await.status, 200);
        statuses.push(client.post(CHAT, &chat("x")).await.status.as_u16());
    }
    assert_eq!(statuses, [529, 529, 200, 200]);
    assert_eq!(simulator.fault(), Fault::none());
    simulator.set_fault(Fault::overload().times(0));
    assert_eq!(client.post(CHAT, &chat("x")).await.status, 200);
}

#[tokio::test]
async fn missing_workers_show_in_probes_too() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::model_not_ready());
    post(&simulator, CHAT, &chat("x"))
        .await
        .is_flat_error(503, "is not ready");
    assert_eq!(get(&simulator, "/v1/models/math/ready").await.status, 503);
    assert_eq!(
        get(&simulator, "/v1/models").await.json()["data"],
        json!([])
    );
    simulator.set_fault(Fault::no_workers());
    let answer = post(&simulator, CHAT, &chat("x")).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (404, 0));
    assert_eq!(get(&simulator, "/v1/models/math/ready").await.status, 404);
    assert_eq!(get(&simulator, "/health").await.status, 200);
    after_fault(&simulator).await;
}

#[tokio::test]
async fn a_hang_before_headers_ends_when_the_client_leaves() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_before_headers());
    let mut client = Client::connect(simulator.addr()).await;
    stays_pending(client.post(CHAT, &chat("x"))).await;
    assert_eq!(simulator.active(), 1);
    assert_eq!(simulator.requests()[0].outcome, Outcome::Active);
    assert_eq!(simulator.requests()[0].status, None);
    drop(client);
    eventually("the request is given up", || simulator.active() == 0).await;
    assert!(simulator.requests()[0].client_left());
    after_fault(&simulator).await;
}

#[tokio::test]
async fn a_stream_hangs_after_its_events() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_mid_stream(3));
    let mut client = Client::connect(simulator.addr()).await;
    let response = client
        .0
        .send_request(request(CHAT, streamed("x").to_string()))
        .await;
    let mut body = response.unwrap().into_body();
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    stays_pending(body.frame()).await;
    drop((body, client));
    eventually("the stream is given up", || simulator.active() == 0).await;
    assert!(simulator.requests()[0].client_left());
}

#[tokio::test]
async fn a_unary_answer_hangs_half_way() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_mid_stream(0));
    let mut client = Client::connect(simulator.addr()).await;
    let response = client
        .0
        .send_request(request(CHAT, chat("x").to_string()))
        .await
        .unwrap();
    let length: usize = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = response.into_body();
    let half = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(half.len(), length / 2);
    stays_pending(body.frame()).await;
}

#[tokio::test]
async fn a_connection_closes_before_the_response() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::close_before_response().times(1));
    let mut client = Client::connect(simulator.addr()).await;
    let error = client
        .send(request(CHAT, chat("x").to_string()))
        .await
        .err()
        .unwrap();
    assert!(error.is_incomplete_message(), "{error:?}");
    assert_eq!(simulator.requests()[0].outcome, Outcome::Broken);
    assert_eq!(simulator.requests()[0].json(), chat("x"));
    after_fault(&simulator).await;
}

#[tokio::test]
async fn a_stream_breaks_off_without_terminator() {
    let simulator = simulator().await;
    for after in [0, 1, 5] {
        simulator.set_fault(Fault::reset_mid_stream(after).times(1));
        let answer = post(&simulator, CHAT, &streamed("x")).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.whole);
        assert_eq!(answer.data().len(), after);
        assert_eq!(
            simulator.requests().last().unwrap().outcome,
            Outcome::Broken
        );
    }
    simulator.set_fault(
        FaultKind::ResetMidStream {
            after: 2,
            rst: true,
        }
        .into(),
    );
    assert!(!post(&simulator, CHAT, &streamed("x")).await.whole);
    let unary = post(&simulator, CHAT, &chat("x")).await;
    assert!(!unary.whole && !unary.body.is_empty());
    after_fault(&simulator).await;
}

#[tokio::test]
async fn a_dead_worker_shows_as_an_error_event() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::error_event(2));
    let answer = post(&simulator, CHAT, &streamed("x")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.whole);
    let data = answer.data();
    assert_eq!(data.len(), 4);
    assert_eq!(data[3], "[DONE]");
    let error = &answer.events()[2]["error"];
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("service_unavailable"), &json!(503))
    );
    assert!(error["message"].is_string());
    post(&simulator, CHAT, &chat("x"))
        .await
        .is_flat_error(503, "");
    simulator.set_fault(
        FaultKind::ErrorEvent {
            after: 100,
            code: 504,
        }
        .into(),
    );
    let answer = post(&simulator, CHAT, &streamed("x")).await;
    assert_eq!(answer.events().last().unwrap()["error"]["code"], 504);
    assert_eq!(
        answer
            .data()
            .iter()
            .filter(|data| **data == "[DONE]")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_truncated_stream_ends_cleanly_without_done() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::truncated_stream());
    let answer = post(&simulator, CHAT, &streamed("x")).await;
    assert!(answer.whole);
    assert_eq!(answer.data().len(), 17);
    assert!(!answer.text().contains("[DONE]"));
    let answer = post(&simulator, "/v1/messages", &streamed("x")).await;
    assert_eq!(answer.names().last(), Some(&"message_delta"));
    simulator.set_fault(FaultKind::TruncatedStream { after: Some(4) }.into());
    assert_eq!(post(&simulator, CHAT, &streamed("x")).await.data().len(), 4);
}

#[tokio::test]
async fn the_first_token_is_slow() {
    let simulator = simulator().await;
    let extra = std::time::Duration::from_millis(80);
    simulator.set_fault(Fault::slow_ttft(extra));
    for body in [chat("x"), streamed("x")] {
        let start = std::time::Instant::now();
        assert_eq!(post(&simulator, CHAT, &body).await.status, 200);
        assert!(start.elapsed() >= extra);
    }
}

#[tokio::test]
async fn faults_are_set_over_http() {
    let simulator = simulator().await;
    let fault = json!({"fault": "overload529", "count": 1});
    let answer = post(&simulator, "/simulator/fault", &fault).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, fault.clone())
    );
    assert_eq!(get(&simulator, "/simulator/fault").await.json(), fault);
    assert_eq!(post(&simulator, CHAT, &chat("x")).await.status, 529);
    assert_eq!(post(&simulator, CHAT, &chat("x")).await.status, 200);
    let wrong = json!({"fault": "unheard_of"});
    post(&simulator, "/simulator/fault", &wrong)
        .await
        .is_flat_error(400, "unheard_of");
    let state = get(&simulator, "/simulator/state").await.json();
    assert_eq!(
        (&state["name"], &state["total"]),
        (&json!("frontend-a"), &json!(2))
    );
    assert_eq!(
        simulator.requests().len(),
        2,
        "control requests are not recorded"
    );
}

#[tokio::test]
async fn a_request_brings_its_own_fault() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.addr()).await;
    let with = |value: &str| {
        let mut request = request(CHAT, streamed("x").to_string());
        request
            .headers_mut()
            .insert("x-simulate", value.parse().unwrap());
        request
    };
    assert_eq!(client.send(with("overload529")).await.unwrap().status, 529);
    assert_eq!(
        client
            .send(with("truncated_stream:2"))
            .await
            .unwrap()
            .data()
            .len(),
        2
    );
    let json = r#"{"fault":"status","code":418}"#;
    assert_eq!(client.send(with(json)).await.unwrap().status, 418);
    client
        .send(with("unheard_of"))
        .await
        .unwrap()
        .is_flat_error(400, "unheard_of");
    assert_eq!(client.post(CHAT, &chat("x")).await.status, 200);

    let deaf = commutator_simulator::SimulatorConfig {
        request_faults: false,
        ..config()
    };
    let deaf = Simulator::start(deaf).await.unwrap();
    let mut client = Client::connect(deaf.addr()).await;
    assert_eq!(client.send(with("overload529")).await.unwrap().status, 200);
}
