#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::sse::{Event, SseDecoder};

fn context(api: Api, stream: bool) -> AnswerContext<'static> {
    AnswerContext {
        api,
        stream,
        model: "qwen",
        id: "0192",
        created: 1_700_000_000,
        usage_wanted: false,
    }
}

fn blocked() -> Reply {
    Reply::Completion {
        text: "I \"cannot\".".to_owned(),
        finish_reason: "content_filter",
        path: ResponsePath::Blocked,
    }
}

fn json_body(answer: &Answer) -> Value {
    assert_eq!(answer.headers["content-type"], "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

/// The events of a streamed answer: name and data.
fn events(body: &Bytes) -> Vec<(Option<String>, String)> {
    let mut decoder = SseDecoder::new();
    let events = decoder.push(body.clone()).unwrap();
    assert_eq!(
        decoder.finish().unwrap(),
        None,
        "the last event is not whole"
    );
    events
        .iter()
        .map(|bytes| Event::parse(bytes))
        .map(|event| (event.name.map(Into::into), event.data.unwrap().into_owned()))
        .collect()
}

#[test]
fn a_blocked_chat_is_a_normal_completion() {
    let got = answer(&blocked(), &context(Api::ChatCompletions, false));
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(
        json_body(&got),
        json!({
            "id": "chatcmpl-0192", "object": "chat.completion", "created": 1_700_000_000, "model": "qwen",
            "choices": [{"index": 0, "finish_reason": "content_filter", "logprobs": null,
                "message": {"role": "assistant", "content": "I \"cannot\"."}}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        })
    );
}

#[rstest]
fn a_streamed_chat(#[values(false, true)] usage_wanted: bool) {
    let context = AnswerContext {
        usage_wanted,
        ..context(Api::ChatCompletions, true)
    };
    let got = answer(&blocked(), &context);
    assert_eq!(got.headers["content-type"], "text/event-stream");
    let mut events = events(&got.body);
    assert_eq!(events.pop().unwrap(), (None, "[DONE]".to_owned()));
    let chunks: Vec<Value> = events
        .iter()
        .map(|(_, data)| serde_json::from_str(data).unwrap())
        .collect();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["object"] == "chat.completion.chunk"
                && chunk["id"] == "chatcmpl-0192")
    );
    assert_eq!(
        chunks[0]["choices"][0]["delta"],
        json!({"role": "assistant", "content": "I \"cannot\"."})
    );
    assert_eq!(chunks[0]["choices"][0]["finish_reason"], json!(null));
    assert_eq!(chunks[1]["choices"][0]["delta"], json!({}));
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(chunks.len(), if usage_wanted { 3 } else { 2 });
    if usage_wanted {
        assert!(crate::sse::is_usage_only_chunk(&events[2].1));
    }
}

#[test]
fn completions() {
    let got = json_body(&answer(&blocked(), &context(Api::Completions, false)));
    assert_eq!(
        (&got["object"], &got["id"]),
        (&json!("text_completion"), &json!("cmpl-0192"))
    );
    assert_eq!(got["choices"][0]["text"], "I \"cannot\".");
    assert_eq!(got["usage"]["total_tokens"], 0);
    let got = answer(&blocked(), &context(Api::Completions, true));
    let events = events(&got.body);
    assert_eq!(events.len(), 3);
    assert!(events[1].1.contains(r#""finish_reason":"content_filter""#));
}

/// Nothing of a blocked request reached a model: all APIs count no tokens, in members that client libraries need.
#[rstest]
#[case(Api::ChatCompletions, &["prompt_tokens", "completion_tokens", "total_tokens"])]
#[case(Api::Completions, &["prompt_tokens", "completion_tokens", "total_tokens"])]
#[case(Api::Responses, &["input_tokens", "output_tokens", "total_tokens"])]
#[case(Api::Messages, &["input_tokens", "output_tokens"])]
fn a_refusal_costs_no_tokens_in_any_api(#[case] api: Api, #[case] members: &[&str]) {
    let got = json_body(&answer(&blocked(), &context(api, false)));
    for member in members {
        assert_eq!(got["usage"][member], 0, "{member} {got}");
    }
}

#[rstest]
#[case("stop", "completed", json!(null))]
#[case("length", "incomplete", json!({"reason": "max_output_tokens"}))]
#[case("content_filter", "incomplete", json!({"reason": "content_filter"}))]
fn responses_say_how_they_ended(
    #[case] finish_reason: &'static str,
    #[case] status: &str,
    #[case] details: Value,
) {
    let reply = Reply::Completion {
        text: "t".into(),
        finish_reason,
        path: ResponsePath::FastResponse,
    };
    let whole = json_body(&answer(&reply, &context(Api::Responses, false)));
    assert_eq!(
        (&whole["status"], &whole["incomplete_details"]),
        (&json!(status), &details)
    );
    assert_eq!(whole["output"][0]["content"][0]["text"], "t");

    let streamed = answer(&reply, &context(Api::Responses, true));
    let events = events(&streamed.body);
    let names: Vec<&str> = events
        .iter()
        .map(|(name, _)| name.as_deref().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, (name, data)) in events.iter().enumerate() {
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["sequence_number"], number);
        assert_eq!(&data["type"], name.as_deref().unwrap());
        if number == 8 {
            assert_eq!(data["response"], whole);
        }
    }
}

#[rstest]
#[case("stop", "end_turn")]
#[case("length", "max_tokens")]
#[case("content_filter", "refusal")]
fn anthropic_messages(#[case] finish_reason: &'static str, #[case] stop: &str) {
    let reply = Reply::Completion {
        text: "t".into(),
        finish_reason,
        path: ResponsePath::FastResponse,
    };
    let whole = json_body(&answer(&reply, &context(Api::Messages, false)));
    assert_eq!(
        (&whole["type"], &whole["stop_reason"]),
        (&json!("message"), &json!(stop))
    );
    assert_eq!(whole["content"], json!([{"type": "text", "text": "t"}]));
    let events = events(&answer(&reply, &context(Api::Messages, true)).body);
    let names: Vec<&str> = events
        .iter()
        .map(|(name, _)| name.as_deref().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert!(events[4].1.contains(&format!(r#""stop_reason":"{stop}""#)));
}

#[rstest]
#[case(ResponsePath::Blocked, "content_filter")]
#[case(ResponsePath::FastResponse, "blocked")]
fn apis_without_text_get_an_error(#[case] path: ResponsePath, #[case] code: &str) {
    let reply = Reply::Completion {
        text: "No.".into(),
        finish_reason: "stop",
        path,
    };
    for api in [Api::Embeddings, Api::Rerank, Api::Classify, Api::Other] {
        let got = answer(&reply, &context(api, true));
        assert_eq!(got.status, StatusCode::FORBIDDEN);
        let body = json_body(&got);
        assert_eq!(
            (&body["error"]["code"], &body["error"]["message"]),
            (&json!(code), &json!("No."))
        );
    }
}

#[test]
fn errors_have_their_headers_and_form() {
    let mut error =
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_upstream", "none").retry_after(3);
    error.allow = Some("POST");
    let got = answer(
        &Reply::Error(error.clone()),
        &context(Api::ChatCompletions, true),
    );
    assert_eq!(got.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&got.headers["retry-after"], &got.headers["allow"]),
        (&HeaderValue::from(3), &HeaderValue::from_static("POST"))
    );
    assert_eq!(
        json_body(&got),
        json!({"error": {"message": "none", "type": "service_unavailable_error", "param": null, "code": "no_upstream"}})
    );
    let got = answer(&Reply::Error(error), &context(Api::Messages, false));
    assert_eq!(
        json_body(&got),
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "none", "code": "no_upstream", "param": null}})
    );
}

#[test]
fn raw_answers_stay_raw() {
    let reply = Reply::Raw {
        status: StatusCode::CREATED,
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"x"),
        path: ResponsePath::Cache,
    };
    let got = answer(&reply, &context(Api::ChatCompletions, false));
    assert_eq!(
        (got.status, got.body.as_ref()),
        (StatusCode::CREATED, &b"x"[..])
    );
}

#[rstest]
#[case(Api::ChatCompletions, None, true)]
#[case(Api::Completions, None, true)]
#[case(Api::Responses, Some("error"), false)]
#[case(Api::Messages, Some("error"), true)]
fn a_broken_stream_ends_with_an_error(
    #[case] api: Api,
    #[case] name: Option<&str>,
    #[case] done: bool,
) {
    let error = ApiError::new(
        StatusCode::BAD_GATEWAY,
        "upstream_disconnected",
        "the frontend went away",
    );
    let events = events(&stream_error(api, &error));
    assert_eq!(events[0].0.as_deref(), name);
    let data: Value = serde_json::from_str(&events[0].1).unwrap();
    assert_eq!(data["error"]["code"], "upstream_disconnected");
    assert_eq!(data["error"]["message"], "the frontend went away");
    assert_eq!(events.len(), 1 + usize::from(done));
    assert!(!done || events[1].1 == "[DONE]");
}

#[rstest]
#[case(
    404,
    r#"{"message":"Model not found","type":"Not Found","code":404}"#,
    404,
    "model_not_found",
    "Model not found"
)]
#[case(404, "", 503, "no_upstream", "no frontend has a worker for this model")]
#[case(
    503,
    r#"{"message":"Model x is not ready","type":"a","code":503}"#,
    503,
    "upstream_overloaded",
    "Model x is not ready"
)]
#[case(
    529,
    r#"{"message":"Service temporarily overloaded","type":"Overloaded","code":529}"#,
    503,
    "upstream_overloaded",
    "Service temporarily overloaded"
)]
#[case(
    400,
    r#"{"message":"Unsupported parameter(s): `priority`","type":"Bad Request","code":400}"#,
    400,
    "invalid_request",
    "Unsupported parameter(s): `priority`"
)]
#[case(
    400,
    "Failed to parse the request body as JSON",
    400,
    "invalid_request",
    "Failed to parse the request body as JSON"
)]
#[case(
    415,
    "",
    415,
    "unsupported_media_type",
    "the frontend does not take this content type"
)]
#[case(
    413,
    "length limit exceeded",
    413,
    "request_too_large",
    "length limit exceeded"
)]
#[case(
    504,
    r#"{"message":"Request deadline exceeded"}"#,
    504,
    "upstream_timeout",
    "Request deadline exceeded"
)]
#[case(500, "<html>oops</html>", 500, "upstream_error", "the frontend failed")]
#[case(418, r#"{"detail":"teapot"}"#, 418, "invalid_request", "teapot")]
fn frontends_errors_become_ours(
    #[case] status: u16,
    #[case] body: &str,
    #[case] expected: u16,
    #[case] code: &str,
    #[case] message: &str,
) {
    let error = from_upstream(status, body.as_bytes(), Api::ChatCompletions).unwrap();
    assert_eq!(
        (
            error.status.as_u16(),
            error.code.as_ref(),
            error.message.as_str()
        ),
        (expected, code, message)
    );
    assert_eq!(error.retry_after.is_some(), expected == 503);
}

#[test]
fn an_empty_404_means_another_thing_where_the_route_may_be_missing() {
    for api in [Api::Messages, Api::Other] {
        let error = from_upstream(404, b"", api).unwrap();
        assert_eq!(
            (error.status.as_u16(), error.code.as_ref()),
            (404, "not_found")
        );
    }
}

#[test]
fn what_already_has_the_clients_form_is_passed_on() {
    let openai = br#"{"error":{"message":"m","type":"t","param":null,"code":"c"}}"#;
    assert_eq!(from_upstream(400, openai, Api::ChatCompletions), None);
    assert_eq!(
        from_upstream(400, openai, Api::Messages).unwrap().message,
        "m"
    );
    let anthropic = br#"{"type":"error","error":{"type":"t","message":"m"}}"#;
    assert_eq!(from_upstream(400, anthropic, Api::Messages), None);
    assert_eq!(from_upstream(200, b"{}", Api::ChatCompletions), None);
}
