//! CONTRACT sections 4 and 7: headers of requests and answers.

use commutator_integration::client::{CHAT, Client, Raw, chat};
use serde_json::json;

use crate::support::{REFUSING, Stage};

const DECIDING: &str = r#"
signals:
  keywords: [{name: sums, any: [sum]}]
decisions:
  - name: arithmetic
    when: {keyword: sums}
    models: [{name: math}]
    plugins:
      - system_prompt: {mode: prepend, text: Show every step.}
"#;

fn automatic(text: &str) -> serde_json::Value {
    let mut body = chat(text);
    body["model"] = json!("auto");
    body
}

fn vsr(answer: &commutator_integration::client::Answer) -> Vec<(String, String)> {
    let mut all: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-vsr-"))
        .map(|(name, value)| {
            let name = name.as_str().trim_start_matches("x-vsr-").to_owned();
            (name, value.to_str().unwrap().to_owned())
        })
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn answers_say_what_was_decided() {
    for (mode, expected) in [
        (
            "full",
            &[
                ("injected-system-prompt", "true"),
                ("matched-keywords", "sums"),
                ("response-path", "upstream"),
                ("schema-version", "2"),
                ("selected-confidence", "1.0000"),
                ("selected-decision", "arithmetic"),
                ("selected-model", "math"),
            ][..],
        ),
        (
            "minimal",
            &[
                ("response-path", "upstream"),
                ("schema-version", "2"),
                ("selected-decision", "arithmetic"),
                ("selected-model", "math"),
            ],
        ),
        ("off", &[]),
    ] {
        let stage = Stage::top(&format!("headers: {mode}\n{DECIDING}")).await;
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(CHAT, &automatic("the sum of it")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let got = vsr(&answer);
        let got: Vec<_> = got.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(got, expected, "{mode}");
        assert!(!answer.header("x-request-id").is_empty());
        // Errors too.
        let answer = client.post_bytes(CHAT, "{").await;
        let path = if mode == "off" { "" } else { "error" };
        assert_eq!(answer.header("x-vsr-response-path"), path);
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn an_answer_of_its_own_says_so() {
    let stage = Stage::top(REFUSING).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("forbidden")).await;
    assert_eq!(answer.header("x-vsr-response-path"), "fast_response");
    assert_eq!(answer.header("x-vsr-selected-decision"), "refuse");
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), length);
    assert_eq!(stage.arrived(), 0);
}

const STEERING: &str = "x-vsr-selected-model: evil\r\nX-VSR-Cache-Hit: true\r\n\
    x-dynamo-worker-id: 7\r\nX-Dynamo-Prefill-Worker: 8\r\nx-tenant-id: other\r\n\
    authorization: Bearer client-secret\r\nx-api-key: client-secret\r\n";

fn steering_body() -> String {
    json!({
        "model": "general",
        "nvext": {"backend_instance_id": 7},
        "messages": [{"role": "user", "content": "hello"}],
    })
    .to_string()
}

#[tokio::test]
async fn clients_cannot_steer_frontends() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, STEERING, &steering_body()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-vsr-selected-model"), "general");
    assert_eq!(answer.header("x-vsr-cache-hit"), "");
    let record = stage.only();
    for name in record.headers.keys() {
        let name = name.as_str();
        assert!(
            !name.starts_with("x-vsr-")
                && !name.starts_with("x-dynamo-")
                && !["x-tenant-id", "authorization", "x-api-key"].contains(&name),
            "{name}"
        );
    }
    assert_eq!(record.json().get("nvext"), None);
    assert_eq!(
        record.body,
        r#"{"model":"general","messages":[{"role":"user","content":"hello"}]}"#
    );
}

#[tokio::test]
async fn steering_can_be_allowed() {
    let stage = Stage::top("client: {pass_steering: true, pass_authorization: true}").await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, STEERING, &steering_body()).await;
    assert_eq!(client.answer().await.status, 200);
    let record = stage.only();
    assert_eq!(record.header("x-dynamo-worker-id"), Some("7"));
    assert_eq!(record.header("x-dynamo-prefill-worker"), Some("8"));
    assert_eq!(record.header("x-tenant-id"), Some("other"));
    assert_eq!(record.header("authorization"), Some("Bearer client-secret"));
    assert_eq!(record.header("x-vsr-selected-model"), None);
    assert_eq!(record.body, steering_body());
}

