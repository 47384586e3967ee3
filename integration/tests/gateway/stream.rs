//! Streams: whole events, at once, and never a silent end.

use std::time::Duration;

use commutator_integration::client::{CHAT, Client, Raw, full, post, streamed};
use commutator_integration::gateway::Gateway;
use commutator_simulator::{Fault, FaultKind};
use rstest::rstest;
use serde_json::{Value, json};

use crate::answers::by_hand;
use crate::support::Stage;

/// An event of a chat stream.
fn event(text: &str) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "org/math-8b",
        "choices": [{"index": 0, "delta": {"content": text}}],
    });
    format!("data: {chunk}\n\n")
}

#[rstest]
#[case::h1(false)]
#[case::h2c(true)]
#[tokio::test]
async fn each_event_arrives_before_the_next_is_sent(#[case] h2: bool) {
    let (gateway, frontend) = by_hand().await;
    let mut client = match h2 {
        true => Client::h2c(gateway.addr()).await,
        false => Client::h1(gateway.addr()).await,
    };
    let request = post(CHAT, full(streamed("hello").to_string()));
    let (opened, exchange) = tokio::join!(client.open(request), async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        exchange
    });
    let (mut opened, mut exchange) = (opened.unwrap(), exchange);
    assert_eq!(opened.headers["content-type"], "text/event-stream");
    assert_eq!(opened.headers.get("content-length"), None);
    for index in 0..5 {
        exchange.chunk(&event(&format!("token-{index}."))).await;
        opened.until(&format!("token-{index}.")).await;
    }
    exchange.chunk("data: [DONE]\n\n").await;
    exchange.end().await;
    let answer = opened.collect().await;
    assert!(answer.whole);
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
}

#[tokio::test]
async fn an_event_in_pieces_arrives_whole() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Raw::connect(gateway.addr()).await;
    client.post(CHAT, "", &streamed("hello").to_string()).await;
    let mut exchange = frontend.request().await;
    exchange.stream_head().await;
    assert_eq!(client.head().await.status, 200);
    let whole = event("in pieces, with \u{e9} and \u{1f600}");
    for (index, piece) in whole.as_bytes().chunks(11).enumerate() {
        // Also in the middle of a character, of a line, and of the empty line at the end.
        exchange
            .connection
            .send(format!("{:x}\r\n", piece.len()))
            .await;
        exchange.connection.send(piece).await;
        exchange.connection.send("\r\n").await;
        if index == 3 {
            let early = client.within(Duration::from_millis(100)).await;
            assert!(early.is_empty(), "{}", String::from_utf8_lossy(&early));
        }
    }
    let chunk = client.chunk().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&chunk), whole);
    // Two events and a half in one piece: the two come.
    let [a, b, c] = ["a", "b", "c"].map(event);
    let (start, rest) = c.split_at(20);
    exchange.chunk(&format!("{a}{b}{start}")).await;
    let mut got = String::new();
    while got.len() < a.len() + b.len() {
        got.push_str(&String::from_utf8_lossy(&client.chunk().await.unwrap()));
    }
    assert_eq!(got, format!("{a}{b}"));
    exchange.chunk(&format!("{rest}data: [DONE]\n\n")).await;
    exchange.end().await;
    let mut got = String::new();
    loop {
        let chunk = client.chunk().await.unwrap();
        if chunk.is_empty() {
            break;
        }
        got.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert_eq!(got, format!("{c}data: [DONE]\n\n"));
}

#[tokio::test]
async fn comments_and_other_line_ends_pass() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Raw::connect(gateway.addr()).await;
    client.post(CHAT, "", &streamed("hello").to_string()).await;
    let mut exchange = frontend.request().await;
    exchange.stream_head().await;
    assert_eq!(client.head().await.status, 200);
    // A comment keeps a connection alive: it must not wait for an event.
    exchange.chunk(": keep-alive\n\n").await;
    assert_eq!(client.chunk().await.unwrap(), ": keep-alive\n\n");
    let windows = "event: x\r\ndata: {\"a\":1}\r\n\r\n";
    exchange.chunk(windows).await;
    assert_eq!(client.chunk().await.unwrap(), windows);
    exchange.chunk("data: [DONE]\n\n").await;
    exchange.end().await;
    assert_eq!(client.chunk().await.unwrap(), "data: [DONE]\n\n");
    assert!(client.chunk().await.unwrap().is_empty());
}

