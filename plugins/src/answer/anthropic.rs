//! Anthropic's `message`, whole and as events, and its errors.

use serde_json::{Value, json};

use super::{AnswerContext, Said, named_event};
use crate::api_error::ApiError;

/// OpenAI's finish reason as Anthropic's `stop_reason`.
fn stop_reason(finish_reason: &str) -> &str {
    match finish_reason {
        "content_filter" => "refusal",
        "length" => "max_tokens",
        "tool_calls" => "tool_use",
        _ => "end_turn",
    }
}

fn envelope(context: &AnswerContext<'_>, content: Value, stop: Option<&str>) -> Value {
    json!({
        "id": format!("msg_{}", context.id),
        "type": "message",
        "role": "assistant",
        "model": context.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": null,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    })
}

pub(super) fn message(said: &Said<'_>, context: &AnswerContext<'_>) -> Value {
    let content = json!([{"type": "text", "text": said.text}]);
    envelope(context, content, Some(stop_reason(said.finish_reason)))
}

pub(super) fn stream(said: &Said<'_>, context: &AnswerContext<'_>) -> String {
    let delta = json!({"stop_reason": stop_reason(said.finish_reason), "stop_sequence": null});
    let events = [
        json!({"type": "message_start", "message": envelope(context, json!([]), None)}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": said.text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 0}}),
        json!({"type": "message_stop"}),
    ];
    events
        .iter()
        .map(|event| named_event(event["type"].as_str().unwrap_or_default(), event))
        .collect()
}

/// `{"type":"error","error":{"type","message"}}` with OpenAI's `code` and `param` beside them.
pub(super) fn error(error: &ApiError) -> Value {
    let kind = match error.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {
        "type": kind,
        "message": error.message,
        "code": error.code,
        "param": error.param,
    }})
}
