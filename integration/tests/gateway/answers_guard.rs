//! Guards on what the model says, with the real binary and the bundled models.

use commutator_integration::client::{Answer, CHAT, Client, chat, full, post, streamed};
use commutator_integration::frontend::{Frontend, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use rstest::rstest;
use serde_json::{Value, json};

const SSN: &str = "123-45-6789";
const REDACT: &str = "plugins: [{answers: {timeout: 60s, pii: {}}}]";
const STOP: &str = "plugins: [{answers: {stop: {words: [bluebird]}}}]";

/// A gateway with these top-level settings in front of a frontend that is written by hand.
async fn gateway(top: &str) -> (Gateway, Frontend) {
    let frontend = Frontend::start().await;
    let policy = TestPolicy::new(&[frontend.addr()])
        .cluster(UNPROBED)
        .cluster("ejection: {consecutive_errors: 0}")
        .top(top);
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    (gateway, frontend)
}

fn chunk(delta: Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

/// A chat stream that says these pieces.
fn saying(pieces: &[&str]) -> Vec<String> {
    let pieces = pieces
        .iter()
        .map(|text| chunk(json!({"content": text}), None));
    let ending = [
        chunk(json!({}), Some("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    pieces.chain(ending).collect()
}

/// What a client reads in a chat stream.
fn read(answer: &Answer) -> String {
    let events = answer.events();
    let pieces = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
    pieces.collect()
}

fn last_reason(answer: &Answer) -> Value {
    let events = answer.events();
    let mut reasons = events
        .iter()
        .map(|event| &event["choices"][0]["finish_reason"]);
    reasons
        .rfind(|reason| !reason.is_null())
        .cloned()
        .unwrap_or_default()
}

/// Asks, and lets the frontend answer with these events.
async fn stream(
    gateway: &Gateway,
    frontend: &Frontend,
    path: &str,
    question: &Value,
    events: &[String],
) -> (Answer, Value) {
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.events(events).await;
        serde_json::from_slice(&exchange.body).unwrap()
    };
    tokio::join!(client.post(path, question), serve)
}

/// Asks, and lets the frontend answer with this body.
async fn unary(
    gateway: &Gateway,
    frontend: &Frontend,
    question: &Value,
    body: &Value,
) -> (Answer, Value) {
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.json(&body.to_string()).await;
        serde_json::from_slice(&exchange.body).unwrap()
    };
    tokio::join!(client.post(CHAT, question), serve)
}

#[tokio::test]
async fn a_number_in_two_chunks_is_redacted() {
    let (gateway, frontend) = gateway(REDACT).await;
    let events = saying(&[
        "Your social security number is 123-4",
        "5-6789, and I will not tell",
        " anybody.",
    ]);
    let question = streamed("What is my number?");
    let (answer, _) = stream(&gateway, &frontend, CHAT, &question, &events).await;
    assert!(answer.whole);
    assert_eq!(
        read(&answer),
        "Your social security number is [US_SSN], and I will not tell anybody."
    );
    assert_eq!(last_reason(&answer), "stop");
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    let labels = [("guard", "pii"), ("side", "answer"), ("outcome", "masked")];
    gateway
        .metric_reaches("guard_verdicts_total", &labels, 1.0)
        .await;
    let line = gateway.access_line(answer.header("x-request-id")).await;
    assert_eq!(
        (&line["complete"], &line["response_path"]),
        (&json!(true), &json!("upstream"))
    );
    assert!(!line.to_string().contains(SSN) && !gateway.stderr().contains(SSN));
}

#[tokio::test]
async fn a_whole_answer_is_redacted_and_its_head_says_so() {
    let (gateway, frontend) = gateway(REDACT).await;
    let body = json!({
        "id": "c", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": format!("My SSN is {SSN}.")}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    });
    let (answer, _) = unary(&gateway, &frontend, &chat("hello"), &body).await;
    assert_eq!(answer.status, 200);
    let expected = body.to_string().replace(SSN, "[US_SSN]");
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("x-vsr-pii-redacted"), "B-US_SSN");
    assert_eq!(answer.header("x-vsr-response-path"), "upstream");
}

#[tokio::test]
async fn harmless_answers_keep_their_bytes() {
    let (gateway, frontend) = gateway(REDACT).await;
    let body = json!({"choices": [{"index": 0, "message": {"content": "Two and two is four."}}], "x": 1.50});
    let (answer, _) = unary(&gateway, &frontend, &chat("hello"), &body).await;
    assert_eq!(answer.text(), body.to_string());
    assert!(answer.headers.get("x-vsr-pii-redacted").is_none());
    let pieces = ["Two and ", "two is ", "four."];
    let (answer, _) = stream(
        &gateway,
        &frontend,
        CHAT,
        &streamed("2+2?"),
        &saying(&pieces),
    )
    .await;
    assert_eq!(read(&answer), pieces.concat());
    assert_eq!(last_reason(&answer), "stop");
}

#[rstest]
#[case::h1(false)]
#[case::h2c(true)]
#[tokio::test]
async fn a_stop_list_ends_the_stream_and_lets_the_frontend_go(#[case] h2: bool) {
    let (gateway, frontend) = gateway(STOP).await;
    let mut client = match h2 {
        true => Client::h2c(gateway.addr()).await,
        false => Client::h1(gateway.addr()).await,
    };
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        exchange
            .chunk(&chunk(
                json!({"role": "assistant", "content": "The project is called Blue"}),
                None,
            ))
            .await;
        let more = "bird, and there is a lot more to be said about it.";
        exchange.chunk(&chunk(json!({"content": more}), None)).await;
        // Never ended: the gateway must not wait for more.
        exchange.connection.rest().await
    };
    let request = post(CHAT, full(streamed("hello").to_string()));
    let (answer, rest) = tokio::join!(client.send(request), serve);
    let answer = answer.unwrap();
    assert!(rest.is_empty());
    assert!(answer.whole, "a clean end");
    assert_eq!(read(&answer), "The project is called ");
    assert_eq!(last_reason(&answer), "content_filter");
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
    let line = gateway.access_line(answer.header("x-request-id")).await;
    assert_eq!(
        (&line["complete"], &line["response_path"]),
        (&json!(true), &json!("blocked"))
    );
    assert_eq!(
        (&line["status"], &line["attempts"]),
        (&json!(200), &json!(1))
    );
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("stream_errors_total", &[]), 0.0);
    assert_eq!(metrics.sum("upstream_retries_total", &[]), 0.0);
    let labels = [
        ("guard", "answers"),
        ("side", "answer"),
        ("outcome", "blocked"),
    ];
    assert_eq!(metrics.sum("guard_verdicts_total", &labels), 1.0);
}

#[tokio::test]
async fn a_stop_in_the_same_packet_as_the_head_loses_nothing() {
    let (gateway, frontend) = gateway(STOP).await;
    let mut client = Client::h1(gateway.addr()).await;
    let event = chunk(
        json!({"content": "It is the bluebird, and more and more and more."}),
        None,
    );
    let serve = async {
        let mut exchange = frontend.request().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let packet = format!("{head}{:x}\r\n{event}\r\n", event.len());
        exchange.connection.send(packet).await;
        exchange.connection.rest().await
    };
    let question = streamed("hello");
    let (answer, _) = tokio::join!(client.post(CHAT, &question), serve);
    assert_eq!((answer.status.as_u16(), answer.whole), (200, true));
    assert_eq!(read(&answer), "It is the ");
    assert_eq!(last_reason(&answer), "content_filter");
}

#[tokio::test]
async fn a_whole_answer_is_stopped_too() {
    let (gateway, frontend) = gateway(STOP).await;
    let message = json!({"role": "assistant", "content": "The bluebird flies."});
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 5}});
    let (answer, _) = unary(&gateway, &frontend, &chat("hello"), &body).await;
    let said = &answer.json()["choices"][0];
    assert_eq!(
        (&said["message"]["content"], &said["finish_reason"]),
        (&json!("The "), &json!("content_filter"))
    );
    assert_eq!(answer.json()["usage"]["completion_tokens"], 5);
    assert_eq!(answer.header("x-vsr-response-path"), "blocked");
}

