//! What an event's data, or a whole answer, says: tokens used, errors, the end.

use memchr::memmem;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Event;

/// Tokens that an answer used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, those from a cache included.
    pub prompt: u64,
    /// Tokens of the answer.
    pub completion: u64,
    /// Tokens of the prompt that came from a cache.
    pub cached: u64,
}

impl Usage {
    /// Joins what another event of the same answer says. Counts in a stream are running totals, so the larger
    /// one is the later one (Anthropic's API says the prompt first and the answer last).
    pub fn absorb(&mut self, other: Self) {
        self.prompt = self.prompt.max(other.prompt);
        self.completion = self.completion.max(other.completion);
        self.cached = self.cached.max(other.cached);
    }
}

/// An error inside a stream whose status was 200.
///
/// The message may quote the request: it may go to the client, but not to logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventError {
    /// Text for people.
    pub message: String,
    /// The frontend's `type`, for example `service_unavailable`; empty where it says none.
    pub kind: String,
    /// `code` where it is a number: Dynamo puts the HTTP status there.
    pub status: Option<u16>,
    /// `code` where it is a word.
    pub code: Option<String>,
}

/// Is this the end marker `data: [DONE]`?
#[must_use]
pub fn is_done(event: &Event<'_>) -> bool {
    event
        .data
        .as_deref()
        .is_some_and(|data| data.trim() == "[DONE]")
}

/// The members of an answer or event that are looked at; the rest is skipped.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

fn envelope(json: &str) -> Option<Envelope<'_>> {
    serde_json::from_str(json).ok()
}

/// The usage in an answer's body or an event's data: OpenAI's `usage`, `response.usage` of the Responses API, and
/// `usage` or `message.usage` of Anthropic's. `None` where there is none.
#[must_use]
pub fn usage_of(json: &str) -> Option<Usage> {
    // Nearly all events of a stream have none: do not parse those.
    memmem::find(json.as_bytes(), b"\"usage\"")?;
    let outer = envelope(json)?;
    let inner = |raw: Option<&RawValue>| {
        let inner = envelope(raw?.get())?;
        usage_object(inner.usage?.get())
    };
    outer
        .usage
        .and_then(|raw| usage_object(raw.get()))
        .or_else(|| inner(outer.response))
        .or_else(|| inner(outer.message))
}

fn usage_object(raw: &str) -> Option<Usage> {
    let usage: Value = serde_json::from_str(raw).ok()?;
    let usage = usage.as_object()?;
    let count = |name: &str| usage.get(name).and_then(Value::as_u64);
    let detail = |name: &str| usage.get(name)?.get("cached_tokens")?.as_u64();
    // Anthropic counts cached tokens apart from `input_tokens`, OpenAI inside.
    let read = count("cache_read_input_tokens").unwrap_or(0);
    let apart = read.saturating_add(count("cache_creation_input_tokens").unwrap_or(0));
    Some(Usage {
        prompt: count("prompt_tokens")
            .or_else(|| Some(count("input_tokens")?.saturating_add(apart)))
            .unwrap_or(0),
        completion: count("completion_tokens")
            .or_else(|| count("output_tokens"))
            .unwrap_or(0),
        cached: detail("prompt_tokens_details")
            .or_else(|| detail("input_tokens_details"))
            .unwrap_or(read),
    })
}

/// The error that an event reports inside a stream: `data: {"error": {...}}` (Dynamo, OpenAI), `event: error`
/// (Anthropic, Responses), `response.failed`. `None` for all other events.
#[must_use]
pub fn error_of(event: &Event<'_>) -> Option<EventError> {
    let data = event.data.as_deref()?;
    let named = event.name.as_deref() == Some("error");
    if !named && memmem::find(data.as_bytes(), b"\"error\"").is_none() {
        return None;
    }
    let Some(outer) = envelope(data) else {
        return named.then(|| error_object(&Value::Null));
    };
    let failed = || {
        let inner = envelope(outer.response?.get())?;
        inner.error
    };
    if let Some(raw) = outer.error.or_else(failed) {
        let error: Value = serde_json::from_str(raw.get()).ok()?;
        return (!error.is_null()).then(|| error_object(&error));
    }
    let flat = named || outer.kind.is_some_and(|kind| kind.get() == "\"error\"");
    flat.then(|| {
        let mut error = error_object(&serde_json::from_str(data).unwrap_or_default());
        if outer.code.is_none() && error.kind == "error" {
            error.kind.clear();
        }
        error
    })
}

fn error_object(error: &Value) -> EventError {
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = error.get("code");
    EventError {
        message: text("message")
            .or_else(|| error.as_str().map(str::to_owned))
            .unwrap_or_else(|| "the frontend reported an error".to_owned()),
        kind: text("type").unwrap_or_default(),
        status: code
            .and_then(Value::as_u64)
            .and_then(|code| u16::try_from(code).ok()),
        code: code.and_then(Value::as_str).map(str::to_owned),
    }
}

/// Is this the chunk that only carries usage (`"choices": []`), which a client sees only if it asked for it?
#[must_use]
pub fn is_usage_only_chunk(json: &str) -> bool {
    if memmem::find(json.as_bytes(), b"\"usage\"").is_none() {
        return false;
    }
    let Some(outer) = envelope(json) else {
        return false;
    };
    let empty = |raw: &RawValue| {
        serde_json::from_str::<Vec<serde::de::IgnoredAny>>(raw.get())
            .is_ok_and(|items| items.is_empty())
    };
    outer.choices.is_some_and(empty) && outer.usage.is_some_and(|raw| raw.get().starts_with('{'))
}
