//! Prompts stay out of everything that the process writes and shows.

use std::time::Duration;

use commutator_integration::client::{CHAT, Client, Raw, chat, streamed};
use commutator_integration::gateway::GatewayOptions;
use commutator_simulator::Fault;
use serde_json::{Value, json};

use crate::support::{REFUSING, Stage};

const MARKER: &str = "zanzibar-4711-quokka";

fn requests() -> Vec<(&'static str, Value)> {
    let text = format!("please tell {MARKER} something");
    let mut forbidden = chat(&format!("forbidden {MARKER}"));
    forbidden["stream"] = json!(true);
    vec![
        (CHAT, chat(&text)),
        (CHAT, streamed(&text)),
        (CHAT, forbidden),
        (
            CHAT,
            json!({"model": "math", "messages": [{"role": MARKER, "content": "x"}]}),
        ),
        (CHAT, json!({"model": "math", "messages": MARKER})),
        (
            CHAT,
            json!({"model": "math", "stream": MARKER, "messages": []}),
        ),
        (
            CHAT,
            json!({"model": "math", "unknown": MARKER, "messages": [{"role": "user", "content": text}]}),
        ),
        (
            "/v1/completions",
            json!({"model": "general", "prompt": text}),
        ),
        (
            "/v1/embeddings",
            json!({"model": "general", "input": [text]}),
        ),
        (
            "/v1/responses",
            json!({"model": "general", "input": text, "stream": true}),
        ),
        (
            "/v1/messages",
            json!({"model": "general", "max_tokens": 5, "system": text,
                "messages": [{"role": "user", "content": text}]}),
        ),
        (
            "/v1/rerank",
            json!({"model": "general", "query": text, "documents": [text]}),
        ),
        ("/v1/whatever", json!({"model": "general", "prompt": text})),
    ]
}

#[tokio::test]
async fn no_prompt_is_written_or_shown_anywhere() {
    let options = GatewayOptions {
        bootstrap: "log: {level: debug}\nlimits: {body: 1MiB, body_timeout: 300ms}".into(),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(
        1,
        |policy| {
            policy.top(REFUSING).cluster(
                "ejection: {consecutive_errors: 0}\ntimeouts: {first_byte: 300ms, idle: 300ms}",
            )
        },
        options,
    )
    .await;
    let mut sent = 0;
    for fault in [
        Fault::none(),
        Fault::overload(),
        Fault::status(500),
        Fault::close_before_response(),
        Fault::hang_before_headers(),
        Fault::hang_mid_stream(1),
        Fault::reset_mid_stream(1),
        Fault::error_event(1),
        Fault::truncated_stream(),
        Fault::no_workers(),
    ] {
        stage.frontend().set_fault(fault.clone());
        // The slow ones with one request of each kind of answer only.
        let slow = fault == Fault::hang_before_headers() || fault == Fault::hang_mid_stream(1);
        for (path, body) in requests()
            .into_iter()
            .take(if slow { 2 } else { usize::MAX })
        {
            let mut client = Client::h1(stage.gateway.addr()).await;
            let answer = client.post(path, &body).await;
            assert!(
                !answer.text().contains(MARKER),
                "{path} {body}: {}",
                answer.text()
            );
            for (name, value) in &answer.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(!value.contains(MARKER), "{name}: {value}");
            }
            sent += 1;
        }
    }
    stage.frontend().set_fault(Fault::none());
    broken(&stage).await;
    let explained = stage
        .gateway
        .admin("POST", "/explain", &requests()[2].1.to_string())
        .await;
    assert!(!explained.text().contains(MARKER), "{}", explained.text());

    eventually_logged(&stage, sent).await;
    for path in ["/metrics", "/status", "/policy"] {
        let page = stage.gateway.admin("GET", path, "").await;
        assert!(!page.text().contains(MARKER), "{path}");
    }
    for text in [stage.gateway.stdout(), stage.gateway.stderr()] {
        let line = text.lines().find(|line| line.contains(MARKER));
        assert_eq!(line, None);
    }
    // The test would be blind if the marker had not reached the frontend, or nothing had been captured.
    let records = stage.frontend().requests();
    let needle = MARKER.as_bytes();
    assert!(records.iter().any(|r| memmem(&r.body, needle)));
    assert!(stage.gateway.stderr().contains("INFO"));
}

fn memmem(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Bodies that are no JSON, no HTTP, too long, or stop short.
async fn broken(stage: &Stage) {
    let long = MARKER.repeat(100_000);
    let length = long.len();
    let head =
        format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n");
    for bytes in [
        format!("{head}content-length: 30\r\n\r\n{MARKER}..........\r\n\r\n"),
        format!("{head}content-length: {length}\r\n\r\n{long}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n{MARKER}\r\n"),
        format!("{head}content-length: 5000\r\n\r\n{{\"model\":\"{MARKER}"),
        format!("{head}{MARKER} {MARKER}\r\n\r\n"),
    ] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client.send(bytes).await;
        let came = client.within(Duration::from_secs(2)).await;
        assert!(
            !memmem(&came, MARKER.as_bytes()),
            "{}",
            String::from_utf8_lossy(&came)
        );
    }
}

async fn eventually_logged(stage: &Stage, count: usize) {
    commutator_integration::wait::eventually("all requests are logged", || {
        stage.gateway.access_log().len() >= count
    })
    .await;
}
