//! OpenAI's Responses API. Its events repeat what was said: a part when it is done, an item, and in the end all of it.

use super::shape::{Close, View, index, is_container, items};
use super::{Channel, Field};
use crate::json::{Value, quote};

/// Event type without `.delta` and `.done`, the member that repeats the text, and the channel's field.
const TEXTS: [(&str, &str, Field); 9] = [
    ("response.output_text", "text", Field::OutputText),
    ("response.refusal", "refusal", Field::OutputRefusal),
    ("response.reasoning_text", "text", Field::ReasoningText),
    ("response.reasoning", "text", Field::ReasoningText),
    ("response.reasoning_summary_text", "text", Field::Summary),
    (
        "response.function_call_arguments",
        "arguments",
        Field::FunctionArguments,
    ),
    (
        "response.mcp_call_arguments",
        "arguments",
        Field::McpArguments,
    ),
    (
        "response.custom_tool_call_input",
        "input",
        Field::CustomInput,
    ),
    ("response.code_interpreter_call_code", "code", Field::Code),
];

/// The event that annotates a text.
pub(super) const ANNOTATION: &str = "response.output_text.annotation.added";

/// The name of the event that says more of a channel.
pub(super) fn event_name(field: Field) -> &'static str {
    match field {
        Field::OutputRefusal => "response.refusal.delta",
        Field::ReasoningText => "response.reasoning_text.delta",
        Field::Summary => "response.reasoning_summary_text.delta",
        Field::FunctionArguments => "response.function_call_arguments.delta",
        Field::McpArguments => "response.mcp_call_arguments.delta",
        Field::CustomInput => "response.custom_tool_call_input.delta",
        Field::Code => "response.code_interpreter_call_code.delta",
        _ => "response.output_text.delta",
    }
}

pub(super) fn event(root: Value<'_>, view: &mut View) {
    let kind = root.get("type").and_then(|kind| kind.as_str());
    let kind = kind.as_deref().unwrap_or_default();
    let item = index(root.get("output_index"), 0);
    let part = part_of(root);
    for (name, member, field) in TEXTS {
        let channel = Channel {
            choice: item,
            part,
            field,
        };
        if kind.strip_prefix(name) == Some(".delta") {
            view.opened.push(item);
            if view.string(channel, root.get("delta")) {
                let first = view.slots.len() - 1;
                view.logprobs(item, first, root.get("logprobs"), "[]");
            }
            return;
        }
        if kind.strip_prefix(name) == Some(".done") {
            view.closes.push(Close::Channel(channel));
            if view.repetition(channel, root.get(member)) {
                let first = view.slots.len() - 1;
                view.logprobs(item, first, root.get("logprobs"), "[]");
            }
            return;
        }
    }
    match kind {
        "response.content_part.added" | "response.reasoning_summary_part.added" => {
            view.opened.push(item);
            if let Some(value) = root.get("part") {
                part_texts(item, part, value, kind.contains("summary"), false, view);
            }
        }
        "response.content_part.done" | "response.reasoning_summary_part.done" => {
            if let Some(value) = root.get("part") {
                let summary = kind.contains("summary");
                part_texts(item, part, value, summary, true, view);
                close_repeated(view, 0);
            }
        }
        ANNOTATION => {
            let channel = Channel {
                choice: item,
                part,
                field: Field::OutputText,
            };
            view.annotations(channel, root.get("annotation"));
        }
        "response.output_item.added" => view.opened.push(item),
        "response.output_item.done" => {
            view.closes.push(Close::Choice(item));
            view.closed.push(item);
            if let Some(value) = root.get("item") {
                item_texts(item, value, true, view);
            }
        }
        "response.completed" | "response.incomplete" | "response.failed" | "error" => {
            view.closes.push(Close::All);
            let output = root.get("response").and_then(|r| r.get("output"));
            for (number, value) in items(output) {
                item_texts(number, value, true, view);
            }
        }
        _ => {}
    }
}

