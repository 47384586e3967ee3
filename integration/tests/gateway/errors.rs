//! CONTRACT section 6: every error has its status, code and form, for OpenAI's clients and for Anthropic's.

use commutator_integration::client::{Answer, CHAT, Client, chat, streamed};
use commutator_integration::frontend::{Refusing, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use commutator_integration::wait::find;
use commutator_simulator::Fault;
use serde_json::{Value, json};

use crate::support::Stage;

const MESSAGES: &str = "/v1/messages";

/// A request that both APIs understand.
fn request(path: &str) -> Value {
    let mut body = chat("hello");
    if path == MESSAGES {
        body["max_tokens"] = json!(16);
    }
    body
}

/// Checks an error in the form of the API that was asked.
#[track_caller]
fn check(answer: &Answer, path: &str, status: u16, code: &str, param: Option<&str>) {
    let error = if path.starts_with(MESSAGES) {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/json");
        let body = answer.json();
        assert_eq!(body["type"], "error", "{body}");
        let error = body["error"].clone();
        assert_eq!(error["code"], code, "{body}");
        assert!(error["type"].is_string() && error["message"].is_string());
        error
    } else {
        answer.is_error(status, code)
    };
    assert_eq!(error["param"], json!(param), "{error}");
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), length);
    assert!(!answer.header("x-request-id").is_empty());
    if status == 503 || status == 429 {
        let seconds: u32 = answer.header("retry-after").parse().expect("retry-after");
        assert!(seconds > 0);
    }
}

#[tokio::test]
async fn malformed_requests_name_what_is_wrong() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for path in [CHAT, MESSAGES] {
        for (body, status, code, param) in [
            ("", 400, "invalid_json", None),
            ("{", 400, "invalid_json", None),
            ("{} {}", 400, "invalid_json", None),
            (
                r#"{"model":"math","model":"math"}"#,
                400,
                "invalid_json",
                None,
            ),
            ("{\"model\":\"ma\u{0}th\"}", 400, "invalid_json", None),
            ("[]", 400, "invalid_request", None),
            ("\"text\"", 400, "invalid_request", None),
            ("null", 400, "invalid_request", None),
            ("{}", 400, "invalid_request", Some("model")),
            (
                r#"{"model":7,"messages":[]}"#,
                400,
                "invalid_request",
                Some("model"),
            ),
            (
                r#"{"model":"math"}"#,
                400,
                "invalid_request",
                Some("messages"),
            ),
            (
                r#"{"model":"math","messages":"hello"}"#,
                400,
                "invalid_request",
                Some("messages"),
            ),
            (
                r#"{"model":"math","messages":[]}"#,
                400,
                "invalid_request",
                Some("messages"),
            ),
            (
                r#"{"model":"math","messages":[1]}"#,
                400,
                "invalid_request",
                Some("messages"),
            ),
            (
                r#"{"model":"math","messages":[{"role":"user","content":"x"},"x"]}"#,
                400,
                "invalid_request",
                Some("messages[1]"),
            ),
            (
                r#"{"model":"math","messages":[{"content":"x"}]}"#,
                400,
                "invalid_request",
                Some("messages[0].role"),
            ),
            (
                r#"{"model":"math","messages":[{"role":"king","content":"x"}]}"#,
                400,
                "invalid_request",
                Some("messages[0].role"),
            ),
            (
                r#"{"model":"math","stream":"yes","messages":[{"role":"user","content":"x"}]}"#,
                400,
                "invalid_request",
                Some("stream"),
            ),
            (
                r#"{"model":"nobody","messages":[{"role":"user","content":"x"}]}"#,
                404,
                "model_not_found",
                Some("model"),
            ),
        ] {
            let answer = client.post_bytes(path, body).await;
            check(&answer, path, status, code, param);
            assert_eq!(answer.header("x-vsr-response-path"), "error", "{body}");
        }
        // Not UTF-8.
        let answer = client.post_bytes(path, &b"{\"model\":\"\xff\"}"[..]).await;
        check(&answer, path, 400, "invalid_json", None);
    }
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn what_a_frontend_answers_gets_the_same_form() {
    let stage = Stage::cluster(1, "ejection: {consecutive_errors: 0}").await;
    for path in [CHAT, MESSAGES] {
        for (status, code, param) in [
            (400, "invalid_request", None),
            (401, "invalid_api_key", None),
            (403, "forbidden", None),
            (413, "request_too_large", None),
            (422, "invalid_request", None),
            (429, "rate_limit_exceeded", None),
            (431, "headers_too_large", None),
            (500, "upstream_error", None),
            (501, "upstream_error", None),
            (504, "upstream_timeout", None),
        ] {
            stage.frontend().set_fault(Fault::status(status));
            for stream in [false, true] {
                let mut body = request(path);
                body["stream"] = json!(stream);
                let mut client = Client::h1(stage.gateway.addr()).await;
                let answer = client.post(path, &body).await;
                check(&answer, path, status, code, param);
            }
        }
    }
    // A status that is none for clients.
    stage.frontend().set_fault(Fault::overload());
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &request(CHAT)).await;
    check(&answer, CHAT, 503, "upstream_overloaded", None);
}

