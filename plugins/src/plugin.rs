//! The trait that every plugin implements, and what it may answer.

pub mod answers;
#[cfg(test)]
mod compliance;
pub mod deny_list;
pub mod fixed_answer;
pub mod headers;
pub mod jailbreak;
pub mod pii;
pub mod reasoning;
pub mod request_params;
pub mod system_prompt;
pub mod webhook;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::api_error::ApiError;
use crate::body::EditConflict;
use crate::exchange::Exchange;
use crate::understand::{Expectation, Understand};

/// What happens next to the request.
#[derive(Debug)]
pub enum Flow {
    /// The next plugin, and in the end a frontend.
    Continue,
    /// The gateway answers itself; nothing goes upstream.
    Reply(Reply),
}

/// Which way an answer came about: `x-vsr-response-path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResponsePath {
    /// A frontend answered.
    Upstream,
    /// From the semantic or exact cache.
    Cache,
    /// A guard stopped the request.
    Blocked,
    /// A fixed answer of the policy.
    FastResponse,
    /// Over a limit.
    RateLimited,
    /// An error.
    Error,
}

impl ResponsePath {
    /// The header's value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Cache => "cache",
            Self::Blocked => "blocked",
            Self::FastResponse => "fast_response",
            Self::RateLimited => "rate_limited",
            Self::Error => "error",
        }
    }
}

/// An answer that the gateway gives itself.
#[derive(Debug)]
pub enum Reply {
    /// A text, shaped like an answer of the API that was asked, streamed if the client asked for a stream.
    Completion {
        /// What the assistant says.
        text: String,
        /// OpenAI's `finish_reason`, for example `stop` or `content_filter`.
        finish_reason: &'static str,
        /// For `x-vsr-response-path`.
        path: ResponsePath,
    },
    /// An error in OpenAI's form.
    Error(ApiError),
    /// Bytes as they are.
    Raw {
        /// HTTP status.
        status: StatusCode,
        /// Headers; `content-length` is added.
        headers: HeaderMap,
        /// The body.
        body: Bytes,
        /// For `x-vsr-response-path`.
        path: ResponsePath,
    },
}

/// The head of an upstream's answer.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers as the frontend sent them; changes go to [`Exchange::response_headers`].
    pub headers: &'a HeaderMap,
    /// Is the body a stream of events?
    pub stream: bool,
}

/// A part of an answer's body: one event of a stream, or the whole body of an answer that is no stream.
#[derive(Debug)]
pub enum Part {
    /// The bytes of one SSE event, its blank line included. [`crate::sse`] reads and writes it.
    Event(Bytes),
    /// A whole body.
    Body(Bytes),
}

impl Part {
    /// The part's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Event(bytes) | Self::Body(bytes) => bytes,
        }
    }
}

/// What becomes of one part of an answer: nothing, one part, or several, in order.
#[derive(Debug, Default)]
pub struct Parts {
    /// What the client gets in its place.
    pub list: Vec<Part>,
    /// Are these the answer's last parts? Nothing more is read from the frontend then, and the client's stream ends
    /// behind them. For a body that is no stream this means nothing: it is whole anyway.
    pub end: bool,
    /// An error that ends the answer: an error event behind `list` in a stream, and instead of a body that is no
    /// stream.
    pub error: Option<ApiError>,
}

impl Parts {
    /// Drops the part.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These are the answer's last parts.
    #[must_use]
    pub fn last(list: Vec<Part>) -> Self {
        Self {
            list,
            end: true,
            error: None,
        }
    }

    /// The answer ends with an error.
    #[must_use]
    pub fn failed(error: ApiError) -> Self {
        Self {
            list: Vec::new(),
            end: true,
            error: Some(error),
        }
    }
}

impl From<Part> for Parts {
    fn from(part: Part) -> Self {
        vec![part].into()
    }
}

impl From<Option<Part>> for Parts {
    fn from(part: Option<Part>) -> Self {
        part.into_iter().collect::<Vec<_>>().into()
    }
}

impl From<Vec<Part>> for Parts {
    fn from(list: Vec<Part>) -> Self {
        Self {
            list,
            ..Self::default()
        }
    }
}

/// Why a plugin failed. The gateway answers as the plugin's `on_error` says, and never with prompt text.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// An edit of the body that contradicts another one.
    #[error(transparent)]
    Edit(#[from] EditConflict),
    /// Something that the plugin needs did not answer.
    #[error("{0}")]
    Unavailable(String),
    /// It took longer than its deadline.
    #[error("deadline exceeded")]
    Deadline,
}

/// How an exchange ended, for [`Plugin::on_done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The status that the client saw; 0 where it left before one.
    pub status: u16,
    /// Did the client get a whole answer?
    pub complete: bool,
}

/// What is done to a request and its answer. All methods default to nothing.
///
/// A plugin holds configuration only; what it must remember about a request stands in
/// [`Exchange::extensions`].
#[async_trait]
pub trait Plugin: Send + Sync + std::fmt::Debug {
    /// The word that names it in the policy.
    fn name(&self) -> &'static str;

    /// Does it judge requests? Guards run before all other plugins, and those of a decision take the place of the
    /// policy's guards of the same name.
    fn is_guard(&self) -> bool {
        false
    }

    /// Does it judge answers? Such plugins are the first to see an answer, before others change it, and those of a
    /// decision take the place of the policy's of the same name. On the request they come last.
    fn judges_answers(&self) -> bool {
        false
    }

    /// What it asks the models about a request before a frontend sees it. They are loaded only for policies that ask,
    /// and what is asked about the same text is answered together.
    fn expects(&self) -> Vec<Expectation> {
        Vec::new()
    }

    /// Must the models' answers be there before a frontend sees the request?
    fn before(&self) -> bool {
        true
    }

    /// Called once, with the models that were loaded, before the policy becomes active.
    ///
    /// # Errors
    /// Why the policy cannot be used with these models.
    async fn prepare(&self, _understand: &dyn Understand) -> Result<(), String> {
        Ok(())
    }

    /// Before the request goes to a frontend.
    async fn on_request(&self, _exchange: &mut Exchange) -> Result<Flow, PluginError> {
        Ok(Flow::Continue)
    }

    /// When the head of the frontend's answer has come.
    async fn on_response_head(
        &self,
        _exchange: &mut Exchange,
        _head: &ResponseHead<'_>,
    ) -> Result<(), PluginError> {
        Ok(())
    }

    /// Does [`Plugin::on_part`] want to see this exchange's answer? Asked once, when its head has come: answers
    /// that nobody wants to see are passed on without being cut into events.
    fn wants_parts(&self, _exchange: &Exchange) -> bool {
        false
    }

    /// One part of the answer, which the plugin may change, hold back, drop, or take for the last one.
    async fn on_part(&self, _exchange: &mut Exchange, part: Part) -> Result<Parts, PluginError> {
        Ok(part.into())
    }

    /// Behind the last event of a stream, also of one that broke off: what the plugin still holds back. Not called
    /// for bodies that are no streams, nor where the client has left.
    async fn on_end(&self, _exchange: &mut Exchange) -> Result<Parts, PluginError> {
        Ok(Parts::none())
    }

    /// After the last byte.
    async fn on_done(&self, _exchange: &Exchange, _outcome: Outcome) {}
}
