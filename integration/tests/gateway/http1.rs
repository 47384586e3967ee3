//! HTTP/1.1 downstream.

use std::time::Duration;

use commutator_integration::client::{CHAT, Client, Raw, chat, streamed};
use commutator_integration::gateway::GatewayOptions;
use serde_json::json;

use crate::support::{REFUSING, Stage};

#[tokio::test]
async fn one_connection_carries_answers_and_errors_in_turn() {
    let stage = Stage::with(1, |policy| policy.top(REFUSING), GatewayOptions::default()).await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let good = chat("hello").to_string();
    let blocked = chat("something forbidden").to_string();
    let blocked_stream = streamed("something forbidden").to_string();
    for (path, headers, body, status) in [
        (CHAT, "", good.as_str(), 200),
        (CHAT, "", "{", 400),
        (CHAT, "", blocked.as_str(), 200),
        (
            CHAT,
            "",
            r#"{"model":"nobody","messages":[{"role":"user","content":"x"}]}"#,
            404,
        ),
        (CHAT, "", blocked_stream.as_str(), 200),
        ("/unknown", "", "", 404),
        (CHAT, "x-simulate: status:500\r\n", good.as_str(), 500),
        (CHAT, "x-simulate: status:429\r\n", good.as_str(), 429),
        (CHAT, "", good.as_str(), 200),
    ] {
        client.post(path, headers, body).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        assert_ne!(answer.header("connection"), "close", "{path} {body}");
    }
}

#[tokio::test]
async fn streams_and_whole_answers_share_a_connection() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for _ in 0..3 {
        let answer = client.post(CHAT, &chat("hello")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["model"], json!("org/math-8b"));
        let answer = client.post(CHAT, &streamed("hello")).await;
        assert_eq!(answer.data().last(), Some(&"[DONE]"));
    }
    assert_eq!(stage.arrived(), 6);
}

#[tokio::test]
async fn a_body_that_was_refused_does_not_become_the_next_request() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    // The body of the refused request reads like a request.
    let body = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let length = body.len();
    client
        .send(format!(
            "POST /unknown HTTP/1.1\r\nhost: gateway\r\ncontent-length: {length}\r\n\r\n"
        ))
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 404);
    client.send(body).await;
    let rest = client.rest().await;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn chunked_bodies_are_joined() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = r#"{"model":"general","messages":[{"role":"user","content":"hello"}]}"#;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n"
        ))
        .await;
    for piece in body.as_bytes().chunks(7) {
        client
            .send(format!("{:x};extension=1\r\n", piece.len()))
            .await;
        client.send(piece).await;
        client.send("\r\n").await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let record = stage.only();
    assert_eq!(record.body, body);
    assert_eq!(
        record.header("content-length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(record.header("transfer-encoding"), None);
    // And the connection lives on.
    client.post(CHAT, "", body).await;
    assert_eq!(client.answer().await.status, 200);
}

/// A chunk's size line that comes alone is a read without data: neither the body's end nor too much of it.
#[tokio::test]
async fn a_chunked_body_may_come_in_any_pieces() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = r#"{"model":"general","messages":[{"role":"user","content":"hello"}]}"#;
    let (before, after) = body.split_at(20);
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let pieces = [
        head.as_str(),
        "14",
        "\r\n",
        before,
        "\r\n",
        &format!("{:x}\r\n", after.len()),
        after,
        "\r\n0\r\n",
        "\r\n",
    ];
    for piece in pieces {
        client.send(piece).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(stage.only().body, body);
    client.post(CHAT, "", body).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn continue_comes_before_the_body_is_sent() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = chat("hello").to_string();
    let length = body.len();
    for _ in 0..2 {
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
                 expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(client.head().await.status, 100);
        client.send(&body).await;
        assert_eq!(client.answer().await.status, 200);
    }
    for record in stage.frontend().requests() {
        assert_eq!(record.header("expect"), None);
    }
}

#[tokio::test]
async fn a_refused_expectation_gets_no_continue() {
    let stage = Stage::plain().await;
    for (path, length, status) in [(CHAT, 45 * 1024 * 1024 + 1, 413), ("/unknown", 10, 404)] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
                 expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
            ))
            .await;
        assert_eq!(client.head().await.status, status);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let first = chat("first").to_string();
    let second = streamed("second").to_string();
    let mut both = String::new();
    for (body, id) in [(&first, "one"), (&second, "two"), (&first, "three")] {
        both.push_str(&format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             x-request-id: {id}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    client.send(both).await;
    for id in ["one", "two", "three"] {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert_eq!(answer.header("x-request-id"), id);
    }
}

#[tokio::test]
async fn a_second_request_while_the_first_runs_waits_for_it() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = chat("hello").to_string();
    client
        .post(
            CHAT,
            "x-simulate: slow_ttft:200\r\nx-request-id: one\r\n",
            &body,
        )
        .await;
    stage.arrive(1).await;
    client.post(CHAT, "x-request-id: two\r\n", &body).await;
    for id in ["one", "two"] {
        let answer = client.answer().await;
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert_eq!(answer.header("x-request-id"), id);
    }
}

#[tokio::test]
async fn http_1_0_is_served_and_closed() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = chat("hello").to_string();
    let length = body.len();
    client
        .send(format!(
            "POST {CHAT} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    let head = client.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), "");
    assert!(!client.rest().await.is_empty());
}

#[tokio::test]
async fn connection_close_is_obeyed() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = chat("hello").to_string();
    client.post(CHAT, "connection: close\r\n", &body).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert!(client.rest().await.is_empty());
    assert_eq!(stage.only().header("connection"), None);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let options = GatewayOptions {
        bootstrap: "limits: {keepalive: 1s}".into(),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy, options).await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &chat("hello").to_string()).await;
    assert_eq!(client.answer().await.status, 200);
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn methods_and_paths() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    for (line, status, allow) in [
        ("GET /v1/chat/completions", 405, "POST"),
        ("PUT /v1/chat/completions", 405, "POST"),
        ("OPTIONS /v1/chat/completions", 405, "POST"),
        ("DELETE /v1/models", 405, "GET, HEAD"),
        ("GET /", 404, ""),
        ("GET /v2/chat/completions", 404, ""),
        ("GET /metrics", 404, ""),
        ("GET //v1/models", 404, ""),
    ] {
        client
            .send(format!("{line} HTTP/1.1\r\nhost: gateway\r\n\r\n"))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
        let code = if status == 405 {
            "method_not_allowed"
        } else {
            "not_found"
        };
        answer.is_error(status, code);
    }
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn head_has_headers_only() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    for path in ["/v1/models", "/health", "/live"] {
        client
            .send(format!("HEAD {path} HTTP/1.1\r\nhost: gateway\r\n\r\n"))
            .await;
        let head = client.head().await;
        assert_eq!(head.status, 200, "{path}");
        assert_ne!(head.header("content-length"), "0", "{path}");
    }
    assert!(client.within(Duration::from_millis(100)).await.is_empty());
    client
        .send("GET /live HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn wrong_content_types_are_refused_and_json_ones_taken() {
    let stage = Stage::plain().await;
    let body = chat("hello").to_string();
    for (content_type, status) in [
        ("content-type: text/plain\r\n", 415),
        ("content-type: multipart/form-data; boundary=x\r\n", 415),
        ("content-type: application/json; charset=utf-8\r\n", 200),
        ("content-type: Application/JSON\r\n", 200),
        ("", 200),
    ] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\n{content_type}content-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{content_type}: {}", answer.text());
        if status == 415 {
            answer.is_error(415, "unsupported_media_type");
        }
    }
}
