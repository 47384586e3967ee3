//! Requests that are broken, or meant to break something.

use std::fmt::Write as _;

use commutator_integration::client::{CHAT, Client, Raw, chat, full, post};
use rstest::rstest;

use crate::support::Stage;

fn body() -> String {
    chat("hello").to_string()
}

#[rstest]
#[case::length_and_chunked("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")]
#[case::chunked_and_length("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n")]
#[case::two_different_lengths("content-length: 2\r\ncontent-length: 3\r\n", "{}")]
#[case::two_equal_lengths("content-length: 2\r\ncontent-length: 2\r\n", "{}")]
#[case::a_list_of_lengths("content-length: 2, 3\r\n", "{}")]
#[case::a_negative_length("content-length: -1\r\n", "{}")]
#[case::a_signed_length("content-length: +2\r\n", "{}")]
#[case::no_number("content-length: two\r\n", "{}")]
#[case::a_length_beyond_64_bits("content-length: 99999999999999999999999\r\n", "{}")]
#[case::unknown_coding("transfer-encoding: gzip\r\n", "{}")]
#[case::chunked_twice("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n")]
#[case::chunked_not_last("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n")]
#[case::a_bad_chunk_size("transfer-encoding: chunked\r\n", "xyz\r\n{}\r\n0\r\n\r\n")]
#[case::a_huge_chunk_size(
    "transfer-encoding: chunked\r\n",
    "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"
)]
#[tokio::test]
async fn unclear_lengths_are_refused_and_the_connection_closes(
    #[case] framing: &str,
    #[case] rest: &str,
) {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n{framing}\r\n{rest}"
        ))
        .await;
    // What was smuggled, if it were taken for a request.
    client
        .send("GET /live HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await;
    if let Some(head) = client.try_head().await {
        assert!(matches!(head.status, 400 | 413 | 501), "{head:?}");
    }
    let rest = client.rest().await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("HTTP/1.1"), "a second answer: {rest}");
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn many_headers_and_large_ones_are_refused() {
    let stage = Stage::plain().await;
    let mut many = String::new();
    for index in 0..120 {
        let _ = write!(many, "x-{index}: 1\r\n");
    }
    let huge = format!("x-huge: {}\r\n", "h".repeat(70 * 1024));
    for headers in [many, huge] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client.post(CHAT, &headers, &body()).await;
        let answer = client.answer().await;
        answer.is_error(431, "headers_too_large");
    }
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn header_bombs_close_the_connection() {
    let stage = Stage::plain().await;
    let many = "x: 1\r\n".repeat(5_000);
    let huge = format!("x-huge: {}\r\n", "h".repeat(3 << 20));
    let name = format!("x-{}: 1\r\n", "n".repeat(70 * 1024));
    for headers in [many, huge, name] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client.post(CHAT, &headers, &body()).await;
        if let Some(head) = client.try_head().await {
            assert!(matches!(head.status, 400 | 431), "{head:?}");
        }
        client.rest().await;
    }
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn many_headers_over_h2c_are_refused() {
    let stage = Stage::plain().await;
    let mut client = Client::h2c(stage.gateway.addr()).await;
    let mut request = post(CHAT, full(body()));
    for index in 0..120 {
        let name = http::HeaderName::try_from(format!("x-{index}")).unwrap();
        request.headers_mut().insert(name, "1".parse().unwrap());
    }
    let answer = client.send(request).await.unwrap();
    answer.is_error(431, "headers_too_large");
    assert_eq!(client.post_bytes(CHAT, body()).await.status, 200);
    assert_eq!(stage.arrived(), 1);
}

#[tokio::test]
async fn tunnels_are_refused() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .send("CONNECT elsewhere:443 HTTP/1.1\r\nhost: elsewhere:443\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status, 405);
    client.rest().await;
}

