//! HTTP/2 on both sides.

use std::time::Duration;

use commutator_integration::client::{CHAT, Certificate, Client, chat, full, post, streamed};
use commutator_integration::gateway::GatewayOptions;
use commutator_integration::wait::eventually;
use commutator_simulator::Pace;
use futures::future::join_all;
use http::Version;
use serde_json::json;

use crate::support::{REFUSING, Stage};

#[tokio::test]
async fn many_streams_share_an_h2c_connection() {
    let stage = Stage::with(1, |policy| policy.top(REFUSING), GatewayOptions::default()).await;
    let client = Client::h2c(stage.gateway.addr()).await;
    let requests = (0..60).map(|index| {
        let mut client = client.again();
        async move {
            match index % 4 {
                0 => {
                    let answer = client.post(CHAT, &chat("hello")).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(answer.version, Version::HTTP_2);
                }
                1 => {
                    let answer = client.post(CHAT, &streamed("hello")).await;
                    assert_eq!(answer.data().last(), Some(&"[DONE]"));
                    assert!(answer.whole);
                }
                2 => {
                    let answer = client.post(CHAT, &chat("forbidden")).await;
                    let reason = answer.json()["choices"][0]["finish_reason"].clone();
                    assert_eq!(reason, "content_filter");
                }
                _ => {
                    let answer = client.post(CHAT, &json!({"model": "math"})).await;
                    answer.is_error(400, "invalid_request");
                }
            }
        }
    });
    join_all(requests).await;
    assert_eq!(stage.arrived(), 30);
}

#[tokio::test]
async fn tls_agrees_on_h2_or_http_1() {
    let certificate = Certificate::new().unwrap();
    let options = GatewayOptions {
        certificate: Some(certificate.clone()),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy, options).await;
    for (alpn, h2) in [
        (&["h2", "http/1.1"][..], true),
        (&["http/1.1"], false),
        (&[], false),
    ] {
        let mut client = Client::tls(stage.gateway.tls_addr(), &certificate, alpn).await;
        assert_eq!(client.is_h2(), h2, "{alpn:?}");
        for _ in 0..2 {
            let answer = client.post(CHAT, &chat("hello")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = client.post(CHAT, &streamed("hello")).await;
            assert_eq!(answer.data().last(), Some(&"[DONE]"));
        }
    }
    // The clear listener beside it still serves.
    let mut client = Client::h1(stage.gateway.addr()).await;
    assert_eq!(client.post(CHAT, &chat("hello")).await.status, 200);
}

#[tokio::test]
async fn frontends_are_spoken_to_over_h2c() {
    let stage = Stage::with(
        1,
        |policy| policy.cluster("protocol: h2c"),
        GatewayOptions::default(),
    )
    .await;
    let mut h1 = Client::h1(stage.gateway.addr()).await;
    let mut h2 = Client::h2c(stage.gateway.addr()).await;
    let big = "x".repeat(1 << 20);
    for client in [&mut h1, &mut h2] {
        let answer = client.post(CHAT, &chat("hello")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = client.post(CHAT, &streamed("hello")).await;
        assert_eq!(answer.data().last(), Some(&"[DONE]"));
        let answer = client.post(CHAT, &chat(&big)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = client
            .post(CHAT, &json!({"model": "math", "messages": 1}))
            .await;
        answer.is_error(400, "invalid_request");
    }
    let records = stage.frontend().requests();
    assert_eq!(records.len(), 6);
    for record in records {
        assert_eq!(record.version, Version::HTTP_2);
        let length = record.body.len().to_string();
        assert_eq!(record.header("content-length"), Some(length.as_str()));
    }
}

#[tokio::test]
async fn a_client_that_cancels_its_stream_cancels_the_frontends() {
    for protocol in ["h1", "h2c"] {
        let stage = Stage::with(
            1,
            |policy| policy.cluster(&format!("protocol: {protocol}")),
            GatewayOptions::default(),
        )
        .await;
        stage.frontend().set_pace(Pace {
            inter_token: Duration::from_millis(20),
            tokens: 100_000,
            ..Pace::default()
        });
        let mut client = Client::h2c(stage.gateway.addr()).await;
        let body = full(streamed("hello").to_string());
        let mut opened = client.open(post(CHAT, body)).await.unwrap();
        opened.until("data: ").await;
        // The connection stays; only the stream is reset.
        drop(opened);
        eventually("the frontend's request is cancelled", || {
            stage.only().client_left() && stage.frontend().active() == 0
        })
        .await;
        stage.frontend().set_pace(Pace::default());
        assert_eq!(client.post(CHAT, &chat("hello")).await.status, 200);
    }
}