#[rstest]
#[case::responses("/v1/responses", json!({"model": "math", "input": "hi", "stream": true}))]
#[case::messages("/v1/messages", json!({"model": "math", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}))]
#[case::completions("/v1/completions", json!({"model": "math", "prompt": "hi", "stream": true}))]
#[tokio::test]
async fn the_other_apis_end_in_their_way(#[case] path: &str, #[case] question: Value) {
    let (gateway, frontend) = gateway(STOP).await;
    let text = "It is the bluebird, and more and more and more of it.";
    let named = |event: Value| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap()
        )
    };
    let events = match path {
        "/v1/responses" => vec![
            named(
                json!({"type": "response.created", "response": {"id": "r", "output": []}, "sequence_number": 0}),
            ),
            named(
                json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "i", "content": []}, "sequence_number": 1}),
            ),
            named(
                json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "i", "delta": text, "sequence_number": 2}),
            ),
        ],
        "/v1/messages" => vec![
            named(json!({"type": "message_start", "message": {"id": "m", "content": []}})),
            named(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            ),
            named(
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            ),
        ],
        _ => vec![format!(
            "data: {}\n\n",
            json!({"id": "c", "choices": [{"index": 0, "text": text, "finish_reason": null}]})
        )],
    };
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        for event in &events {
            exchange.chunk(event).await;
        }
        exchange.connection.rest().await;
    };
    let (answer, ()) = tokio::join!(client.post(path, &question), serve);
    assert!(
        answer.whole && !answer.text().contains("bluebird"),
        "{}",
        answer.text()
    );
    let events = answer.events();
    match path {
        "/v1/responses" => {
            let last = events.last().unwrap();
            assert_eq!(last["type"], "response.incomplete");
            assert_eq!(last["sequence_number"], 3);
            assert_eq!(
                last["response"]["incomplete_details"]["reason"],
                "content_filter"
            );
            assert_eq!(
                last["response"]["output"][0]["content"][0]["text"],
                "It is the "
            );
        }
        "/v1/messages" => {
            assert_eq!(answer.names().last(), Some(&"message_stop"));
            let delta = &events[events.len() - 2];
            assert_eq!(delta["delta"]["stop_reason"], "refusal");
        }
        _ => assert_eq!(last_reason(&answer), "content_filter"),
    }
}

