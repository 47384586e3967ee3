//! The answers that the gateway gives itself, in the shape of the API that was asked (CONTRACT sections 5 and 6).

mod anthropic;
mod openai;
mod responses;
#[cfg(test)]
mod tests;
mod upstream;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::api::Api;
use crate::api_error::ApiError;
use crate::plugin::{Reply, ResponsePath};

pub use upstream::from_upstream;

/// What an answer must know about the exchange it ends.
#[derive(Debug, Clone, Copy)]
pub struct AnswerContext<'a> {
    /// The API that was asked.
    pub api: Api,
    /// Did the client ask for a stream?
    pub stream: bool,
    /// The model to name: the chosen one, else the requested one.
    pub model: &'a str,
    /// The request's id; the answer's id is made from it (`chatcmpl-ID`).
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    /// Did the client ask for usage at the end of the stream?
    pub usage_wanted: bool,
}

/// A whole answer. `content-length` and `x-vsr-*` are the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// `content-type`, and for errors `retry-after` and `allow`.
    pub headers: HeaderMap,
    /// The body; for a stream all its events, end marker included.
    pub body: Bytes,
}

/// Text that answers instead of a model.
struct Said<'a> {
    text: &'a str,
    finish_reason: &'a str,
}

/// Shapes `reply` for the API that was asked.
///
/// APIs that generate no text (embeddings, rerank, ...) have no shape for a text: they get 403 in the error form,
/// with the text as message and the code `content_filter` where a guard blocked the request, `blocked` otherwise.
///
/// The Responses API's answer has the status `incomplete` with its reason for `content_filter` and `length`. Its
/// stream ends with `response.completed` all the same: OpenAI's SDKs build their final response from no other event.
#[must_use]
pub fn answer(reply: &Reply, context: &AnswerContext<'_>) -> Answer {
    match reply {
        Reply::Completion {
            text,
            finish_reason,
            path,
        } => {
            let said = Said {
                text,
                finish_reason,
            };
            completion(&said, *path, context)
        }
        Reply::Error(error) => self::error(error, context.api),
        Reply::Raw {
            status,
            headers,
            body,
            ..
        } => Answer {
            status: *status,
            headers: headers.clone(),
            body: body.clone(),
        },
    }
}

fn completion(said: &Said<'_>, path: ResponsePath, context: &AnswerContext<'_>) -> Answer {
    let body = match (context.api, context.stream) {
        (Api::ChatCompletions, false) => openai::chat(said, context).to_string(),
        (Api::ChatCompletions, true) => openai::chat_stream(said, context),
        (Api::Completions, false) => openai::text(said, context).to_string(),
        (Api::Completions, true) => openai::text_stream(said, context),
        (Api::Responses, false) => responses::whole(said, context).to_string(),
        (Api::Responses, true) => responses::stream(said, context),
        (Api::Messages, false) => anthropic::message(said, context).to_string(),
        (Api::Messages, true) => anthropic::stream(said, context),
        _ => {
            let code = if path == ResponsePath::Blocked {
                "content_filter"
            } else {
                "blocked"
            };
            let error = ApiError::new(StatusCode::FORBIDDEN, code, said.text);
            return self::error(&error, context.api);
        }
    };
    let kind = if context.stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let mut headers = content_type(kind);
    if context.stream {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    Answer {
        status: StatusCode::OK,
        headers,
        body: body.into(),
    }
}

fn content_type(kind: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))])
}

/// An error as an answer.
///
/// All APIs get OpenAI's form, but `/v1/messages`: Anthropic's SDK reads `{"type":"error","error":{"type",
/// "message"}}`, so its clients get that, with OpenAI's `code` and `param` added inside `error`.
#[must_use]
pub fn error(error: &ApiError, api: Api) -> Answer {
    let mut headers = content_type("application/json");
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = error.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    Answer {
        status: error.status,
        headers,
        body: error_json(error, api).into(),
    }
}

fn error_json(error: &ApiError, api: Api) -> String {
    match api {
        Api::Messages | Api::CountTokens => anthropic::error(error).to_string(),
        _ => error.to_json(),
    }
}

/// What is appended to a stream that broke after it began, so that it never ends silently.
///
/// - chat, completions and all others: the error as a `data:` event, then `data: [DONE]`;
/// - Responses: the named event `error`, which also carries OpenAI's `error` object because its SDKs raise an
///   exception only for that. `sequence_number` is 0, as the stream's own count is not known here;
/// - Messages: the named event `error`, then `data: [DONE]` as Dynamo ends these streams.
#[must_use]
pub fn stream_error(api: Api, error: &ApiError) -> Bytes {
    match api {
        Api::Responses => named_event("error", &responses::error(error)).into(),
        Api::Messages => {
            let mut out = named_event("error", &anthropic::error(error));
            out.push_str(DONE);
            out.into()
        }
        _ => error.to_sse().into(),
    }
}

/// The end marker of OpenAI's streams.
const DONE: &str = "data: [DONE]\n\n";

fn data_event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn named_event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// OpenAI's usage of an answer that cost no tokens.
fn no_usage() -> Value {
    json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
}
