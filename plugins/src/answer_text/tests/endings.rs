//! Answers that a filter stops.

use serde_json::json;

use super::said::{Place, stream};
use super::*;

fn stopped(api: Api, pieces: &[(Place, &str)], farewell: Option<&str>) -> Vec<(String, Value)> {
    let pieces: Vec<_> = pieces
        .iter()
        .map(|(place, text)| (*place, (*text).to_owned()))
        .collect();
    let rewriter = rewriter(api, VerdictOutcome::Blocked);
    let mut rewriter = rewriter.with_farewell(farewell.map(str::to_owned));
    let whole = stream(api, &pieces);
    let (out, stopped) = run(&mut rewriter, whole.as_bytes(), 33);
    assert!(stopped, "{out}");
    // Nothing follows.
    let more = block_on(rewriter.event(Bytes::from_static(b"data: {}\n\n"))).unwrap();
    assert!(more.events.is_empty());
    assert!(!out.contains("secret"), "{out}");
    events(&out)
}

#[test]
fn chat_ends_with_content_filter_in_every_open_choice() {
    let pieces = [
        ((1, "content"), "Hello"),
        (
            (0, "content"),
            "It is the secret, and more of it comes, a lot",
        ),
    ];
    let events = stopped(Api::ChatCompletions, &pieces, Some(" [removed]"));
    let [.., farewell, last, done] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(farewell.1["choices"][0]["delta"]["content"], " [removed]");
    assert_eq!(done.1, "[DONE]");
    let reasons: Vec<_> = last.1["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| (&choice["index"], &choice["finish_reason"]))
        .collect();
    let filtered = json!("content_filter");
    assert_eq!(reasons, [(&json!(0), &filtered), (&json!(1), &filtered)]);
    assert_eq!(
        (&last.1["id"], &last.1["model"]),
        (&json!("c-1"), &json!("m"))
    );
}

#[test]
fn a_choice_that_has_ended_does_not_end_again() {
    let chunk = |choices: Value| format!("data: {}\n\n", json!({"id": "c", "choices": choices}));
    let whole = chunk(json!([{"index": 0, "delta": {"content": "fine"}, "finish_reason": "stop"}]))
        + &chunk(json!([{"index": 1, "delta": {"content": "a secret"}, "finish_reason": "stop"}]));
    let mut rewriter = rewriter(Api::ChatCompletions, VerdictOutcome::Blocked);
    let (out, _) = run(&mut rewriter, whole.as_bytes(), 20);
    let events = events(&out);
    assert_eq!(events[0].1["choices"][0]["delta"]["content"], "fine");
    assert_eq!(
        events[1].1["choices"][0],
        json!({"index": 1, "delta": {"content": "a "}, "finish_reason": null})
    );
    let last = &events[2].1["choices"];
    assert_eq!(
        (last.as_array().unwrap().len(), &last[0]["index"]),
        (1, &json!(1))
    );
}

#[test]
fn completions_end_alike() {
    let events = stopped(
        Api::Completions,
        &[((0, "text"), "a secret and a lot behind it")],
        Some("!"),
    );
    let said = events
        .iter()
        .filter_map(|(_, event)| event["choices"][0]["text"].as_str());
    assert_eq!(said.collect::<String>(), "a !");
    assert_eq!(
        events[events.len() - 2].1["choices"][0]["finish_reason"],
        "content_filter"
    );
}

#[test]
fn responses_end_incomplete_with_what_was_said() {
    let pieces = [
        ((0, "reasoning"), "I think."),
        ((1, "text"), "It is the secret, and more of it comes"),
    ];
    let events = stopped(Api::Responses, &pieces, Some("[removed]"));
    let (name, last) = events.last().unwrap();
    assert_eq!(
        (name.as_str(), &last["type"]),
        ("response.incomplete", &json!("response.incomplete"))
    );
    assert_eq!(last["sequence_number"], events.len() - 1);
    let response = &last["response"];
    assert_eq!(
        (&response["id"], &response["status"]),
        (&json!("r-1"), &json!("incomplete"))
    );
    assert_eq!(response["incomplete_details"]["reason"], "content_filter");
    let [thought, said] = response["output"].as_array().unwrap().as_slice() else {
        panic!("{response}");
    };
    assert_eq!(
        (&thought["status"], &thought["summary"][0]["text"]),
        (&json!("completed"), &json!("I think."))
    );
    assert_eq!(
        (&said["status"], &said["content"][0]["text"]),
        (&json!("incomplete"), &json!("It is the [removed]"))
    );
}

#[test]
fn messages_end_with_refusal() {
    let pieces = [
        ((0, "thinking"), "Hm."),
        ((1, "text"), "It is the secret, and more"),
    ];
    let events = stopped(Api::Messages, &pieces, None);
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names[names.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    let [.., stop, delta, _] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(stop.1["index"], 1);
    assert_eq!(delta.1["delta"]["stop_reason"], "refusal");
    assert_eq!(delta.1["usage"], serde_json::json!({"output_tokens": 3}));
}
