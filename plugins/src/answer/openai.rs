//! `chat.completion` and `text_completion`, whole and as chunks.

use serde_json::{Value, json};

use super::{AnswerContext, DONE, Said, data_event, no_usage};

pub(super) fn chat(said: &Said<'_>, context: &AnswerContext<'_>) -> Value {
    json!({
        "id": format!("chatcmpl-{}", context.id),
        "object": "chat.completion",
        "created": context.created,
        "model": context.model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": said.text},
            "logprobs": null,
            "finish_reason": said.finish_reason,
        }],
        "usage": no_usage(),
    })
}

pub(super) fn chat_stream(said: &Said<'_>, context: &AnswerContext<'_>) -> String {
    let chunk = |choices: Value| {
        json!({
            "id": format!("chatcmpl-{}", context.id),
            "object": "chat.completion.chunk",
            "created": context.created,
            "model": context.model,
            "choices": choices,
        })
    };
    let choice = |delta: Value, finish: Option<&str>| {
        chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]))
    };
    let first = choice(json!({"role": "assistant", "content": said.text}), None);
    let last = choice(json!({}), Some(said.finish_reason));
    joined(&[first, last], chunk(json!([])), context)
}

pub(super) fn text(said: &Said<'_>, context: &AnswerContext<'_>) -> Value {
    let mut body = text_chunk(context, text_choice(said.text, Some(said.finish_reason)));
    body["usage"] = no_usage();
    body
}

pub(super) fn text_stream(said: &Said<'_>, context: &AnswerContext<'_>) -> String {
    let first = text_chunk(context, text_choice(said.text, None));
    let last = text_chunk(context, text_choice("", Some(said.finish_reason)));
    joined(&[first, last], text_chunk(context, json!([])), context)
}

fn text_choice(text: &str, finish: Option<&str>) -> Value {
    json!([{"index": 0, "text": text, "logprobs": null, "finish_reason": finish}])
}

fn text_chunk(context: &AnswerContext<'_>, choices: Value) -> Value {
    json!({
        "id": format!("cmpl-{}", context.id),
        "object": "text_completion",
        "created": context.created,
        "model": context.model,
        "choices": choices,
    })
}

/// The chunks, then `usage` in a chunk without choices if the client asked for it, then the end marker.
fn joined(chunks: &[Value], mut usage: Value, context: &AnswerContext<'_>) -> String {
    let mut out: String = chunks.iter().map(data_event).collect();
    if context.usage_wanted {
        usage["usage"] = no_usage();
        out.push_str(&data_event(&usage));
    }
    out.push_str(DONE);
    out
}
