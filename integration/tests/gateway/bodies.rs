//! Bodies of every size arrive upstream as they were sent, but for the edited ranges.

use bytes::Bytes;
use commutator_integration::client::{CHAT, Client, Raw, full, pieces, post};
use commutator_integration::frontend::{Frontend, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use commutator_integration::wait::soon;
use rstest::rstest;

use crate::support::Stage;

const MIB: usize = 1 << 20;
/// Dynamo's own limit, and the gateway's default.
const LIMIT: usize = 45 * MIB;

/// A chat of exactly `size` bytes.
fn body(model: &str, size: usize, stream: bool) -> String {
    let start =
        format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":""#);
    let end = r#""}]}"#;
    let room = size - start.len() - end.len();
    let unit = r"word \u00e9\n ";
    let mut text = unit.repeat(room / unit.len());
    text.push_str(&".".repeat(room - text.len()));
    format!("{start}{text}{end}")
}

fn in_pieces(body: &str, size: usize) -> impl Iterator<Item = Bytes> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    (0..body.len())
        .step_by(size)
        .map(move |at| body.slice(at..(at + size).min(body.len())))
}

#[rstest]
#[case::h1("h1", "h1")]
#[case::h2c_downstream("h2c", "h1")]
#[case::h2c_upstream("h1", "h2c")]
#[case::h2c("h2c", "h2c")]
#[tokio::test]
async fn bodies_arrive_as_sent(#[case] downstream: &str, #[case] upstream: &str) {
    let stage = Stage::with(
        1,
        |policy| policy.cluster(&format!("protocol: {upstream}")),
        GatewayOptions::default(),
    )
    .await;
    let mut client = match downstream {
        "h1" => Client::h1(stage.gateway.addr()).await,
        _ => Client::h2c(stage.gateway.addr()).await,
    };
    for size in [1 << 10, 100 << 10, 5 * MIB] {
        for chunked in [false, true] {
            // The megabytes are slow to look at in a debug build: once is enough for them.
            for stream in [false, true] {
                if size == 5 * MIB && stream != chunked {
                    continue;
                }
                let sent = body("math", size, stream);
                let request = match chunked {
                    true => pieces(in_pieces(&sent, 60_000)),
                    false => full(sent.clone()),
                };
                stage.frontend().clear_requests();
                let answer = client.send(post(CHAT, request)).await.unwrap();
                assert_eq!(answer.status, 200, "{size} {chunked}: {}", answer.text());
                assert!(answer.whole);
                let got = stage.only().body;
                let got = std::str::from_utf8(&got).unwrap();
                // Only the model's name is changed, and the wish for usage added to a stream.
                let got = got.replacen(r#""stream_options":{"include_usage":true},"#, "", 1);
                let got = got.replacen(r#"{"include_usage":true}"#, "", 1);
                let want = sent.replacen(r#""math""#, r#""org/math-8b""#, 1);
                assert!(got == want, "{size} {chunked} {stream}: {}", &got[..200]);
            }
        }
    }
}

#[rstest]
#[case::declared(false)]
#[case::chunked(true)]
#[tokio::test]
async fn the_largest_body_passes(#[case] chunked: bool) {
    let frontend = Frontend::start().await;
    let policy = TestPolicy::new(&[frontend.addr()]).cluster(UNPROBED);
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    let sent = body("general", LIMIT, false);
    assert_eq!(sent.len(), LIMIT);
    let request = match chunked {
        true => pieces(in_pieces(&sent, MIB)),
        false => full(sent.clone()),
    };
    let mut client = Client::h1(gateway.addr()).await;
    let answer = tokio::spawn(async move { client.send(post(CHAT, request)).await });
    let mut got = frontend.request().await;
    assert!(got.body == sent.as_bytes(), "{} bytes", got.body.len());
    got.connection
        .send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        .await;
    let answer = soon("the answer", answer).await.unwrap().unwrap();
    assert_eq!(answer.text(), "{}");
}

#[tokio::test]
async fn one_byte_more_is_refused_as_soon_as_it_is_known() {
    let stage = Stage::plain().await;
    // Declared: by the head alone.
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            LIMIT + 1
        ))
        .await;
    client.answer().await.is_error(413, "request_too_large");
    // Chunked: without waiting for the end.
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client
        .send(format!(
            "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n",
            LIMIT + 1
        ))
        .await;
    client.send(vec![b' '; LIMIT + 1]).await;
    client.answer().await.is_error(413, "request_too_large");
    assert_eq!(stage.arrived(), 0);
}

/// A client that has not asked first sends on while it is refused; it must still get to read why.
#[rstest]
#[case::declared(false)]
#[case::chunked(true)]
#[tokio::test]
async fn a_client_that_sends_on_still_reads_the_refusal(#[case] chunked: bool) {
    let options = GatewayOptions {
        bootstrap: "limits: {body: 1MiB}".into(),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy, options).await;
    for _ in 0..5 {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        let size = 4 * MIB;
        let framing = match chunked {
            true => format!("transfer-encoding: chunked\r\n\r\n{size:x}\r\n"),
            false => format!("content-length: {size}\r\n\r\n"),
        };
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n{framing}"
            ))
            .await;
        client.send(vec![b' '; size]).await;
        client.answer().await.is_error(413, "request_too_large");
    }
}

/// A client like most: it writes and reads at once.
#[tokio::test]
async fn a_library_reads_the_refusal_too() {
    let stage = Stage::bootstrap("limits: {body: 1MiB}").await;
    for path in [CHAT, "/unknown"] {
        for _ in 0..5 {
            let mut client = Client::h1(stage.gateway.addr()).await;
            let request = post(path, full(vec![b' '; 32 * MIB]));
            let answer = client.send(request).await.unwrap();
            let code = match path {
                CHAT => answer.is_error(413, "request_too_large"),
                _ => answer.is_error(404, "not_found"),
            };
            assert!(code.is_object());
        }
    }
}

#[tokio::test]
async fn too_large_over_h2c() {
    let options = GatewayOptions {
        bootstrap: "limits: {body: 100KiB}".into(),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy, options).await;
    let mut client = Client::h2c(stage.gateway.addr()).await;
    let large = body("general", 100 * 1024 + 1, false);
    let answer = client.post_bytes(CHAT, large.clone()).await;
    answer.is_error(413, "request_too_large");
    let request = post(CHAT, pieces(in_pieces(&large, 10_000)));
    let answer = client.send(request).await.unwrap();
    answer.is_error(413, "request_too_large");
    // The connection lives on.
    let fits = body("general", 100 * 1024, false);
    assert_eq!(client.post_bytes(CHAT, fits).await.status, 200);
}