/// Metrics of streams that broke, by kind.
async fn stream_errors(gateway: &Gateway, kind: &str) -> f64 {
    let metrics = gateway.metrics().await;
    metrics.sum("stream_errors_total", &[("kind", kind)])
}

#[tokio::test]
async fn an_error_event_passes_and_is_counted() {
    let stage = Stage::plain().await;
    stage.frontend().set_fault(Fault::error_event(2));
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    assert!(answer.whole);
    let errors: Vec<_> = answer
        .events()
        .into_iter()
        .filter(|event| event.get("error").is_some())
        .collect();
    // The frontend's own, once.
    assert_eq!(errors.len(), 1, "{}", answer.text());
    assert_eq!(errors[0]["error"]["code"], 503);
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    assert_eq!(answer.data().iter().filter(|d| **d == "[DONE]").count(), 1);
    let kind = "upstream_error_event";
    stage
        .gateway
        .metric_reaches("stream_errors_total", &[("kind", kind)], 1.0)
        .await;
    let id = answer.header("x-request-id").to_owned();
    let line = stage.gateway.access_line(&id).await;
    assert_eq!(
        (&line["code"], &line["complete"]),
        (&json!(kind), &json!(false))
    );
}

#[rstest]
#[case::without_its_end(Fault::truncated_stream())]
#[case::in_the_middle(FaultKind::TruncatedStream { after: Some(3) }.into())]
#[case::at_the_start(FaultKind::TruncatedStream { after: Some(0) }.into())]
#[case::closed(Fault::reset_mid_stream(3))]
#[case::closed_at_the_start(Fault::reset_mid_stream(0))]
#[case::reset(FaultKind::ResetMidStream { after: 3, rst: true }.into())]
#[tokio::test]
async fn a_stream_that_breaks_off_says_so(
    #[case] fault: Fault,
    #[values("h1", "h2c")] downstream: &str,
    #[values("h1", "h2c")] upstream: &str,
) {
    let stage = Stage::cluster(
        1,
        &format!("protocol: {upstream}\nejection: {{consecutive_errors: 0}}"),
    )
    .await;
    stage.frontend().set_fault(fault);
    let mut client = match downstream {
        "h1" => Client::h1(stage.gateway.addr()).await,
        _ => Client::h2c(stage.gateway.addr()).await,
    };
    let answer = client.post(CHAT, &streamed("hello")).await;
    answer.ends_with_error("upstream_disconnected");
    let kind = "upstream_disconnected";
    stage
        .gateway
        .metric_reaches("stream_errors_total", &[("kind", kind)], 1.0)
        .await;
    let id = answer.header("x-request-id").to_owned();
    let line = stage.gateway.access_line(&id).await;
    assert_eq!(
        (&line["code"], &line["complete"]),
        (&json!(kind), &json!(false))
    );
    // Nothing is left behind.
    stage.frontend().set_fault(Fault::none());
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    assert_eq!(stream_errors(&stage.gateway, kind).await, 1.0);
}

#[rstest]
#[case::h1("h1")]
#[case::h2c("h2c")]
#[tokio::test]
async fn a_silent_stream_is_given_up(#[case] upstream: &str) {
    let stage = Stage::cluster(
        1,
        &format!("protocol: {upstream}\ntimeouts: {{idle: 400ms}}"),
    )
    .await;
    stage.frontend().set_fault(Fault::hang_mid_stream(2));
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    answer.ends_with_error("upstream_timeout");
    stage
        .gateway
        .metric_reaches("stream_errors_total", &[("kind", "upstream_timeout")], 1.0)
        .await;
    commutator_integration::wait::eventually("the frontend's work ends", || {
        stage.frontend().active() == 0
    })
    .await;
}

