//! The texts of a request as models read them: who says them, and where in the body they stand.

use std::borrow::Cow;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::{Role, join};
use crate::exchange::Exchange;
use crate::json::{Kind, Value, decoded_range};

/// Who says a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The application: system and developer messages, `instructions`.
    System,
    /// The person: user messages, `prompt`, `input`.
    User,
    /// The model: earlier answers, and the arguments of its tool calls.
    Assistant,
    /// Results of tools.
    Tool,
    /// Names and descriptions of the tools that are offered to the model.
    Tools,
}

impl From<Role> for Speaker {
    fn from(role: Role) -> Self {
        match role {
            Role::System | Role::Developer => Self::System,
            Role::User => Self::User,
            Role::Assistant => Self::Assistant,
            Role::Tool => Self::Tool,
        }
    }
}

/// Whose texts are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Scope(pub Vec<Speaker>);

impl Default for Scope {
    /// Everything but the application's own instructions.
    fn default() -> Self {
        Self(vec![
            Speaker::User,
            Speaker::Tool,
            Speaker::Assistant,
            Speaker::Tools,
        ])
    }
}

impl Scope {
    /// Are this speaker's texts looked at?
    #[must_use]
    pub fn contains(&self, speaker: Speaker) -> bool {
        self.0.contains(&speaker)
    }
}

/// A text of a request, or several that are read as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Who says it.
    pub speaker: Speaker,
    /// The JSON strings in the body, quotes included; their texts are read with line breaks between them.
    pub parts: Vec<Range<usize>>,
    /// Index in [`crate::conversation::Conversation::texts`], where it is one of those.
    pub index: Option<usize>,
    /// Is it the last user turn?
    pub last_user: bool,
    /// Is its text only the beginning and the end of what stands there?
    pub excerpt: bool,
}

/// Of longer turns, subjects and vectors are found by their beginning and their end, bytes: what comes between changes
/// little of what a text is about, and would cost as much as a guard's reading.
const EXCERPT_OVER: usize = 4 << 10;

impl Passage {
    /// Where its first string stands in the body.
    #[must_use]
    pub fn start(&self) -> usize {
        self.parts.first().map_or(0, |part| part.start)
    }

    /// Its text.
    #[must_use]
    pub fn text<'a>(&self, exchange: &'a Exchange) -> Cow<'a, str> {
        let whole = match self.index {
            Some(index) if self.parts.len() == 1 => Cow::Borrowed(exchange.text(index)),
            _ => {
                let parts: Vec<Cow<'_, str>> = self
                    .parts
                    .iter()
                    .map(|part| string(exchange, part))
                    .collect();
                match <[Cow<'_, str>; 1]>::try_from(parts) {
                    Ok([only]) => only,
                    Err(parts) => Cow::Owned(join(parts.iter().map(|p| &**p)).into_owned()),
                }
            }
        };
        match self.excerpt && whole.len() > EXCERPT_OVER {
            true => Cow::Owned(excerpt(&whole)),
            false => whole,
        }
    }

    /// The bytes of the body behind a range of the text; `None` where it lies across two strings, or in an excerpt.
    #[must_use]
    pub fn raw(&self, exchange: &Exchange, range: &Range<usize>) -> Option<Range<usize>> {
        if self.excerpt {
            return None;
        }
        let mut at = 0;
        for part in &self.parts {
            let raw =
                std::str::from_utf8(exchange.body.document().bytes().get(part.clone())?).ok()?;
            let text = string(exchange, part);
            if range.start < at + text.len() || self.parts.len() == 1 {
                let inside = range.start.checked_sub(at)?..range.end.checked_sub(at)?;
                let found = decoded_range(raw, &inside)?;
                return Some(part.start + found.start..part.start + found.end);
            }
            at += text.len() + 1;
        }
        None
    }
}

fn string<'a>(exchange: &'a Exchange, part: &Range<usize>) -> Cow<'a, str> {
    let bytes = exchange.body.document().bytes().get(part.clone());
    let raw = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let raw = raw.filter(|raw| raw.len() >= 2).unwrap_or("\"\"");
    match raw.contains('\\') {
        true => serde_json::from_str(raw).map_or(Cow::Borrowed(""), Cow::Owned),
        false => Cow::Borrowed(&raw[1..raw.len() - 1]),
    }
}

/// Half from the beginning, half from the end.
fn excerpt(text: &str) -> String {
    let half = EXCERPT_OVER / 2;
    let border = |at: &usize| text.is_char_boundary(*at);
    let head = (0..=half).rev().find(border).unwrap_or(0);
    let tail = (text.len() - half..text.len())
        .find(border)
        .unwrap_or(text.len());
    format!("{}\n{}", &text[..head], &text[tail..])
}

/// The texts of these speakers, in the body's order; those of the tools' definitions last, one passage a tool.
#[must_use]
pub fn passages(exchange: &Exchange, scope: &Scope) -> Vec<Passage> {
    let last = exchange.conversation.last_user();
    let texts = exchange.conversation.texts.iter().enumerate();
    let mut all: Vec<Passage> = texts
        .map(|(index, text)| Passage {
            speaker: text.role.into(),
            parts: vec![text.range.clone()],
            index: Some(index),
            last_user: last == (index..index + 1),
            excerpt: false,
        })
        .filter(|passage| scope.contains(passage.speaker))
        .collect();
    // Empty strings need no model.
    all.retain(|passage| passage.parts.iter().any(|part| part.len() > 2));
    if scope.contains(Speaker::Tools) {
        all.extend(tools(exchange));
    }
    all
}

/// The last user turn, for questions about what a request is about; `None` where the user says nothing.
#[must_use]
pub fn last_user(exchange: &Exchange) -> Option<Passage> {
    let range = exchange.conversation.last_user();
    let texts = exchange.conversation.texts.get(range.clone())?;
    let length: usize = texts.iter().map(|text| text.range.len()).sum();
    let parts: Vec<Range<usize>> = texts.iter().map(|text| text.range.clone()).collect();
    (!parts.is_empty()).then(|| Passage {
        speaker: Speaker::User,
        index: (parts.len() == 1).then_some(range.start),
        last_user: true,
        // What is read in another way than the text alone must not be taken for it.
        excerpt: parts.len() > 1 || length > EXCERPT_OVER,
        parts,
    })
}

/// What a schema's strings of these names say is for machines.
const NO_PROSE: [&str; 6] = ["type", "format", "$ref", "$schema", "pattern", "$id"];

fn tools(exchange: &Exchange) -> Vec<Passage> {
    let root = exchange.body.document().root();
    let lists = ["tools", "functions"]
        .into_iter()
        .filter_map(|name| root.get(name));
    let mut all = Vec::new();
    for tool in lists.flat_map(|list| list.items()) {
        let mut parts = Vec::new();
        strings(tool, &mut parts);
        if !parts.is_empty() {
            all.push(Passage {
                speaker: Speaker::Tools,
                parts,
                index: None,
                last_user: false,
                excerpt: false,
            });
        }
    }
    all
}

/// All strings in a value that are meant for a reader.
fn strings(value: Value<'_>, out: &mut Vec<Range<usize>>) {
    match value.kind() {
        Kind::String if value.range().len() > 2 => out.push(value.range()),
        Kind::Array => value.items().for_each(|item| strings(item, out)),
        Kind::Object => {
            for member in value.members() {
                if !NO_PROSE.iter().any(|name| member.name_is(name)) {
                    strings(member.value, out);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
