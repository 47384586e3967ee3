//! `system_prompt`: adds a system prompt, or changes the client's.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::body::RequestBody;
use crate::exchange::Exchange;
use crate::json::quote;
use crate::plugin::{Flow, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

/// Adds a system prompt, or changes the client's.
///
/// The client's system prompt is the first message of the role `system` or `developer` in a chat, `system` for
/// `/v1/messages`, and `instructions` for `/v1/responses`. Other APIs have none and are left alone. Later messages of
/// these roles stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemPromptConfig {
    /// The prompt.
    pub text: String,
    /// What happens to a system prompt of the client. Where it sent none, the text is added in every mode.
    #[serde(default)]
    pub mode: Mode,
    /// The role of the message that is added to a chat that has no system prompt. A message of the client keeps
    /// its role.
    #[serde(default)]
    pub role: InsertedRole,
}

/// How a fixed prompt and the client's go together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The text takes the place of the client's prompt.
    Replace,
    /// The text comes first, then a blank line, then the client's prompt.
    #[default]
    Prepend,
    /// The client's prompt comes first, then a blank line, then the text.
    Append,
    /// The client's prompt stays as it is.
    InsertIfMissing,
}

/// The role of an added message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InsertedRole {
    /// `system`, which every chat template knows.
    #[default]
    System,
    /// `developer`, OpenAI's newer name.
    Developer,
}

/// The built plugin.
#[derive(Debug)]
pub struct SystemPrompt {
    text: String,
    mode: Mode,
    /// The message to add to a chat, as JSON.
    message: String,
}

impl BuiltIn for SystemPrompt {
    type Config = SystemPromptConfig;

    fn build(
        config: &SystemPromptConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        if config.text.trim().is_empty() {
            let mut problems = Problems::new();
            problems.error(format!("{path}.text"), "the prompt is empty");
            return Err(problems);
        }
        let role = match config.role {
            InsertedRole::System => "system",
            InsertedRole::Developer => "developer",
        };
        Ok(Self {
            text: config.text.clone(),
            mode: config.mode,
            message: json!({"role": role, "content": config.text}).to_string(),
        })
    }
}

#[async_trait]
impl Plugin for SystemPrompt {
    fn name(&self) -> &'static str {
        "system_prompt"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        let changed = match exchange.api {
            Api::ChatCompletions => self.chat(&mut exchange.body),
            Api::Messages | Api::CountTokens => self.field(&mut exchange.body, "system"),
            Api::Responses => self.field(&mut exchange.body, "instructions"),
            _ => false,
        };
        exchange.system_prompt_injected |= changed;
        Ok(Flow::Continue)
    }
}

/// Where a chat's system prompt stands.
enum Place {
    /// A message that a plugin added in front of the client's message: (that message, position among the added).
    Added(usize, usize),
    /// A message of the client.
    Client(usize),
}

impl SystemPrompt {
    fn chat(&self, body: &mut RequestBody) -> bool {
        match find(body) {
            None => body.inserted_messages(0).insert(0, self.message.clone()),
            Some(_) if self.mode == Mode::InsertIfMissing => return false,
            Some(Place::Client(index)) => match body.content(index) {
                Some(content) => {
                    let joined = self.join(&content);
                    body.set_content(index, joined);
                }
                // A message without content cannot be given one: it makes room for ours.
                None => {
                    body.remove_message(index);
                    body.insert_message(index, self.message.clone());
                }
            },
            Some(Place::Added(index, position)) => {
                let Some(raw) = body.inserted_messages(index).get_mut(position) else {
                    return false;
                };
                let Ok(mut message) = serde_json::from_str::<Map<String, Value>>(raw) else {
                    return false;
                };
                let old = message
                    .get("content")
                    .map_or_else(|| "null".to_owned(), Value::to_string);
                let new =
                    serde_json::from_str(&self.join(&old)).unwrap_or_else(|_| json!(self.text));
                message.insert("content".to_owned(), new);
                *raw = Value::Object(message).to_string();
            }
        }
        true
    }

    fn field(&self, body: &mut RequestBody, name: &str) -> bool {
        let old = body.field(name).filter(|raw| *raw != "null");
        if old.is_some() && self.mode == Mode::InsertIfMissing {
            return false;
        }
        let new = old.map_or_else(|| quote(&self.text), |old| self.join(&old));
        body.set_field(name, new);
        true
    }

    /// The client's content (raw JSON: a string or an array of parts) together with the text.
    fn join(&self, old: &str) -> String {
        if self.mode == Mode::Replace {
            return quote(&self.text);
        }
        if let Ok(text) = serde_json::from_str::<String>(old) {
            return quote(&match self.mode {
                _ if text.trim().is_empty() => self.text.clone(),
                Mode::Append => format!("{text}\n\n{}", self.text),
                _ => format!("{}\n\n{text}", self.text),
            });
        }
        match serde_json::from_str::<Vec<&RawValue>>(old) {
            Ok(parts) if !parts.is_empty() => self.join_parts(&parts),
            _ => quote(&self.text),
        }
    }

    /// A part of its own, with the blank line inside it: chat templates put parts behind each other as they are.
    fn join_parts(&self, parts: &[&RawValue]) -> String {
        let (at, text) = match self.mode {
            Mode::Append => (parts.len(), format!("\n\n{}", self.text)),
            _ => (0, format!("{}\n\n", self.text)),
        };
        let mut all: Vec<String> = parts.iter().map(|part| part.get().to_owned()).collect();
        all.insert(at, json!({"type": "text", "text": text}).to_string());
        format!("[{}]", all.join(","))
    }
}

/// The first system or developer message of a chat as it stands after the edits so far.
fn find(body: &RequestBody) -> Option<Place> {
    let messages = body.document().root().get("messages")?;
    let mut count = 0;
    for (index, message) in messages.items().enumerate() {
        if let Some(position) = find_added(body, index) {
            return Some(Place::Added(index, position));
        }
        let role = message.get("role").and_then(|role| role.as_str());
        if !body.is_removed(index) && role.as_deref().is_some_and(is_system) {
            return Some(Place::Client(index));
        }
        count = index + 1;
    }
    find_added(body, count).map(|position| Place::Added(count, position))
}

fn find_added(body: &RequestBody, index: usize) -> Option<usize> {
    #[derive(Deserialize)]
    struct Role<'a> {
        #[serde(borrow)]
        role: std::borrow::Cow<'a, str>,
    }
    body.inserted(index)
        .iter()
        .position(|raw| serde_json::from_str::<Role<'_>>(raw).is_ok_and(|m| is_system(&m.role)))
}

fn is_system(role: &str) -> bool {
    matches!(role, "system" | "developer")
}

#[cfg(test)]
mod tests;
