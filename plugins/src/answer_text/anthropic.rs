//! Anthropic's Messages API: numbered content blocks, each of one kind.

use super::shape::{Close, View, index, is_container, items};
use super::{Channel, Field};
use crate::json::{Value, quote};

const BLOCK: [(&str, Field); 2] = [("text", Field::BlockText), ("thinking", Field::Thinking)];

fn channel(part: u32, field: Field) -> Channel {
    Channel {
        choice: 0,
        part,
        field,
    }
}

pub(super) fn event(root: Value<'_>, view: &mut View) {
    let kind = root.get("type").and_then(|kind| kind.as_str());
    let block = index(root.get("index"), 0);
    match kind.as_deref().unwrap_or_default() {
        "content_block_start" => {
            view.opened.push(block);
            let content = root.get("content_block");
            for (name, field) in BLOCK {
                let value = content.and_then(|content| content.get(name));
                view.string(channel(block, field), value);
            }
        }
        "content_block_delta" => {
            let delta = root.get("delta");
            for (name, field) in BLOCK
                .into_iter()
                .chain([("partial_json", Field::BlockInput)])
            {
                let value = delta.and_then(|delta| delta.get(name));
                view.string(channel(block, field), value);
            }
        }
        "content_block_stop" => {
            view.closes.push(Close::Part(0, block));
            view.closed.push(block);
        }
        "message_delta" => {
            view.closes.push(Close::All);
            let reason = root.get("delta").and_then(|d| d.get("stop_reason"));
            view.reasons
                .extend(reason.map(|reason| (0, reason.range())));
        }
        "message_stop" | "error" => view.closes.push(Close::All),
        _ => {}
    }
}

pub(super) fn body(root: Value<'_>, view: &mut View) {
    for (position, block) in items(root.get("content")) {
        for (name, field) in BLOCK {
            view.string(channel(position, field), block.get(name));
        }
        if let Some(input) = block.get("input").filter(is_container) {
            view.raw(channel(position, Field::BlockInput), input);
        }
    }
    let reason = root.get("stop_reason");
    view.reasons
        .extend(reason.map(|reason| (0, reason.range())));
}

/// The data of an event that says more of a block.
pub(super) fn delta(channel: &Channel, text: &str) -> String {
    let (kind, member) = match channel.field {
        Field::Thinking => ("thinking_delta", "thinking"),
        Field::BlockInput => ("input_json_delta", "partial_json"),
        _ => ("text_delta", "text"),
    };
    format!(
        r#"{{"type":"content_block_delta","index":{},"delta":{{"type":"{kind}","{member}":{}}}}}"#,
        channel.part,
        quote(text)
    )
}

/// How many tokens of output the frontend has counted, where an event says so.
pub(super) fn counted(root: Value<'_>) -> Option<u64> {
    let message = root.get("message").unwrap_or(root);
    message.get("usage")?.get("output_tokens")?.as_u64()
}

/// The events that end a message whose blocks `open` have not ended, name and data. Client libraries want a number of
/// tokens there and take it for that of the whole message.
pub(super) fn refusal(open: &[u32], counted: u64) -> Vec<(&'static str, String)> {
    let stop = |block: &u32| {
        let data = format!(r#"{{"type":"content_block_stop","index":{block}}}"#);
        ("content_block_stop", data)
    };
    let mut events: Vec<_> = open.iter().map(stop).collect();
    events.push((
        "message_delta",
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"refusal","stop_sequence":null}},"usage":{{"output_tokens":{counted}}}}}"#
        ),
    ));
    events.push(("message_stop", r#"{"type":"message_stop"}"#.to_owned()));
    events
}
