//! Frontends' answers, as unusual as HTTP allows and beyond.

use commutator_integration::client::{CHAT, Client, Raw, chat, streamed};
use commutator_integration::frontend::{Frontend, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use rstest::rstest;

use crate::support::Stage;

/// A gateway in front of a frontend that is written by hand.
pub(crate) async fn by_hand() -> (Gateway, Frontend) {
    let frontend = Frontend::start().await;
    let policy = TestPolicy::new(&[frontend.addr()])
        .cluster(UNPROBED)
        .cluster("ejection: {consecutive_errors: 0}");
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    (gateway, frontend)
}

/// A JSON answer of about `size` bytes, with usage at its end.
fn large(size: usize) -> String {
    let text = "\u{e9}t\u{e9} \\n".repeat(size / 8);
    format!(
        r#"{{ "choices":[{{"message":{{"content":"{text}"}}}}], "x":1.50e2, "usage":{{"prompt_tokens":3,"completion_tokens":5}} }}"#
    )
}

#[rstest]
#[case::declared("declared")]
#[case::chunked("chunked")]
#[case::until_closed("closed")]
#[tokio::test]
async fn whole_answers_pass_byte_for_byte(
    #[case] framing: &str,
    #[values(100, 100_000, 5 << 20)] size: usize,
) {
    let (gateway, frontend) = by_hand().await;
    let body = large(size);
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        let framed = match framing {
            "declared" => format!("content-length: {}\r\n", body.len()),
            "chunked" => "transfer-encoding: chunked\r\n".to_owned(),
            _ => "connection: close\r\n".to_owned(),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{framed}\r\n");
        exchange.connection.send(head).await;
        for piece in body.as_bytes().chunks(40_000) {
            if framing == "chunked" {
                let size = format!("{:x}\r\n", piece.len());
                exchange.connection.send(size).await;
            }
            exchange.connection.send(piece).await;
            if framing == "chunked" {
                exchange.connection.send("\r\n").await;
            }
        }
        if framing == "chunked" {
            exchange.end().await;
        }
    };
    let question = chat("hello");
    let ((), answer) = tokio::join!(serve, client.post(CHAT, &question));
    assert_eq!(answer.status, 200);
    assert!(answer.whole);
    assert!(
        answer.body == body.as_bytes(),
        "{} bytes",
        answer.body.len()
    );
    gateway
        .metric_reaches("tokens_total", &[("kind", "completion")], 5.0)
        .await;
}

#[tokio::test]
async fn interim_answers_are_no_answers() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Raw::connect(gateway.addr()).await;
    client.post(CHAT, "", &chat("hello").to_string()).await;
    let mut exchange = frontend.request().await;
    exchange
        .connection
        .send(
            "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
             HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        )
        .await;
    assert_eq!(client.answer().await.text(), "{}");
    client
        .send("GET /live HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await;
    assert_eq!(client.answer().await.status, 200);
}

#[rstest]
#[case::no_http("hello\r\n\r\n")]
#[case::half_a_head("HTTP/1.1 200 OK\r\ncontent-")]
#[case::two_lengths("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x")]
#[case::no_number("HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}")]
#[case::a_bad_header("HTTP/1.1 200 OK\r\nbad header: 1\r\ncontent-length: 2\r\n\r\n{}")]
#[tokio::test]
async fn answers_that_are_no_http_are_bad_gateways(#[case] bytes: &str) {
    let (gateway, frontend) = by_hand().await;
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.connection.send(bytes).await;
        exchange.connection.half_close().await;
        exchange.connection.rest().await;
    };
    let question = chat("hello");
    let ((), answer) = tokio::join!(serve, client.post(CHAT, &question));
    answer.is_error(502, "upstream_disconnected");
}

#[tokio::test]
async fn a_broken_chunk_in_a_stream_ends_it_with_an_error() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        exchange.chunk("data: {\"choices\":[]}\n\n").await;
        exchange.connection.send("zzz\r\ndata: evil\n\n\r\n").await;
        exchange.connection.rest().await;
    };
    let question = streamed("hello");
    let ((), answer) = tokio::join!(serve, client.post(CHAT, &question));
    answer.ends_with_error("upstream_disconnected");
    assert!(!answer.text().contains("evil"));
}

#[tokio::test]
async fn a_switch_of_protocols_is_not_passed_on() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Raw::connect(gateway.addr()).await;
    client.post(CHAT, "", &chat("hello").to_string()).await;
    let mut exchange = frontend.request().await;
    exchange
        .connection
        .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nraw")
        .await;
    exchange.connection.half_close().await;
    let head = client.head().await;
    assert_eq!(head.status, 502, "{head:?}");
}

#[tokio::test]
async fn a_frontends_own_headers_pass_but_for_those_of_its_connection() {
    let (gateway, frontend) = by_hand().await;
    let mut client = Raw::connect(gateway.addr()).await;
    client
        .post(CHAT, "x-request-id: mine\r\n", &chat("hello").to_string())
        .await;
    let mut exchange = frontend.request().await;
    exchange
        .connection
        .send(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
             connection: close\r\nkeep-alive: timeout=1\r\nx-request-id: other\r\n\
             x-vsr-selected-model: evil\r\nx-custom: kept\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n{}",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.header("connection"), "keep-alive");
    assert_eq!(answer.header("keep-alive"), "");
    assert_eq!(answer.header("x-custom"), "kept");
    let ids: Vec<_> = answer.headers.get_all("x-request-id").iter().collect();
    assert_eq!(ids, ["mine"]);
    let models: Vec<_> = answer
        .headers
        .get_all("x-vsr-selected-model")
        .iter()
        .collect();
    assert_eq!(models, ["math"]);
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn http_1_0_gets_streams_until_the_end_of_the_connection() {
    let stage = Stage::plain().await;
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = streamed("hello").to_string();
    let length = body.len();
    client
        .send(format!(
            "POST {CHAT} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;
    let head = client.head().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("transfer-encoding"), "");
    let rest = client.rest().await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.starts_with("data: {"), "{rest}");
    assert!(rest.ends_with("data: [DONE]\n\n"), "{rest}");
}

/// Half an event at a stream's end must not swallow the error event behind it.
#[rstest]
#[case::half("data: {\"choices\":[{\"del", false)]
#[case::whole_without_its_blank_line("data: {\"choices\":[]}", true)]
#[tokio::test]
async fn a_stream_that_ends_in_the_middle_of_an_event(#[case] last: &str, #[case] seen: bool) {
    let (gateway, frontend) = by_hand().await;
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        exchange
            .chunk("data: {\"choices\":[{\"index\":0}]}\n\n")
            .await;
        exchange.chunk(last).await;
        exchange.end().await;
    };
    let question = streamed("hello");
    let ((), answer) = tokio::join!(serve, client.post(CHAT, &question));
    answer.ends_with_error("upstream_disconnected");
    assert_eq!(answer.text().contains(last), seen, "{}", answer.text());
    let events = answer.events();
    assert_eq!(events.len(), if seen { 3 } else { 2 }, "{}", answer.text());
}