#[tokio::test]
async fn hop_by_hop_headers_end_here() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let headers = "connection: keep-alive, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nte: trailers\r\n\
        proxy-connection: keep-alive\r\nproxy-authorization: Basic x\r\naccept-encoding: gzip\r\n\
        x-custom: kept\r\n";
    client.post(CHAT, headers, &chat("hello").to_string()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = stage.only();
    for name in [
        "connection",
        "x-hop",
        "keep-alive",
        "te",
        "proxy-connection",
        "proxy-authorization",
        "transfer-encoding",
    ] {
        assert_eq!(record.header(name), None, "{name}");
    }
    assert_eq!(record.header("x-custom"), Some("kept"));
    assert_eq!(record.header("accept-encoding"), Some("identity"));
    assert_eq!(record.header("x-forwarded-for"), Some("127.0.0.1"));
    let length = record.body.len().to_string();
    assert_eq!(record.header("content-length"), Some(length.as_str()));
}

#[tokio::test]
async fn an_upgrade_is_not_passed_on() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let headers = "connection: upgrade\r\nupgrade: websocket\r\n";
    client.post(CHAT, headers, &chat("hello").to_string()).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = stage.only();
    assert_eq!(record.header("upgrade"), None);
    assert_eq!(record.header("connection"), None);
}

#[tokio::test]
async fn a_trace_goes_on_with_a_new_span() {
    let stage = Stage::plain().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let span = "00f067aa0ba902b7";
    for (sent, continued) in [
        (format!("traceparent: 00-{trace}-{span}-01\r\n"), true),
        (format!("traceparent: 00-{trace}-{span}-00\r\n"), true),
        (String::new(), false),
        ("traceparent: 00-zzz-1-01\r\n".to_owned(), false),
        (
            format!("traceparent: 00-{}-{span}-01\r\n", "0".repeat(32)),
            false,
        ),
        (
            format!("traceparent: 00-{trace}-{}-01\r\n", "0".repeat(16)),
            false,
        ),
    ] {
        stage.frontend().clear_requests();
        let mut client = Raw::connect(stage.gateway.addr()).await;
        let headers = format!("{sent}tracestate: vendor=1\r\nx-request-id: traced\r\n");
        client
            .post(CHAT, &headers, &chat("hello").to_string())
            .await;
        assert_eq!(client.answer().await.status, 200);
        let record = stage.only();
        let got = record.header("traceparent").unwrap().to_owned();
        let parts: Vec<_> = got.split('-').collect();
        let [version, trace_id, span_id, flags] = parts[..] else {
            panic!("{got}");
        };
        assert_eq!(version, "00");
        assert_eq!((trace_id.len(), span_id.len()), (32, 16), "{got}");
        assert_eq!(trace_id == trace, continued, "{sent}{got}");
        assert_ne!(span_id, span, "{got}");
        if continued {
            assert_eq!(flags, &sent.trim_end()[sent.trim_end().len() - 2..]);
            assert_eq!(record.header("tracestate"), Some("vendor=1"));
        }
    }
    let line = stage.gateway.access_line("traced").await;
    assert_eq!(line["trace_id"], trace);
}

#[tokio::test]
async fn request_ids_are_kept_made_or_replaced() {
    let stage = Stage::plain().await;
    let long = "i".repeat(129);
    for (sent, kept) in [
        ("abc-123_X/y=z", true),
        (&"i".repeat(128), true),
        ("", false),
        ("with space", false),
        ("tab\there", false),
        ("umlaut-\u{e4}", false),
        (&long, false),
    ] {
        stage.frontend().clear_requests();
        let mut client = Raw::connect(stage.gateway.addr()).await;
        let header = format!("x-request-id: {sent}\r\n");
        client.post(CHAT, &header, &chat("hello").to_string()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{sent}");
        let ids: Vec<_> = answer.headers.get_all("x-request-id").iter().collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let id = answer.header("x-request-id");
        assert_eq!(id == sent, kept, "{sent}: {id}");
        if !kept {
            assert_eq!(id.len(), 36, "{id}");
            assert_eq!(id.as_bytes()[14], b'7', "{id}");
        }
        assert_eq!(stage.only().header("x-request-id"), Some(id));
    }
    // Absent.
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("hello")).await;
    assert_eq!(answer.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn what_is_given_twice_goes_upstream_once() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let headers = "x-request-id: one\r\nx-request-id: two\r\nx-forwarded-for: 192.0.2.7\r\n\
        traceparent: x\r\ntraceparent: y\r\ncontent-type: application/json\r\n";
    let path = format!("{CHAT}?trace=1&x=%2F");
    client
        .post(&path, headers, &chat("hello").to_string())
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = stage.only();
    for name in [
        "x-request-id",
        "traceparent",
        "content-type",
        "content-length",
        "host",
    ] {
        assert_eq!(record.headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(record.header("x-request-id"), Some("one"));
    assert_eq!(answer.header("x-request-id"), "one");
    let forwarded: Vec<_> = record
        .headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap().split(", "))
        .collect();
    assert_eq!(forwarded, ["192.0.2.7", "127.0.0.1"]);
    assert_eq!(record.query.as_deref(), Some("trace=1&x=%2F"));
}
