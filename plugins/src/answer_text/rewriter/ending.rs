//! The end of an answer that a filter stopped, as its API says it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::frame::event;
use super::super::{Channel, Field};
use super::{Rewriter, Rewritten, anthropic, openai};
use crate::api::Api;
use crate::json::Document;

impl Rewriter {
    /// Ends the answer. `channel` is where a filter stopped it.
    pub(super) fn stop(&mut self, channel: Channel, doc: Option<&Document>, out: &mut Rewritten) {
        self.stopped = true;
        out.stopped = true;
        if let Some(text) = self.farewell.clone()
            && let Some(place) = self.place(channel)
            && let Ok(state) = self.channels.get(&place)
        {
            state.say(&text);
            if let Ok(last) = self.say(&place, &text, doc) {
                out.events.push(last);
            }
        }
        match self.api {
            Api::Messages => {
                let open: Vec<u32> = self.open.iter().copied().collect();
                for (name, data) in anthropic::refusal(&open, self.counted) {
                    out.events.push(event(Some(name), data.as_bytes()));
                }
            }
            Api::Responses => {
                let number = self.number(None);
                let data = self.incomplete(number);
                out.events
                    .push(event(Some("response.incomplete"), data.as_bytes()));
            }
            api => {
                let mut open: Vec<u32> = self.open.iter().copied().collect();
                if open.is_empty() {
                    open.push(channel.choice);
                }
                let text_api = api == Api::Completions;
                let choices = openai::filtered(&open, text_api);
                out.events.push(self.chunk(&choices, text_api));
                out.events.push(Bytes::from_static(b"data: [DONE]\n\n"));
            }
        }
    }

    /// Where the assistant can say something more.
    fn place(&self, channel: Channel) -> Option<Channel> {
        match (self.api, channel.field) {
            (Api::ChatCompletions, _) => Some(Channel {
                part: 0,
                field: Field::Content,
                ..channel
            }),
            (_, Field::Text | Field::OutputText | Field::BlockText) => Some(channel),
            _ => None,
        }
    }

    /// The data of the event `response.incomplete`: the response as it began, with what the client has read of it.
    fn incomplete(&self, number: Option<u64>) -> String {
        let response = self.response.as_deref();
        let response = response.and_then(|raw| serde_json::from_slice::<Value>(raw).ok());
        let mut response = response
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({"object": "response"}));
        let items = self.items.iter().map(|(item, raw)| self.item(*item, raw));
        response["output"] = items.collect();
        response["status"] = "incomplete".into();
        response["incomplete_details"] = json!({"reason": "content_filter"});
        let mut event = json!({"type": "response.incomplete", "response": response});
        if let Some(number) = number {
            event["sequence_number"] = number.into();
        }
        event.to_string()
    }

    fn item(&self, item: u32, raw: &[u8]) -> Value {
        let mut value = serde_json::from_slice::<Value>(raw)
            .ok()
            .filter(Value::is_object)
            .unwrap_or_else(|| json!({}));
        let status = match self.closed.contains(&item) {
            true => "completed",
            false => "incomplete",
        };
        value["status"] = status.into();
        for name in ["content", "summary"] {
            if value.get(name).is_some() {
                value[name] = json!([]);
            }
        }
        for (channel, state) in self.channels.iter().filter(|(c, _)| c.choice == item) {
            let said = state.said.as_str();
            let (list, part) = match channel.field {
                Field::OutputText => (
                    "content",
                    json!({"type": "output_text", "text": said, "annotations": []}),
                ),
                Field::OutputRefusal => ("content", json!({"type": "refusal", "refusal": said})),
                Field::ReasoningText => {
                    ("content", json!({"type": "reasoning_text", "text": said}))
                }
                Field::Summary => ("summary", json!({"type": "summary_text", "text": said})),
                Field::CustomInput => {
                    value["input"] = said.into();
                    continue;
                }
                Field::Code => {
                    value["code"] = said.into();
                    continue;
                }
                _ => {
                    value["arguments"] = said.into();
                    continue;
                }
            };
            match value.get_mut(list).and_then(Value::as_array_mut) {
                Some(parts) => parts.push(part),
                None => value[list] = json!([part]),
            }
        }
        value
    }
}