/// The model sees a placeholder and uses it, cut in two; the client reads its own name, and the guard on answers does
/// not take that for a leak.
#[tokio::test]
async fn what_was_redacted_comes_back() {
    let top =
        "plugins:\n  - pii: {timeout: 60s, action: redact}\n  - answers: {timeout: 60s, pii: {}}";
    let (gateway, frontend) = gateway(top).await;
    let question = streamed(&format!("My SSN is {SSN}. Is it valid?"));
    let events = saying(&[
        "Yes, <US_S",
        "SN_1",
        "> is valid, but 078-0",
        "5-1121 would not be. (SSN)",
    ]);
    let (answer, seen) = stream(&gateway, &frontend, CHAT, &question, &events).await;
    let seen = seen["messages"][0]["content"].as_str().unwrap();
    assert_eq!(seen, "My SSN is <US_SSN_1>. Is it valid?");
    let text = read(&answer);
    assert!(
        text.starts_with(&format!("Yes, {SSN} is valid, but ")),
        "{text}"
    );
    assert!(!text.contains("078-05-1121"), "{text}");

    // In a body, in the arguments of a tool.
    let call = json!({"id": "t", "type": "function", "function": {"name": "check", "arguments": "{\"ssn\":\"<US_SSN_1>\"}"}});
    let body = json!({"choices": [{"index": 0, "message": {"content": null, "tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let (answer, _) = unary(
        &gateway,
        &frontend,
        &chat(&format!("My SSN is {SSN}.")),
        &body,
    )
    .await;
    assert_eq!(answer.text(), body.to_string().replace("<US_SSN_1>", SSN));
}

#[tokio::test]
async fn a_stream_that_breaks_off_hands_out_what_was_held_back() {
    let (gateway, frontend) = gateway(REDACT).await;
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.stream_head().await;
        exchange
            .chunk(&chunk(
                json!({"content": "Your SSN is 123-45-6789 and"}),
                None,
            ))
            .await;
        exchange.connection.half_close().await;
        exchange.connection.rest().await;
    };
    let question = streamed("hello");
    let (answer, ()) = tokio::join!(client.post(CHAT, &question), serve);
    answer.ends_with_error("upstream_disconnected");
    assert_eq!(read(&answer), "Your SSN is [US_SSN] and");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_harmless_one() {
    let broken = vec![
        "data: {\"choices\": oops\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    for (on_error, denied) in [("deny", true), ("allow", false)] {
        let top = format!(
            "plugins: [{{answers: {{on_error: {on_error}, stop: {{words: [bluebird]}}}}}}]"
        );
        let (gateway, frontend) = gateway(&top).await;
        let (answer, _) = stream(&gateway, &frontend, CHAT, &streamed("hello"), &broken).await;
        assert_eq!(answer.text().contains("oops"), !denied, "{}", answer.text());
        let (whole, _) = unary(&gateway, &frontend, &chat("hello"), &json!("oops")).await;
        assert_eq!(whole.status, 200);
        let mut client = Client::h1(gateway.addr()).await;
        let serve = async {
            let mut exchange = frontend.request().await;
            exchange.json("{oops").await;
        };
        let question = chat("hello");
        let (whole, ()) = tokio::join!(client.post(CHAT, &question), serve);
        match denied {
            true => {
                answer.ends_with_error("guard_unavailable");
                whole.is_error(503, "guard_unavailable");
                let line = gateway.access_line(answer.header("x-request-id")).await;
                assert_eq!(
                    (&line["complete"], &line["code"]),
                    (&json!(false), &json!("guard_unavailable"))
                );
            }
            false => {
                assert_eq!(whole.text(), "{oops");
                assert_eq!(whole.header("x-vsr-response-warnings"), "guard_skipped");
            }
        }
    }
}

#[tokio::test]
async fn the_shadow_changes_nothing_and_counts() {
    let (gateway, frontend) =
        gateway("plugins: [{answers: {shadow: true, stop: {words: [bluebird]}}}]").await;
    let (answer, _) = stream(
        &gateway,
        &frontend,
        CHAT,
        &streamed("hello"),
        &saying(&["The blue", "bird."]),
    )
    .await;
    assert_eq!(read(&answer), "The bluebird.");
    let labels = [
        ("guard", "answers"),
        ("side", "answer"),
        ("outcome", "blocked"),
        ("shadow", "yes"),
    ];
    gateway
        .metric_reaches("guard_verdicts_total", &labels, 1.0)
        .await;
}
