//! OpenAI's Responses API.

use serde_json::{Value, json};

use super::messages::{named, put};
use super::{Answer, Finish, Script, ScriptBuilder};

impl Answer<'_> {
    pub(super) fn response(&self, status: &str) -> Value {
        let complete = status == "completed";
        let status = match self.finish {
            Finish::Length if complete => "incomplete",
            _ => status,
        };
        let usage = json!({
            "input_tokens": self.usage.prompt,
            "input_tokens_details": {"cached_tokens": self.usage.cached},
            "output_tokens": self.usage.completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.usage.prompt + self.usage.completion,
        });
        let reason = (status == "incomplete").then(|| json!({"reason": "max_output_tokens"}));
        json!({
            "id": format!("resp_{:016x}", self.id),
            "object": "response",
            "created_at": self.created,
            "status": status,
            "incomplete_details": reason,
            "error": null,
            "model": self.request.model,
            "output": if complete { json!([self.output_item("completed")]) } else { json!([]) },
            "parallel_tool_calls": true,
            "tool_choice": "auto",
            "tools": [],
            "usage": if complete { usage } else { Value::Null },
        })
    }

    fn output_item(&self, status: &str) -> Value {
        match &self.request.call {
            Some(tool) => json!({
                "type": "function_call",
                "id": format!("fc_{:016x}", self.id),
                "call_id": format!("call_{:016x}", self.id),
                "name": tool,
                "arguments": if status == "completed" { "{}" } else { "" },
                "status": status,
            }),
            None => json!({
                "type": "message",
                "id": format!("msg_{:016x}", self.id),
                "role": "assistant",
                "status": status,
                "content": if status == "completed" { json!([self.part(&self.text)]) } else { json!([]) },
            }),
        }
    }

    fn part(&self, text: &str) -> Value {
        json!({"type": "output_text", "text": text, "annotations": []})
    }

    pub(super) fn response_events(&self) -> Script {
        let mut script = ScriptBuilder::new(self.ends.len() + 8);
        let mut sequence = 0;
        let mut numbered = |mut event: Value| {
            event["sequence_number"] = json!(sequence);
            sequence += 1;
            event
        };
        for state in ["response.created", "response.in_progress"] {
            let event = json!({"type": state, "response": self.response("in_progress")});
            named(&mut script, numbered(event));
        }
        let item = self.output_item("in_progress");
        let event = json!({"type": "response.output_item.added", "output_index": 0, "item": item});
        named(&mut script, numbered(event));
        if self.request.call.is_some() {
            let kind = "response.function_call_arguments";
            let id = format!("fc_{:016x}", self.id);
            let event = numbered(json!({"type": format!("{kind}.delta"), "item_id": id,
                "output_index": 0, "delta": "{}"}));
            script.token(event["type"].as_str(), |out| put(out, &event));
            let event = json!({"type": format!("{kind}.done"), "item_id": id,
                "output_index": 0, "arguments": "{}"});
            named(&mut script, numbered(event));
        } else {
            let id = format!("msg_{:016x}", self.id);
            let place = |kind: &str, field: &str, value: Value| json!({"type": kind, "item_id": id, "output_index": 0, "content_index": 0, field: value});
            let added = place("response.content_part.added", "part", self.part(""));
            named(&mut script, numbered(added));
            for piece in self.pieces() {
                let event = numbered(place("response.output_text.delta", "delta", json!(piece)));
                script.token(event["type"].as_str(), |out| put(out, &event));
            }
            let text = place("response.output_text.done", "text", json!(self.text));
            named(&mut script, numbered(text));
            let part = place("response.content_part.done", "part", self.part(&self.text));
            named(&mut script, numbered(part));
        }
        let item = self.output_item("completed");
        let event = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
        named(&mut script, numbered(event));
        script.terminator();
        let response = self.response("completed");
        let kind = match self.finish {
            Finish::Length => "response.incomplete",
            _ => "response.completed",
        };
        named(
            &mut script,
            numbered(json!({"type": kind, "response": response})),
        );
        script.build()
    }
}