fn usage_events(events: &[Value]) -> usize {
    let with = events
        .iter()
        .filter(|event| event.get("usage").is_some_and(Value::is_object));
    with.count()
}

#[tokio::test]
async fn usage_is_counted_and_shown_to_those_who_asked() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let mut counted = 0.0;
    for (options, shown) in [
        (None, 0),
        (Some(json!({"include_usage": true})), 1),
        (Some(json!({"include_usage": false})), 0),
    ] {
        let mut body = streamed("hello");
        if let Some(options) = options {
            body["stream_options"] = options;
        }
        let answer = client.post(CHAT, &body).await;
        assert_eq!(answer.data().last(), Some(&"[DONE]"));
        assert_eq!(usage_events(&answer.events()), shown, "{}", answer.text());
        counted += 16.0;
        let labels = [("model", "math"), ("kind", "completion")];
        stage
            .gateway
            .metric_reaches("tokens_total", &labels, counted)
            .await;
        let metrics = stage.gateway.metrics().await;
        assert_eq!(metrics.sum("tokens_total", &labels), counted);
        assert!(metrics.sum("tokens_total", &[("kind", "prompt")]) > 0.0);
        let id = answer.header("x-request-id").to_owned();
        let line = stage.gateway.access_line(&id).await;
        assert_eq!(line["completion_tokens"], 16);
        assert_eq!(line["complete"], true);
    }
    // A whole answer is counted too, and always shows it.
    let answer = client
        .post(CHAT, &commutator_integration::client::chat("hello"))
        .await;
    assert_eq!(answer.json()["usage"]["completion_tokens"], 16);
    stage
        .gateway
        .metric_reaches("tokens_total", &[("kind", "completion")], counted + 16.0)
        .await;
}

#[tokio::test]
async fn usage_need_not_be_forced() {
    let stage = Stage::top("usage: {force: false}").await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &streamed("hello")).await;
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    assert_eq!(stage.only().json().get("stream_options"), None);
}

fn responses() -> Value {
    json!({"model": "math", "input": "hello", "stream": true})
}

fn messages() -> Value {
    json!({"model": "math", "max_tokens": 64, "stream": true,
        "messages": [{"role": "user", "content": "hello"}]})
}

#[tokio::test]
async fn responses_and_messages_stream_and_are_counted() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for (path, body, last, count) in [
        ("/v1/responses", responses(), "response.completed", 16.0),
        ("/v1/messages", messages(), "message_stop", 32.0),
    ] {
        let answer = client.post(path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.whole);
        assert_eq!(answer.names().last(), Some(&last), "{}", answer.text());
        assert!(!answer.text().contains("\"error\":{"), "{}", answer.text());
        stage
            .gateway
            .metric_reaches("tokens_total", &[("kind", "completion")], count)
            .await;
        let id = answer.header("x-request-id").to_owned();
        let line = stage.gateway.access_line(&id).await;
        assert_eq!(line["complete"], true, "{line}");
    }
    let metrics = stage.gateway.metrics().await;
    assert_eq!(metrics.sum("stream_errors_total", &[]), 0.0);
}

#[rstest]
#[case::truncated(FaultKind::TruncatedStream { after: Some(3) }.into())]
#[case::closed(Fault::reset_mid_stream(3))]
#[tokio::test]
async fn responses_and_messages_end_with_their_own_errors(#[case] fault: Fault) {
    let stage = Stage::cluster(1, "ejection: {consecutive_errors: 0}").await;
    stage.frontend().set_fault(fault);
    for (path, body) in [("/v1/responses", responses()), ("/v1/messages", messages())] {
        let mut client = Client::h1(stage.gateway.addr()).await;
        let answer = client.post(path, &body).await;
        assert!(answer.whole, "{}", answer.text());
        assert_eq!(answer.names().last(), Some(&"error"), "{}", answer.text());
        let events = answer.events();
        let error = events.last().unwrap();
        assert_eq!(error["type"], "error", "{error}");
        assert!(
            error.to_string().contains("upstream_disconnected"),
            "{error}"
        );
    }
    stage
        .gateway
        .metric_reaches("stream_errors_total", &[], 2.0)
        .await;
}
