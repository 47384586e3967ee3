//! Server-sent events.

use std::time::{Duration, Instant};

use commutator_simulator::{Pace, Simulator, SimulatorConfig};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::client::*;

fn content(event: &Value) -> &str {
    event["choices"][0]["delta"]["content"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_chat_stream_has_dynamos_shape() {
    let simulator = simulator().await;
    let answer = post(&simulator, CHAT, &streamed("x")).await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    assert!(answer.whole);
    assert!(answer.names().is_empty());
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    let events = answer.events();
    assert_eq!(events.len(), 16 + 1);
    assert_eq!(events[0]["object"], "chat.completion.chunk");
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(
        !content(&events[0]).is_empty(),
        "role and content in one delta"
    );
    assert!(events[1]["choices"][0]["delta"].get("role").is_none());
    let finish = &events[16]["choices"][0];
    assert_eq!(
        (&finish["delta"], &finish["finish_reason"]),
        (&json!({}), &json!("stop"))
    );
    assert!(events.iter().all(|event| event.get("usage").is_none()));

    let text: String = events.iter().map(content).collect();
    let unary = post(&simulator, CHAT, &chat("x")).await.json();
    assert_eq!(text, unary["choices"][0]["message"]["content"]);
}

#[tokio::test]
async fn usage_comes_only_when_asked_for() {
    let simulator = simulator().await;
    let mut body = streamed("x");
    body["stream_options"] = json!({"include_usage": true});
    let events = post(&simulator, CHAT, &body).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 16);
    assert_eq!(last["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    body["stream_options"] = json!({"include_usage": false});
    let events = post(&simulator, CHAT, &body).await.events();
    assert!(events.last().unwrap().get("usage").is_none());
}

#[tokio::test]
async fn each_event_is_a_chunk_of_its_own() {
    let simulator = simulator().await;
    for path in [CHAT, "/v1/messages"] {
        let answer = post(&simulator, path, &streamed("x")).await;
        assert!(answer.frames.len() > 16);
        for frame in &answer.frames {
            let text = std::str::from_utf8(frame).unwrap();
            assert!(
                text.ends_with("\n\n") && text.matches("\n\n").count() == 1,
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn completions_stream_text() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "prompt": "x", "stream": true});
    let answer = post(&simulator, "/v1/completions", &body).await;
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    let events = answer.events();
    assert_eq!(events[0]["object"], "text_completion");
    assert_eq!(
        events.last().unwrap()["choices"][0]["finish_reason"],
        "stop"
    );
}

#[tokio::test]
async fn messages_stream_named_events_and_end_with_done() {
    let simulator = simulator().await;
    let mut body = streamed("x");
    body["max_tokens"] = json!(2);
    let answer = post(&simulator, "/v1/messages", &body).await;
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(answer.names(), expected);
    let types: Vec<_> = answer.events().iter().map(|e| e["type"].clone()).collect();
    assert_eq!(types, expected);
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    assert_eq!(answer.events()[5]["delta"]["stop_reason"], "max_tokens");
}

#[tokio::test]
async fn responses_stream_named_events() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "input": "x", "stream": true});
    let answer = post(&simulator, "/v1/responses", &body).await;
    let names = answer.names();
    assert_eq!(names[0], "response.created");
    assert_eq!(
        names
            .iter()
            .filter(|name| **name == "response.output_text.delta")
            .count(),
        16
    );
    assert_eq!(names.last(), Some(&"response.completed"));
    assert_ne!(answer.data().last(), Some(&"[DONE]"));
    for (at, event) in answer.events().iter().enumerate() {
        assert_eq!(event["type"], names[at]);
        assert_eq!(event["sequence_number"], at);
    }
    let events = answer.events();
    let done = &events.last().unwrap()["response"];
    let deltas: String = events.iter().filter_map(|e| e["delta"].as_str()).collect();
    assert_eq!(done["output"][0]["content"][0]["text"], deltas);
}

#[tokio::test]
async fn the_pace_is_kept() {
    let pace = Pace {
        ttft: Duration::from_millis(60),
        inter_token: Duration::from_millis(10),
        tokens: 5,
    };
    let simulator = Simulator::start(SimulatorConfig { pace, ..config() })
        .await
        .unwrap();
    let mut client = Client::connect(simulator.addr()).await;
    for body in [streamed("x"), chat("x")] {
        let start = Instant::now();
        let answer = client.post(CHAT, &body).await;
        assert!(
            start.elapsed() >= Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
        assert_eq!(answer.status, 200);
    }
    // Headers do not wait for the first token.
    let start = Instant::now();
    simulator.set_pace(Pace {
        ttft: PATIENCE,
        ..pace
    });
    let response = client
        .0
        .send_request(request(CHAT, streamed("x").to_string()))
        .await;
    assert_eq!(response.unwrap().status(), 200);
    assert!(start.elapsed() < PATIENCE);
}

/// Shortest and longest time to the first event on a reused connection.
async fn first_events(nodelay: bool) -> (Duration, Duration) {
    let pace = Pace {
        ttft: Duration::from_millis(5),
        ..Pace::default()
    };
    let config = SimulatorConfig {
        pace,
        nodelay,
        ..config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let mut client = Client::connect(simulator.addr()).await;
    let mut times = Vec::new();
    for _ in 0..20 {
        client.0.ready().await.unwrap();
        let start = Instant::now();
        let sent = client
            .0
            .send_request(request(CHAT, streamed("x").to_string()));
        let mut body = sent.await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        times.push(start.elapsed());
        while body.frame().await.is_some() {}
    }
    (*times.iter().min().unwrap(), *times.iter().max().unwrap())
}

/// The extremes are compared, as a busy machine can only make a time longer.
#[tokio::test]
async fn without_nodelay_the_first_event_waits_for_a_delayed_acknowledgement() {
    let delayed = Duration::from_millis(40);
    let (_, slowest) = first_events(false).await;
    assert!(slowest >= delayed, "{slowest:?}");
    let (fastest, _) = first_events(true).await;
    assert!(fastest < delayed, "{fastest:?}");
}