fn close_repeated(view: &mut View, first: usize) {
    let channels: Vec<_> = view.slots[first..]
        .iter()
        .map(|slot| slot.channel)
        .collect();
    view.closes.extend(channels.into_iter().map(Close::Channel));
}

fn part_of(root: Value<'_>) -> u32 {
    let content = root
        .get("content_index")
        .or_else(|| root.get("summary_index"));
    index(content, 0)
}

pub(super) fn body(root: Value<'_>, view: &mut View) {
    for (number, item) in items(root.get("output")) {
        view.opened.push(number);
        item_texts(number, item, false, view);
    }
}

/// The texts of an item of the output.
fn item_texts(number: u32, item: Value<'_>, repeats: bool, view: &mut View) {
    let reasoning = is_type(item, "reasoning");
    for (position, part) in items(item.get("content")) {
        part_texts(number, position, part, false, repeats, view);
    }
    for (position, part) in items(item.get("summary").filter(|_| reasoning)) {
        part_texts(number, position, part, true, repeats, view);
    }
    let arguments = match is_type(item, "mcp_call") {
        true => Field::McpArguments,
        false => Field::FunctionArguments,
    };
    for (name, field) in [
        ("arguments", arguments),
        ("input", Field::CustomInput),
        ("code", Field::Code),
    ] {
        let channel = Channel {
            choice: number,
            part: 0,
            field,
        };
        match item.get(name) {
            Some(value) if is_container(&value) && !repeats => {
                // JSON itself, whatever it is called.
                let field = Field::FunctionArguments;
                view.raw(Channel { field, ..channel }, value);
            }
            value => {
                note(channel, value, repeats, view);
            }
        }
    }
}

fn part_texts(
    item: u32,
    part: u32,
    value: Value<'_>,
    summary: bool,
    repeats: bool,
    view: &mut View,
) {
    let text = match (summary, is_type(value, "reasoning_text")) {
        (true, _) => Field::Summary,
        (false, true) => Field::ReasoningText,
        (false, false) => Field::OutputText,
    };
    let first = view.slots.len();
    for (name, field) in [("text", text), ("refusal", Field::OutputRefusal)] {
        let channel = Channel {
            choice: item,
            part,
            field,
        };
        note(channel, value.get(name), repeats, view);
    }
    view.logprobs(item, first, value.get("logprobs"), "[]");
    let channel = Channel {
        choice: item,
        part,
        field: text,
    };
    view.annotations(channel, value.get("annotations"));
}

fn note(channel: Channel, value: Option<Value<'_>>, repeats: bool, view: &mut View) {
    match repeats {
        true => view.repetition(channel, value),
        false => view.string(channel, value),
    };
}

fn is_type(value: Value<'_>, name: &str) -> bool {
    let kind = value.get("type").and_then(|kind| kind.as_str());
    kind.as_deref() == Some(name)
}

/// The data of an event that says more of a channel. `item_id` is that of the channel's item.
pub(super) fn delta(channel: &Channel, text: &str, item_id: &str, sequence: Option<u64>) -> String {
    let name = event_name(channel.field);
    let place = match channel.field {
        Field::Summary => format!(r#","summary_index":{}"#, channel.part),
        Field::OutputText | Field::OutputRefusal | Field::ReasoningText => {
            format!(r#","content_index":{}"#, channel.part)
        }
        _ => String::new(),
    };
    let logprobs = match channel.field {
        Field::OutputText => r#","logprobs":[]"#,
        _ => "",
    };
    let sequence = number(sequence);
    format!(
        r#"{{"type":"{name}","item_id":{},"output_index":{}{place},"delta":{}{logprobs}{sequence}}}"#,
        quote(item_id),
        channel.choice,
        quote(text)
    )
}

pub(super) fn number(sequence: Option<u64>) -> String {
    sequence.map_or_else(String::new, |n| format!(r#","sequence_number":{n}"#))
}
