//! The visitors that walk through a body without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fields::{Api, NVEXT};
use crate::prefix::PromptHasher;

const ROLES: &[&str] = &[
    "user",
    "system",
    "assistant",
    "tool",
    "developer",
    "function",
];

/// A string that is borrowed from the body where it holds no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Text and counts gathered from messages, prompts or inputs.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) items: usize,
    pub(super) system: Option<usize>,
    pub(super) images: usize,
    pub(super) prompt: PromptHasher,
}

/// Whether a tool must be called.
#[derive(Debug, Default)]
pub(super) enum Choice {
    #[default]
    Free,
    Required,
    Named(String),
}

/// The top level of a body as found, before it is checked.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    pub(super) model: Option<Cow<'a, str>>,
    pub(super) stream: bool,
    pub(super) stream_options: bool,
    pub(super) include_usage: bool,
    pub(super) has_input: bool,
    pub(super) seen: Seen,
    pub(super) max_tokens: Option<usize>,
    pub(super) min_tokens: usize,
    pub(super) ignore_eos: bool,
    pub(super) reasoning: Vec<(&'static str, &'a str)>,
    pub(super) tools: Vec<Cow<'a, str>>,
    pub(super) choice: Choice,
    pub(super) dimensions: Option<usize>,
    pub(super) base64: bool,
    pub(super) top_n: Option<usize>,
    pub(super) unsupported: Vec<String>,
}

pub(super) fn read(api: Api, body: &[u8]) -> Result<Found<'_>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let found = TopLevel(api).deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

struct TopLevel(Api);

impl<'de> DeserializeSeed<'de> for TopLevel {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TopLevel {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Found::default();
        while let Some(Text(key)) = map.next_key()? {
            if !self.0.accepts(&key) {
                map.next_value::<IgnoredAny>()?;
                found.unsupported.push(key.into_owned());
            } else if key == self.0.input_field() {
                if found.has_input {
                    return Err(A::Error::custom(format_args!("duplicate field `{key}`")));
                }
                found.has_input = true;
                map.next_value_seed(Input(self.0, &mut found.seen))?;
            } else {
                found.field(self.0, &key, &mut map)?;
            }
        }
        Ok(found)
    }
}

impl<'de> Found<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        api: Api,
        key: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key {
            "model" if self.model.is_some() => {
                return Err(A::Error::custom("duplicate field `model`"));
            }
            "model" => self.model = Some(map.next_value::<Text<'de>>()?.0),
            "stream" => self.stream = map.next_value::<Option<bool>>()?.unwrap_or(false),
            "stream_options" => {
                let options = map.next_value::<Option<StreamOptions>>()?;
                self.stream_options = options.is_some();
                self.include_usage = options.is_some_and(|options| options.include_usage);
            }
            "max_tokens" | "max_completion_tokens" | "max_output_tokens" => {
                self.max_tokens = map.next_value::<Option<usize>>()?.or(self.max_tokens);
            }
            "min_tokens" => self.min_tokens = map.next_value::<Option<usize>>()?.unwrap_or(0),
            "ignore_eos" => self.ignore_eos = map.next_value::<Option<bool>>()?.unwrap_or(false),
            "temperature" => in_range(key, 2.0, map.next_value()?)?,
            "top_p" | "min_p" => in_range(key, 1.0, map.next_value()?)?,
            "system" | "instructions" => self.seen.system_text(map)?,
            // The text of a query counts towards the prompt, it is no item of its own.
            "query" => map.next_value_seed(Content(&mut self.seen))?,
            "tools" => self.tools = tools(map.next_value::<Option<Vec<Tool<'de>>>>()?),
            "tool_choice" => self.choice = choice(&map.next_value()?),
            "dimensions" => self.dimensions = map.next_value()?,
            "encoding_format" => {
                let format = map.next_value::<Option<Text<'de>>>()?;
                self.base64 = format.is_some_and(|format| format.0 == "base64");
            }
            "top_n" => self.top_n = map.next_value()?,
            "reasoning_effort" => self.reasoning("reasoning_effort", map)?,
            "chat_template_kwargs" => self.reasoning("chat_template_kwargs", map)?,
            "chat_template_args" => self.reasoning("chat_template_args", map)?,
            "thinking" => self.reasoning("thinking", map)?,
            "reasoning" if api == Api::Responses => self.reasoning("reasoning", map)?,
            "nvext" => map.next_value_seed(NvExt(self))?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn reasoning<A: MapAccess<'de>>(
        &mut self,
        name: &'static str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let value: &'de RawValue = map.next_value()?;
        self.reasoning.push((name, value.get()));
        Ok(())
    }
}

impl Seen {
    fn system_text<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let before = self.prompt.bytes();
        map.next_value_seed(Content(self))?;
        let bytes = self.prompt.bytes() - before;
        if bytes > 0 {
            self.system = Some(self.system.unwrap_or(0) + bytes);
        }
        Ok(())
    }
}

