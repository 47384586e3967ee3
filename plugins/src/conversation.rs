//! What a request says: roles, texts, images, tools, whatever API carries them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::json::{Document, Kind, Value};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the application.
    System,
    /// Instructions of the application, newer OpenAI name.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" | "function" => Self::Tool,
            _ => return None,
        })
    }
}

/// One piece of text in a request.
#[derive(Debug, Clone)]
pub struct Text {
    /// Who says it.
    pub role: Role,
    /// Index of the message it stands in; `None` for `instructions`, `prompt`, `input` and the like.
    pub message: Option<usize>,
    /// The JSON string's bytes in the body, quotes included.
    pub range: Range<usize>,
    decoded: OnceLock<Option<Box<str>>>,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// Number of images in it.
    pub images: usize,
    /// Number of tool calls in it.
    pub tool_calls: usize,
}

/// The texts and turns of a request, by position in its body.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// All texts in order.
    pub texts: Vec<Text>,
    /// The turns in order; one user turn for APIs without messages.
    pub turns: Vec<Turn>,
    /// Number of tools offered to the model.
    pub tools: usize,
    /// Numbers of token-id prompts: tokens that are no text.
    pub token_ids: usize,
    /// [`crate::tokens::of_request`], once it was asked for.
    pub(crate) estimated_tokens: OnceLock<usize>,
}

impl Conversation {
    /// Reads the parts of `doc` that `api` defines.
    ///
    /// # Errors
    /// 400 `invalid_request` naming the field where a chat request has no usable `messages`.
    pub fn read(api: Api, doc: &Document) -> Result<Self, ApiError> {
        let root = doc.root();
        let mut this = Self {
            tools: root.get("tools").map_or(0, |tools| tools.items().count()),
            ..Self::default()
        };
        match api {
            Api::ChatCompletions => this.messages(root, true)?,
            Api::Messages | Api::CountTokens => {
                if let Some(system) = root.get("system") {
                    this.content(Role::System, None, system);
                }
                this.messages(root, true)?;
            }
            Api::Completions => this.prompt(root, "prompt"),
            Api::Embeddings | Api::Classify => this.prompt(root, "input"),
            Api::Rerank => {
                this.prompt(root, "query");
                this.prompt(root, "documents");
            }
            Api::Responses => {
                if let Some(instructions) = root.get("instructions") {
                    this.content(Role::System, None, instructions);
                }
                this.responses_input(root);
            }
            Api::Other => {
                this.messages(root, false)?;
                for field in ["prompt", "input", "query", "documents"] {
                    this.prompt(root, field);
                }
            }
        }
        Ok(this)
    }

    /// The decoded text `index`.
    #[must_use]
    pub fn text<'a>(&'a self, doc: &'a Document, index: usize) -> &'a str {
        let Some(text) = self.texts.get(index) else {
            return "";
        };
        let raw = std::str::from_utf8(&doc.bytes()[text.range.clone()]).unwrap_or("\"\"");
        let decoded = text.decoded.get_or_init(|| {
            if raw.contains('\\') {
                serde_json::from_str(raw).ok()
            } else {
                None
            }
        });
        match decoded {
            Some(decoded) => decoded,
            None => &raw[1..raw.len() - 1],
        }
    }

    /// The texts that `role` says, in order.
    pub fn said_by<'a>(&'a self, doc: &'a Document, role: Role) -> impl Iterator<Item = &'a str> {
        (0..self.texts.len())
            .filter(move |&i| self.texts[i].role == role)
            .map(move |i| self.text(doc, i))
    }

    /// The indices of the texts of the last user turn (a turn may have several text parts).
    #[must_use]
    pub fn last_user(&self) -> Range<usize> {
        let Some(end) = self.texts.iter().rposition(|t| t.role == Role::User) else {
            return 0..0;
        };
        let message = self.texts[end].message;
        let start = self.texts[..=end]
            .iter()
            .rposition(|t| t.role != Role::User || t.message != message)
            .map_or(0, |before| before + 1);
        start..end + 1
    }

    fn messages(&mut self, root: Value<'_>, required: bool) -> Result<(), ApiError> {
        let Some(messages) = root.get("messages") else {
            return if required {
                Err(ApiError::invalid_request(
                    "messages",
                    "`messages` is missing",
                ))
            } else {
                Ok(())
            };
        };
        if messages.kind() != Kind::Array || messages.has_numbers() {
            return Err(ApiError::invalid_request(
                "messages",
                "`messages` must be an array of objects",
            ));
        }
        for (index, message) in messages.items().enumerate() {
            self.message(index, message)?;
        }
        if required && self.turns.is_empty() {
            return Err(ApiError::invalid_request("messages", "`messages` is empty"));
        }
        Ok(())
    }

