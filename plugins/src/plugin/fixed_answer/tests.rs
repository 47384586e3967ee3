#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::api::Api;
use crate::plugin::compliance::{check, problems, run};

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;

#[test]
fn complies() {
    check(&json!({"fixed_answer": {"text": "We are closed.", "finish_reason": "stop"}}));
    check(&json!({"fixed_answer": {"status": 403, "message": "No.", "code": "forbidden"}}));
}

#[test]
fn answers_with_a_text() {
    let entry = json!({"fixed_answer": {"text": "hello", "finish_reason": "content_filter"}});
    let (_, flow) = run(&entry, Api::ChatCompletions, CHAT);
    let Flow::Reply(Reply::Completion {
        text,
        finish_reason,
        path,
    }) = flow
    else {
        panic!("no text: {flow:?}");
    };
    assert_eq!((text.as_str(), finish_reason), ("hello", "content_filter"));
    assert_eq!(path, ResponsePath::FastResponse);
}

#[test]
fn answers_with_an_error() {
    let (_, flow) = run(
        &json!({"fixed_answer": {"status": 503}}),
        Api::ChatCompletions,
        CHAT,
    );
    let Flow::Reply(Reply::Error(error)) = flow else {
        panic!("no error: {flow:?}");
    };
    assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("blocked", "Service Unavailable")
    );
}

#[test]
fn exactly_one_of_text_and_status() {
    for (entry, expected) in [
        (
            json!({}),
            "plugins[0].fixed_answer: one of `text` and `status` is needed",
        ),
        (json!({"text": "a", "status": 400}), "contradict each other"),
        (
            json!({"text": "a", "code": "b"}),
            "plugins[0].fixed_answer.code: only an answer with `status`",
        ),
        (
            json!({"status": 400, "finish_reason": "stop"}),
            "fixed_answer.finish_reason: only",
        ),
        (
            json!({"status": 200}),
            "plugins[0].fixed_answer.status: 200 is no error status",
        ),
        (json!({"status": 1000}), "1000 is no error status"),
    ] {
        let got = problems(&json!({"fixed_answer": entry}));
        assert!(got.contains(expected), "{got}");
    }
}
