//! Chat and text completions.

use super::shape::{Close, View, index, items};
use super::{Channel, Field};
use crate::body::{EditConflict, Edits};
use crate::json::{Document, Value, quote};

fn channel(choice: u32, part: u32, field: Field) -> Channel {
    Channel {
        choice,
        part,
        field,
    }
}

pub(super) fn chat_event(root: Value<'_>, view: &mut View) {
    choices(root, "delta", true, view);
}

pub(super) fn chat_body(root: Value<'_>, view: &mut View) {
    choices(root, "message", false, view);
}

fn choices(root: Value<'_>, member: &str, stream: bool, view: &mut View) {
    for (position, choice) in items(root.get("choices")) {
        let number = index(choice.get("index"), position);
        let first = view.slots.len();
        if let Some(message) = choice.get(member) {
            said(number, message, view);
        }
        view.logprobs(number, first, choice.get("logprobs"), "null");
        finish(number, choice, stream, view);
    }
}

/// The texts of a delta or message.
fn said(number: u32, message: Value<'_>, view: &mut View) {
    for (name, field) in [
        ("reasoning_content", Field::ReasoningContent),
        ("reasoning", Field::Reasoning),
        ("content", Field::Content),
        ("refusal", Field::Refusal),
    ] {
        let value = message.get(name);
        if !view.string(channel(number, 0, field), value) {
            for (_, part) in items(value) {
                view.string(channel(number, 0, field), part.get("text"));
            }
        }
    }
    let content = channel(number, 0, Field::Content);
    view.annotations(content, message.get("annotations"));
    for (position, call) in items(message.get("tool_calls")) {
        let part = index(call.get("index"), position);
        let function = call.get("function").and_then(|f| f.get("arguments"));
        arguments(channel(number, part, Field::ToolCall), function, view);
        let custom = call.get("custom").and_then(|c| c.get("input"));
        view.string(channel(number, part, Field::CustomTool), custom);
    }
    let legacy = message
        .get("function_call")
        .and_then(|f| f.get("arguments"));
    arguments(channel(number, 0, Field::FunctionCall), legacy, view);
}

/// Arguments are a string that holds JSON; some servers send the JSON itself.
fn arguments(channel: Channel, value: Option<Value<'_>>, view: &mut View) {
    match value {
        Some(value) if super::shape::is_container(&value) => view.raw(channel, value),
        value => {
            view.string(channel, value);
        }
    }
}

pub(super) fn text(root: Value<'_>, stream: bool, view: &mut View) {
    for (position, choice) in items(root.get("choices")) {
        let number = index(choice.get("index"), position);
        let first = view.slots.len();
        view.string(channel(number, 0, Field::Text), choice.get("text"));
        view.logprobs(number, first, choice.get("logprobs"), "null");
        finish(number, choice, stream, view);
    }
}

fn finish(number: u32, choice: Value<'_>, stream: bool, view: &mut View) {
    view.opened.push(number);
    let Some(reason) = choice.get("finish_reason") else {
        return;
    };
    view.reasons.push((number, reason.range()));
    if !reason.is_null() && stream {
        view.closes.push(Close::Choice(number));
        view.closed.push(number);
    }
}

/// The members of a choice in a chunk that says `text` in a channel.
fn delta(channel: &Channel, text: &str) -> String {
    let text = quote(text);
    match channel.field {
        Field::Text => format!(r#""text":{text}"#),
        Field::ToolCall => format!(
            r#""delta":{{"tool_calls":[{{"index":{},"function":{{"arguments":{text}}}}}]}}"#,
            channel.part
        ),
        Field::CustomTool => format!(
            r#""delta":{{"tool_calls":[{{"index":{},"custom":{{"input":{text}}}}}]}}"#,
            channel.part
        ),
        Field::FunctionCall => format!(r#""delta":{{"function_call":{{"arguments":{text}}}}}"#),
        Field::ReasoningContent => format!(r#""delta":{{"reasoning_content":{text}}}"#),
        Field::Reasoning => format!(r#""delta":{{"reasoning":{text}}}"#),
        Field::Refusal => format!(r#""delta":{{"refusal":{text}}}"#),
        _ => format!(r#""delta":{{"content":{text}}}"#),
    }
}

/// The choices of a chunk that says `text` in a channel.
pub(super) fn choice(channel: &Channel, text: &str) -> String {
    format!(
        r#"[{{"index":{},{},"finish_reason":null,"logprobs":null}}]"#,
        channel.choice,
        delta(channel, text)
    )
}

/// The choices of a chunk that annotates a channel.
pub(super) fn annotated(channel: &Channel, annotation: &str) -> String {
    format!(
        r#"[{{"index":{},"delta":{{"annotations":[{annotation}]}},"finish_reason":null,"logprobs":null}}]"#,
        channel.choice
    )
}

/// The choices of a chunk that ends these ones.
pub(super) fn filtered(choices: &[u32], text_api: bool) -> String {
    let said = match text_api {
        true => r#""text":"""#,
        false => r#""delta":{}"#,
    };
    let one = |number: &u32| {
        format!(r#"{{"index":{number},{said},"finish_reason":"content_filter","logprobs":null}}"#)
    };
    let all: Vec<String> = choices.iter().map(one).collect();
    format!("[{}]", all.join(","))
}

/// A chunk like `envelope` with other choices and without usage, so that nobody counts that twice.
///
/// # Errors
/// Never: the ranges are members of one object.
pub(super) fn chunk(
    envelope: Option<&Document>,
    choices: &str,
    text_api: bool,
) -> Result<Vec<u8>, EditConflict> {
    let members = envelope.map(|doc| (doc, doc.root().get("choices"), doc.root().get("usage")));
    let Some((doc, Some(old), usage)) = members else {
        let object = match text_api {
            true => "text_completion",
            false => "chat.completion.chunk",
        };
        let chunk = format!(
            r#"{{"id":"","object":"{object}","created":0,"model":"","choices":{choices}}}"#
        );
        return Ok(chunk.into_bytes());
    };
    let mut edits = Edits::default();
    edits.replace(old.range(), choices.to_owned())?;
    if let Some(usage) = usage.filter(|usage| !usage.is_null()) {
        edits.replace(usage.range(), "null")?;
    }
    Ok(edits.apply(doc.bytes()).to_vec())
}