#[tokio::test]
async fn a_slow_head_holds_up_nobody_else() {
    let stage = Stage::plain().await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client
            .send("POST /v1/chat/completions HTTP/1.1\r\nhost: ")
            .await;
        slow.push(client);
    }
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &body()).await;
    assert_eq!(client.answer().await.status, 200);
    // Nothing is counted as a request before its head is there.
    stage.gateway.idle().await;
    // And a slow head that does arrive is served.
    let rest = format!(
        "gateway\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
        body().len(),
        body()
    );
    slow[0].send(rest).await;
    assert_eq!(slow[0].answer().await.status, 200);
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let stage = Stage::bootstrap("limits: {body_timeout: 400ms}").await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             content-length: 1000\r\n\r\n"
        ))
        .await;
    // A byte now and then keeps no deadline off that is about the whole.
    let sending = async {
        for _ in 0..1000 {
            client.send(" ").await;
            let came = client.within(std::time::Duration::from_millis(20)).await;
            if !came.is_empty() {
                return String::from_utf8_lossy(&came).into_owned();
            }
        }
        panic!("never given up");
    };
    let answer = sending.await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(stage.arrived(), 0);
}

#[rstest]
#[case::no_http("hello\r\n\r\n")]
#[case::binary("\u{1}\u{2}\u{3}\u{0}\r\n\r\n")]
#[case::tls_to_the_clear_port("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}")]
#[case::no_version("GET /live\r\n\r\n")]
#[case::a_space_in_the_target("GET /li ve HTTP/1.1\r\nhost: x\r\n\r\n")]
#[case::a_bad_header("GET /live HTTP/1.1\r\nbad header: 1\r\n\r\n")]
#[case::a_folded_header("GET /live HTTP/1.1\r\nhost: x\r\nx-a: 1\r\n 2\r\n\r\n")]
#[case::a_nul_in_a_header("GET /live HTTP/1.1\r\nhost: x\r\nx-a: 1\u{0}2\r\n\r\n")]
#[case::http_9("GET /live HTTP/9.9\r\nhost: x\r\n\r\n")]
#[tokio::test]
async fn garbage_gets_400_or_nothing(#[case] bytes: &str) {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.send(bytes).await;
    client.half_close().await;
    if let Some(head) = client.try_head().await {
        // A target with a space is one more unknown path to Pingora.
        assert!(matches!(head.status, 400 | 404 | 505), "{head:?}");
    }
    client.rest().await;
    // And the gateway lives.
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &body()).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn an_absolute_target_is_its_path() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .post(&format!("http://gateway{CHAT}"), "", &body())
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // One that contradicts the host header is refused.
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .post(&format!("http://elsewhere{CHAT}"), "", &body())
        .await;
    assert_eq!(client.answer().await.status, 400);
    let record = stage.only();
    assert_eq!(record.path, CHAT);
    // The gateway decides where a request goes, never the request.
    let host = stage.frontend().addr().to_string();
    assert_eq!(record.header("host"), Some(host.as_str()));
}

#[rstest]
#[case("/v1/../simulator/fault")]
#[case("/v1/%2e%2e/simulator/fault")]
#[case("/v1/%2E%2e%2fsimulator/fault")]
#[case("/v1/chat/../../simulator/fault")]
#[case("/v1/./chat/completions")]
#[case("/v1//simulator/fault")]
#[case("/v1/..%5csimulator/fault")]
#[case("/v1/x/..;/simulator/fault")]
#[case("/V1/chat/completions")]
#[case("//v1/chat/completions")]
#[case("/../v1/chat/completions")]
#[case("/simulator/fault")]
#[tokio::test]
async fn paths_that_lead_elsewhere_are_unknown(#[case] path: &str) {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(path, "", &body()).await;
    let answer = client.answer().await;
    answer.is_error(404, "not_found");
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn deep_and_wide_json_is_refused_without_harm() {
    let stage = Stage::plain().await;
    let deep = format!(
        r#"{{"model":"math","messages":[{{"role":"user","content":"x"}}],"x":{}1{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let wide = format!(
        r#"{{"model":"math","messages":[{{"role":"user","content":"x"}}],"x":[{}{{}}]}}"#,
        "{},".repeat(2_000_000)
    );
    for body in [deep, wide] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        client.post(CHAT, "", &body).await;
        client.answer().await.is_error(400, "invalid_json");
    }
    assert_eq!(stage.arrived(), 0);
}