#[tokio::test]
async fn no_ready_frontend() {
    let stage = Stage::cluster(1, "readiness: {interval: 50ms}").await;
    for model in TestPolicy::MODELS {
        assert!(stage.frontend().set_ready(model, false));
    }
    find("the gateway is not ready", || async {
        let answer = stage.gateway.admin("GET", "/readyz", "").await;
        (answer.status == 503).then_some(())
    })
    .await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    assert_eq!(client.get("/health").await.status, 503);
    assert_eq!(client.get("/live").await.status, 200);
    for path in [CHAT, MESSAGES, "/v1/embeddings"] {
        let mut client = Client::h1(stage.gateway.addr()).await;
        let mut body = request(path);
        body["input"] = json!("hello");
        let answer = client.post(path, &body).await;
        check(&answer, path, 503, "no_upstream", None);
    }
    assert_eq!(stage.arrived(), 0);
    for model in TestPolicy::MODELS {
        stage.frontend().set_ready(model, true);
    }
    find("the gateway is ready again", || async {
        let mut client = Client::h1(stage.gateway.addr()).await;
        (client.get("/health").await.status == 200).then_some(())
    })
    .await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    assert_eq!(client.post(CHAT, &request(CHAT)).await.status, 200);
}

#[tokio::test]
async fn overloaded_and_queue_full() {
    let stage = Stage::cluster(1, "limits: {max_in_flight: 1, queue: {max: 0}}").await;
    stage
        .frontend()
        .set_fault(Fault::hang_before_headers().times(1));
    let mut first = Client::h1(stage.gateway.addr()).await;
    let body = chat("hello");
    let held = tokio::spawn(async move { first.post(CHAT, &body).await });
    stage.arrive(1).await;
    for path in [CHAT, MESSAGES] {
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(path, &request(path)).await;
        check(&answer, path, 503, "upstream_overloaded", None);
    }
    held.abort();
    stage.frontend().set_fault(Fault::overload());
    find("the place is free", || async {
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(CHAT, &request(CHAT)).await;
        check(&answer, CHAT, 503, "upstream_overloaded", None);
        (stage.arrived() > 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn queue_deadline() {
    let stage = Stage::cluster(
        1,
        "limits: {max_in_flight: 1, queue: {max: 8, deadline: 200ms}}",
    )
    .await;
    stage.frontend().set_fault(Fault::hang_before_headers());
    let mut first = Client::h1(stage.gateway.addr()).await;
    let held = tokio::spawn(async move { first.post(CHAT, &chat("hello")).await });
    stage.arrive(1).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &request(CHAT)).await;
    check(&answer, CHAT, 503, "upstream_overloaded", None);
    held.abort();
}

#[tokio::test]
async fn unreachable() {
    let refusing = Refusing::new().unwrap();
    let policy = TestPolicy::new(&[refusing.addr])
        .cluster(UNPROBED)
        .cluster("ejection: {consecutive_connect_failures: 0}");
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    for path in [CHAT, MESSAGES] {
        let mut client = Client::h1(gateway.addr()).await;
        let answer = client.post(path, &request(path)).await;
        check(&answer, path, 502, "upstream_unreachable", None);
    }
}

#[tokio::test]
async fn no_first_byte() {
    let stage = Stage::cluster(1, "timeouts: {first_byte: 300ms}").await;
    stage.frontend().set_fault(Fault::hang_before_headers());
    for path in [CHAT, MESSAGES] {
        for stream in [false, true] {
            let mut body = request(path);
            body["stream"] = json!(stream);
            let mut client = Client::h1(stage.gateway.addr()).await;
            let answer = client.post(path, &body).await;
            check(&answer, path, 504, "upstream_timeout", None);
        }
    }
    commutator_integration::wait::eventually("nothing is left running upstream", || {
        stage.frontend().active() == 0
    })
    .await;
}

#[tokio::test]
async fn the_total_time_is_over() {
    let stage = Stage::cluster(1, "timeouts: {total: 400ms}").await;
    stage.frontend().set_pace(commutator_simulator::Pace {
        inter_token: std::time::Duration::from_millis(20),
        tokens: 10_000,
        ..commutator_simulator::Pace::default()
    });
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    answer.ends_with_error("upstream_timeout");
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("hello")).await;
    check(&answer, CHAT, 504, "upstream_timeout", None);
}
