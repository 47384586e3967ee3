//! Answers: what is said, and how each API says it.

mod messages;
mod openai;
mod responses;
mod script;
mod vectors;

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::fields::Api;
use crate::prefix::BLOCK_TOKENS;
use crate::request::Parsed;

use script::ScriptBuilder;
pub(crate) use script::{Script, Wait};

/// Token counts of one exchange.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) prompt: usize,
    pub(crate) completion: usize,
    pub(crate) cached: usize,
}

/// Why the text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    Stop,
    Length,
    ToolCall,
}

/// Everything an answer is made from.
pub(crate) struct Answer<'a> {
    api: Api,
    /// The model's name as a JSON string, quotes included.
    model: &'a str,
    id: u64,
    created: u64,
    text: String,
    /// Where each token ends in `text`.
    ends: Vec<usize>,
    finish: Finish,
    usage: Usage,
    request: &'a Parsed<'a>,
}

impl<'a> Answer<'a> {
    /// `cached_blocks` are the prompt's leading blocks that an earlier request left behind; `tokens` is
    /// the configured length.
    pub(crate) fn new(
        api: Api,
        name: &str,
        model: &'a str,
        request: &'a Parsed<'a>,
        cached_blocks: usize,
        tokens: usize,
    ) -> Self {
        let (text, ends, finish) = if request.call.is_some() {
            (String::new(), Vec::new(), Finish::ToolCall)
        } else {
            say(name, request, tokens)
        };
        let usage = Usage {
            prompt: request.prompt.tokens().max(1),
            completion: ends.len().max(1),
            cached: cached_blocks * BLOCK_TOKENS,
        };
        let created = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            api,
            model,
            id: fastrand::u64(..),
            created: created.map_or(0, |since| since.as_secs()),
            text,
            ends,
            finish,
            usage,
            request,
        }
    }

    pub(crate) fn completion_tokens(&self) -> usize {
        self.usage.completion
    }

    /// The whole answer as one JSON body.
    pub(crate) fn unary(&self) -> Vec<u8> {
        match self.api {
            Api::Chat => self.chat(),
            Api::Completions => self.completion(),
            Api::Responses => self.response("completed").to_string().into_bytes(),
            Api::Messages => self.message().to_string().into_bytes(),
            Api::CountTokens => format!(r#"{{"input_tokens":{}}}"#, self.usage.prompt).into_bytes(),
            Api::Embeddings => self.embeddings(),
            Api::Rerank => self.rerank(),
            Api::Classify => self.classify(),
        }
    }

    /// The answer as server-sent events. Only for an API that [streams](Api::streams).
    pub(crate) fn stream(&self) -> Script {
        match self.api {
            Api::Responses => self.response_events(),
            Api::Messages => self.message_events(),
            Api::Completions => self.completion_events(),
            _ => self.chat_events(),
        }
    }

    /// The text of each token.
    fn pieces(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(from, to)| &self.text[from..*to])
    }
}

/// Composes the text, cuts it into `tokens` pieces, and obeys the request's token limits.
fn say(name: &str, request: &Parsed<'_>, tokens: usize) -> (String, Vec<usize>, Finish) {
    let mut text = describe(name, request);
    let limit = request.max_tokens.unwrap_or(usize::MAX).max(1);
    let mut wanted = tokens.max(1).max(request.min_tokens.min(limit));
    if request.ignore_eos && request.max_tokens.is_some() {
        wanted = wanted.max(limit);
    }
    // The request says how long: a mistaken one must not take all memory.
    wanted = wanted.min(1 << 20);
    let mut words: Vec<usize> = text.match_indices(' ').map(|(at, _)| at + 1).collect();
    words.push(text.len());
    while words.len() < wanted {
        let _ = write!(text, " token-{}", words.len() + 1);
        words.push(text.len());
    }
    let mut ends: Vec<usize> = (1..=wanted)
        .map(|piece| words[piece * words.len() / wanted - 1])
        .collect();
    if limit >= wanted {
        let finish = if request.ignore_eos && request.max_tokens.is_some() {
            Finish::Length
        } else {
            Finish::Stop
        };
        return (text, ends, finish);
    }
    ends.truncate(limit);
    text.truncate(ends.last().copied().unwrap_or(0));
    (text, ends, Finish::Length)
}

/// What a newcomer wants to see: who answers, and what arrived. Of the prompt itself nothing is
/// repeated, so that a test may look for leaked text in an answer.
fn describe(name: &str, request: &Parsed<'_>) -> String {
    let mut text = String::with_capacity(256);
    let _ = write!(
        text,
        "[simulated by {name}] model={}, messages={}, system prompt=",
        request.model, request.items
    );
    let _ = match request.system {
        Some(bytes) => write!(text, "yes ({bytes} bytes)"),
        None => text.write_str("no"),
    };
    if request.images > 0 {
        let _ = write!(text, ", images={}", request.images);
    }
    if request.tools > 0 {
        let _ = write!(text, ", tools={}", request.tools);
    }
    text.push_str(", reasoning=");
    if request.reasoning.is_empty() {
        text.push_str("default");
    }
    for (at, (field, value)) in request.reasoning.iter().enumerate() {
        let separator = if at > 0 { " " } else { "" };
        let _ = write!(text, "{separator}{field}:{value}");
    }
    text.push_str(". No model ran.");
    text
}

/// Appends a JSON string with its quotes.
fn put_str(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// Appends OpenAI's `usage` object.
fn put_usage(out: &mut Vec<u8>, usage: Usage) {
    let _ = write!(
        out,
        r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}}}}"#,
        usage.prompt,
        usage.completion,
        usage.prompt + usage.completion,
        usage.cached
    );
}