fn in_range<E: Error>(name: &str, max: f64, value: Option<f64>) -> Result<(), E> {
    match value {
        Some(value) if !(0.0..=max).contains(&value) => Err(E::custom(format_args!(
            "`{name}` must be between 0 and {max}"
        ))),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

fn tools(tools: Option<Vec<Tool<'_>>>) -> Vec<Cow<'_, str>> {
    let tools = tools.into_iter().flatten();
    tools
        .filter_map(|tool| tool.function.map(|function| function.name).or(tool.name))
        .collect()
}

/// Reads both OpenAI's forms (`"required"`, `{"function":{"name"}}`) and Anthropic's (`{"type":"any"}`,
/// `{"type":"tool","name"}`).
fn choice(value: &serde_json::Value) -> Choice {
    let kind = value.as_str().or_else(|| value["type"].as_str());
    if matches!(kind, Some("required" | "any")) {
        return Choice::Required;
    }
    let name = value["function"]["name"]
        .as_str()
        .or_else(|| value["name"].as_str());
    name.map_or(Choice::Free, |name| Choice::Named(name.to_owned()))
}

/// `nvext`: an object with known keys only.
struct NvExt<'f, 'de>(&'f mut Found<'de>);

impl<'de> DeserializeSeed<'de> for NvExt<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NvExt<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null in `nvext`")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            if key == "max_thinking_tokens" {
                self.0.reasoning("nvext.max_thinking_tokens", &mut map)?;
                continue;
            }
            map.next_value::<IgnoredAny>()?;
            if !NVEXT.contains(&&*key) {
                self.0.unsupported.push(format!("nvext.{key}"));
            }
        }
        Ok(())
    }
}

/// The main input: a string, or an array whose items are counted.
struct Input<'s>(Api, &'s mut Seen);

impl<'de> DeserializeSeed<'de> for Input<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.0 {
            Api::Chat | Api::Messages | Api::CountTokens => json.deserialize_seq(self),
            _ => json.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Input<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.0.input_field();
        match self.0 {
            Api::Chat | Api::Messages | Api::CountTokens => write!(f, "an array in `{field}`"),
            _ => write!(f, "a string or an array in `{field}`"),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.1.items = 1;
        self.1.prompt.feed(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(api, seen) = self;
        let roles = matches!(api, Api::Chat | Api::Messages | Api::CountTokens);
        while seq.next_element_seed(Item { roles, seen })?.is_some() {
            seen.items += 1;
        }
        Ok(())
    }
}

/// One message, prompt, input or document.
struct Item<'s> {
    /// Whether it must be a message with a known role.
    roles: bool,
    seen: &'s mut Seen,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.roles {
            json.deserialize_map(self)
        } else {
            json.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.roles { "a message" } else { "an input" })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Content(self.seen).visit_str(text)
    }

    fn visit_u64<E: Error>(self, token: u64) -> Result<(), E> {
        Content(self.seen).visit_u64(token)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Content(self.seen).visit_seq(seq)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let before = self.seen.prompt.bytes();
        let (mut role, mut system) = (false, false);
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "role" => {
                    let Text(name) = map.next_value()?;
                    if !ROLES.contains(&&*name) {
                        return Err(A::Error::custom("unknown value of `role`"));
                    }
                    role = true;
                    system = name == "system" || name == "developer";
                }
                "content" | "text" | "output" => map.next_value_seed(Content(self.seen))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if self.roles && !role {
            return Err(A::Error::missing_field("role"));
        }
        let bytes = self.seen.prompt.bytes() - before;
        if system {
            self.seen.system = Some(self.seen.system.unwrap_or(0) + bytes);
        }
        // A boundary, so that the same text divided otherwise is another prompt.
        self.seen.prompt.feed(b"\x1e");
        Ok(())
    }
}

/// Text at any depth: a string, content parts, token ids.
struct Content<'s>(&'s mut Seen);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or content parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.prompt.feed(text.as_bytes());
        Ok(())
    }

    fn visit_u64<E: Error>(self, token: u64) -> Result<(), E> {
        #[expect(clippy::cast_possible_truncation, reason = "token ids have 32 bits")]
        self.0.prompt.feed(&(token as u32).to_le_bytes());
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Content(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "type" => {
                    let Text(kind) = map.next_value()?;
                    self.0.images += usize::from(kind.contains("image"));
                }
                "text" | "content" => map.next_value_seed(Content(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
