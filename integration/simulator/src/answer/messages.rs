//! Anthropic's Messages API.

use serde_json::{Value, json};

use super::{Answer, Finish, Script, ScriptBuilder};

impl Finish {
    fn anthropic(self) -> &'static str {
        match self {
            Self::Stop => "end_turn",
            Self::Length => "max_tokens",
            Self::ToolCall => "tool_use",
        }
    }
}

impl Answer<'_> {
    pub(super) fn message(&self) -> Value {
        let content = match &self.request.call {
            Some(tool) => self.tool_use(tool),
            None => json!({"type": "text", "text": self.text}),
        };
        json!({
            "id": format!("msg_{:016x}", self.id),
            "type": "message",
            "role": "assistant",
            "content": [content],
            "model": self.request.model,
            "stop_reason": self.finish.anthropic(),
            "stop_sequence": null,
            "usage": {
                "input_tokens": self.usage.prompt - self.usage.cached.min(self.usage.prompt),
                "cache_read_input_tokens": self.usage.cached,
                "cache_creation_input_tokens": 0,
                "output_tokens": self.usage.completion,
            },
        })
    }

    fn tool_use(&self, tool: &str) -> Value {
        json!({"type": "tool_use", "id": format!("toolu_{:016x}", self.id), "name": tool, "input": {}})
    }

    pub(super) fn message_events(&self) -> Script {
        let mut script = ScriptBuilder::new(self.ends.len() + 4);
        let mut start = self.message();
        start["content"] = json!([]);
        start["stop_reason"] = Value::Null;
        start["usage"]["output_tokens"] = json!(0);
        named(
            &mut script,
            json!({"type": "message_start", "message": start}),
        );
        let block = match &self.request.call {
            Some(tool) => self.tool_use(tool),
            None => json!({"type": "text", "text": ""}),
        };
        named(
            &mut script,
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
        );
        let delta =
            |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
        if self.request.call.is_some() {
            let arguments = delta(json!({"type": "input_json_delta", "partial_json": "{}"}));
            script.token(Some("content_block_delta"), |out| put(out, &arguments));
        }
        for piece in self.pieces() {
            let text = delta(json!({"type": "text_delta", "text": piece}));
            script.token(Some("content_block_delta"), |out| put(out, &text));
        }
        named(
            &mut script,
            json!({"type": "content_block_stop", "index": 0}),
        );
        named(
            &mut script,
            json!({
                "type": "message_delta",
                "delta": {"stop_reason": self.finish.anthropic(), "stop_sequence": null},
                "usage": {"output_tokens": self.usage.completion},
            }),
        );
        script.terminator();
        named(&mut script, json!({"type": "message_stop"}));
        script.done();
        script.build()
    }
}

/// An event that is named after its `type`.
pub(super) fn named(script: &mut ScriptBuilder, event: Value) {
    script.event(event["type"].as_str(), |out| put(out, &event));
}

pub(super) fn put(out: &mut Vec<u8>, value: &Value) {
    // Writing a value into a vector cannot fail.
    let _ = serde_json::to_writer(out, value);
}