    fn message(&mut self, index: usize, message: Value<'_>) -> Result<(), ApiError> {
        if message.kind() != Kind::Object {
            return Err(ApiError::invalid_request(
                format!("messages[{index}]"),
                "a message must be an object",
            ));
        }
        let param = || format!("messages[{index}].role");
        let role = message
            .get("role")
            .and_then(|role| role.as_str())
            .ok_or_else(|| ApiError::invalid_request(param(), "a message needs a `role`"))?;
        let role = Role::parse(&role).ok_or_else(|| {
            ApiError::invalid_request(
                param(),
                "`role` must be one of system, developer, user, assistant, tool",
            )
        })?;
        let calls = message.get("tool_calls");
        self.turns.push(Turn {
            role,
            images: 0,
            tool_calls: calls.map_or(0, |calls| calls.items().count()),
        });
        if let Some(content) = message.get("content") {
            self.content(role, Some(index), content);
        }
        if let Some(reasoning) = message.get("reasoning_content") {
            self.content(role, Some(index), reasoning);
        }
        for call in calls.into_iter().flat_map(|calls| calls.items()) {
            let arguments = call.get("function").and_then(|f| f.get("arguments"));
            if let Some(arguments) = arguments {
                self.string(role, Some(index), arguments);
            }
        }
        Ok(())
    }

    fn string(&mut self, role: Role, message: Option<usize>, value: Value<'_>) {
        if value.kind() == Kind::String {
            self.texts.push(Text {
                role,
                message,
                range: value.range(),
                decoded: OnceLock::new(),
            });
        }
    }

    /// All strings in a value, for arguments that are no string but an object.
    fn strings(&mut self, role: Role, message: Option<usize>, value: Value<'_>) {
        self.string(role, message, value);
        for item in value.items() {
            self.strings(role, message, item);
        }
        for member in value.members() {
            self.strings(role, message, member.value);
        }
    }

    /// A string, or parts: `{"type":"text","text":…}`, images, Anthropic tool results.
    fn content(&mut self, role: Role, message: Option<usize>, content: Value<'_>) {
        self.string(role, message, content);
        for part in content.items() {
            self.string(role, message, part);
            match part.get("type").and_then(|t| t.as_str()).as_deref() {
                Some("image_url" | "image" | "input_image") => {
                    if let Some(turn) = self.turns.last_mut() {
                        turn.images += 1;
                    }
                }
                Some("tool_result") => {
                    if let Some(inner) = part.get("content") {
                        self.content(Role::Tool, message, inner);
                    }
                }
                Some("tool_use") => {
                    if let Some(turn) = self.turns.last_mut() {
                        turn.tool_calls += 1;
                    }
                    if let Some(input) = part.get("input") {
                        self.strings(role, message, input);
                    }
                }
                Some("document") => {
                    if let Some(data) = part.get("source").and_then(|source| text_of(source)) {
                        self.content(role, message, data);
                    }
                }
                _ => {}
            }
            for field in ["text", "thinking", "refusal"] {
                if let Some(text) = part.get(field) {
                    self.string(role, message, text);
                }
            }
        }
    }

    /// `prompt`, `input` and the like: a string, strings, token ids, or arrays of token ids.
    fn prompt(&mut self, root: Value<'_>, field: &str) {
        let Some(prompt) = root.get(field) else {
            return;
        };
        if self.turns.is_empty() {
            self.turns.push(Turn {
                role: Role::User,
                images: 0,
                tool_calls: 0,
            });
        }
        self.content(Role::User, None, prompt);
        self.token_ids += token_ids(prompt);
        self.token_ids += prompt.items().map(token_ids).sum::<usize>();
    }

    /// The Responses API: a string, or items with roles, tool outputs among them.
    fn responses_input(&mut self, root: Value<'_>) {
        let Some(input) = root.get("input") else {
            return;
        };
        if input.kind() == Kind::String {
            return self.prompt(root, "input");
        }
        for item in input.items() {
            let role = item.get("role").and_then(|role| role.as_str());
            let kind = item.get("type").and_then(|kind| kind.as_str());
            let role = match (role.as_deref().and_then(Role::parse), kind.as_deref()) {
                (Some(role), _) => role,
                (None, Some("function_call_output" | "custom_tool_call_output")) => Role::Tool,
                (None, Some("function_call" | "reasoning" | "message")) => Role::Assistant,
                (None, _) => Role::User,
            };
            self.turns.push(Turn {
                role,
                images: 0,
                tool_calls: usize::from(kind.as_deref() == Some("function_call")),
            });
            for field in ["content", "output", "arguments", "input", "summary"] {
                if let Some(content) = item.get(field) {
                    self.content(role, None, content);
                }
            }
        }
    }
}

/// The text of an Anthropic document: not the base64 of a file.
fn text_of(source: Value<'_>) -> Option<Value<'_>> {
    match source.get("type")?.as_str()?.as_ref() {
        "text" => source.get("data"),
        "content" => source.get("content"),
        _ => None,
    }
}

/// How many numbers an array holds: its commas plus one, as numbers hold none.
fn token_ids(value: Value<'_>) -> usize {
    if value.has_numbers() && value.items().next().is_none() {
        memchr::memchr_iter(b',', value.raw().as_bytes()).count() + 1
    } else {
        0
    }
}

/// The texts joined by newlines: what a classifier of a whole turn reads. Borrowed where there is only one.
#[must_use]
pub fn join<'a>(mut texts: impl Iterator<Item = &'a str>) -> Cow<'a, str> {
    let Some(first) = texts.next() else {
        return Cow::Borrowed("");
    };
    let Some(second) = texts.next() else {
        return Cow::Borrowed(first);
    };
    let mut all = format!("{first}\n{second}");
    for text in texts {
        all.push('\n');
        all.push_str(text);
    }
    Cow::Owned(all)
}
