//! The Responses API's `response`, whole and as named events.

use serde_json::{Value, json};

use super::{AnswerContext, Said, named_event};
use crate::api_error::ApiError;

/// Why a response is not complete; `None` where it is.
fn incomplete(finish_reason: &str) -> Option<&'static str> {
    match finish_reason {
        "content_filter" => Some("content_filter"),
        "length" => Some("max_output_tokens"),
        _ => None,
    }
}

fn response(
    context: &AnswerContext<'_>,
    status: &str,
    reason: Option<&str>,
    output: Value,
) -> Value {
    let usage = json!({
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    });
    json!({
        "id": format!("resp_{}", context.id),
        "object": "response",
        "created_at": context.created,
        "status": status,
        "error": null,
        "incomplete_details": reason.map(|reason| json!({"reason": reason})),
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": context.model,
        "output": output,
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "store": false,
        "temperature": null,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": if status == "in_progress" { Value::Null } else { usage },
    })
}

fn message(context: &AnswerContext<'_>, status: &str, content: Value) -> Value {
    json!({
        "id": format!("msg_{}", context.id),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    })
}

fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn final_status(reason: Option<&str>) -> &'static str {
    match reason {
        Some(_) => "incomplete",
        None => "completed",
    }
}

pub(super) fn whole(said: &Said<'_>, context: &AnswerContext<'_>) -> Value {
    let reason = incomplete(said.finish_reason);
    let status = final_status(reason);
    let item = message(context, status, json!([text_part(said.text)]));
    response(context, status, reason, json!([item]))
}

pub(super) fn stream(said: &Said<'_>, context: &AnswerContext<'_>) -> String {
    let status = final_status(incomplete(said.finish_reason));
    let begun = response(context, "in_progress", None, json!([]));
    let item = format!("msg_{}", context.id);
    let done = message(context, status, json!([text_part(said.text)]));
    let events = [
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        json!({"type": "response.output_item.added", "output_index": 0,
               "item": message(context, "in_progress", json!([]))}),
        json!({"type": "response.content_part.added", "item_id": item, "output_index": 0,
               "content_index": 0, "part": text_part("")}),
        json!({"type": "response.output_text.delta", "item_id": item, "output_index": 0,
               "content_index": 0, "delta": said.text, "logprobs": []}),
        json!({"type": "response.output_text.done", "item_id": item, "output_index": 0,
               "content_index": 0, "text": said.text, "logprobs": []}),
        json!({"type": "response.content_part.done", "item_id": item, "output_index": 0,
               "content_index": 0, "part": text_part(said.text)}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": done}),
        json!({"type": "response.completed", "response": whole(said, context)}),
    ];
    let mut out = String::new();
    for (number, mut event) in events.into_iter().enumerate() {
        event["sequence_number"] = json!(number);
        let name = event["type"].as_str().unwrap_or_default().to_owned();
        out.push_str(&named_event(&name, &event));
    }
    out
}

/// The event `error`, with OpenAI's `error` object added.
pub(super) fn error(error: &ApiError) -> Value {
    json!({
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "sequence_number": 0,
        "error": {
            "message": error.message,
            "type": error.kind(),
            "param": error.param,
            "code": error.code,
        },
    })
}
