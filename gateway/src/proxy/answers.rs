//! Answers that the gateway writes itself.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use commutator_plugins::answer::{self, AnswerContext};
use commutator_plugins::api::Api;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::{Exchange, HeaderChange};
use commutator_plugins::plugin::{Reply, ResponsePath};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, Result};

use super::ctx::Ctx;
use super::{Gateway, fail, guards, headers};
use crate::policy_file::HeadersMode;

/// An answer in hand.
pub(super) struct Own {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Own {
    pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self {
            status,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
            body: body.to_string().into(),
        }
    }
}

impl From<answer::Answer> for Own {
    fn from(answer: answer::Answer) -> Self {
        Self {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        }
    }
}

impl Gateway {
    /// Writes an answer whole; the connection lives on.
    pub(super) async fn own(&self, session: &mut Session, ctx: &Ctx, own: Own) -> Result<bool> {
        if self.stage.is_leaving() {
            session.set_keepalive(None);
        }
        let head_only = session.req_header().method == Method::HEAD;
        let mut head = ResponseHeader::build(own.status, Some(8))?;
        for (name, value) in &own.headers {
            head.append_header(name.clone(), value.clone())?;
        }
        head.insert_header(header::CONTENT_LENGTH, own.body.len())?;
        head.insert_header("x-request-id", ctx.id.as_str())?;
        let end = head_only || own.body.is_empty();
        session.write_response_header(Box::new(head), end).await?;
        if !end {
            session.write_response_body(Some(own.body), true).await?;
        }
        Ok(true)
    }

    /// An error before or without an exchange.
    pub(super) async fn own_error(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        error: &ApiError,
    ) -> Result<bool> {
        self.count_error(ctx, error);
        let unread = !body_is_read(session);
        if unread {
            // The rest of the body would be taken for the next request.
            session.set_keepalive(None);
        }
        let mut own = Own::from(answer::error(error, ctx.api.unwrap_or(Api::Other)));
        if ctx.snapshot.file.headers != HeadersMode::Off {
            mark(&mut own.headers, ResponsePath::Error);
        }
        let done = self.own(session, ctx, own).await?;
        if unread && session.req_header().version < Version::HTTP_2 {
            // Both bounds stand in `linger`; how it ends makes no difference.
            let _ = tokio::time::timeout(LINGER, linger(session)).await;
        }
        Ok(done)
    }

    /// What a plugin answered instead of a frontend.
    pub(super) async fn own_reply(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        exchange: &Exchange,
        reply: &Reply,
    ) -> Result<bool> {
        let model = exchange
            .chosen
            .as_ref()
            .map_or(exchange.requested_model.as_str(), |chosen| {
                &chosen.model.name
            });
        let context = AnswerContext {
            api: exchange.api,
            stream: exchange.stream,
            model,
            id: &exchange.id,
            created: epoch_seconds(),
            usage_wanted: exchange.usage_wanted,
        };
        let path = match reply {
            Reply::Completion { path, .. } | Reply::Raw { path, .. } => *path,
            Reply::Error(error) => {
                self.count_error(ctx, error);
                ResponsePath::Error
            }
        };
        ctx.record.response_path = Some(path);
        let mut own = Own::from(answer::answer(reply, &context));
        for (name, value) in headers::vsr(exchange, path, ctx.snapshot.file.headers) {
            own.headers.insert(name, value);
        }
        for change in &exchange.response_headers {
            apply(&mut own.headers, change);
        }
        self.own(session, ctx, own).await
    }

    pub(super) fn count_error(&self, ctx: &mut Ctx, error: &ApiError) {
        let code = known_code(error);
        ctx.record.code = Some(code);
        self.metrics.errors.with_label_values(&[code]).inc();
    }

    /// The last word when a request failed: an error answer, an error event in a stream that has begun, or nothing
    /// where the client is gone.
    pub(super) async fn answer_failure(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        Self::restore_session(session, ctx);
        let begun = session.response_written().map(is_stream);
        // Pingora keeps no HTTP/1 connection after a failed proxying, whatever we answer, so the head must say so.
        session.set_keepalive(None);
        if begun.is_none() && self.answer_stopped(session, ctx).await {
            return dead(200);
        }
        if self.end_stream(session, ctx).await {
            return dead(200);
        }
        let api_error = ctx.error.take().or_else(|| fail::api_error(error));
        let Some(api_error) = api_error else {
            ctx.record.client_gone = true;
            return dead(0);
        };
        let status = api_error.status.as_u16();
        match begun {
            Some(stream) => {
                let api_error = fail::in_stream(error);
                self.count_error(ctx, &api_error);
                let mut rest = Bytes::new();
                if let Some(flight) = &ctx.flight {
                    let mut responder = flight.responder.lock().await;
                    rest = responder.break_off(known_code(&api_error)).await;
                }
                if stream {
                    let tail = answer::stream_error(ctx.api.unwrap_or(Api::Other), &api_error);
                    let tail = match rest.is_empty() {
                        true => tail,
                        false => [rest, tail].concat().into(),
                    };
                    let sent = session.write_response_body(Some(tail), true).await;
                    ctx.record.client_gone = sent.is_err();
                }
                // A body with a declared length that stops short cannot be completed: the connection closes.
                dead(status)
            }
            None => {
                ctx.record.response_path = Some(ResponsePath::Error);
                let sent = self.failure_head(session, ctx, &api_error).await;
                ctx.record.client_gone = sent.is_err();
                dead(status)
            }
        }
    }

    /// Writes what a guard answers, if one has stopped the exchange while a frontend worked on it.
    async fn answer_stopped(&self, session: &mut Session, ctx: &mut Ctx) -> bool {
        let Some(flight) = &ctx.flight else {
            return false;
        };
        let responder = std::sync::Arc::clone(&flight.responder);
        let mut responder = responder.lock().await;
        let Some(reply) = responder.stopped.take() else {
            return false;
        };
        if let Some(verdict) = guards::stopper(&responder.exchange.verdicts) {
            self.metrics
                .wasted
                .with_label_values(&[verdict.guard])
                .inc();
        }
        let sent = self
            .own_reply(session, ctx, &responder.exchange, &reply)
            .await;
        ctx.record.client_gone = sent.is_err();
        ctx.record.stopped = true;
        true
    }

    /// Writes the end that a plugin made of a stream, if one did.
    async fn end_stream(&self, session: &mut Session, ctx: &mut Ctx) -> bool {
        let Some(flight) = &ctx.flight else {
            return false;
        };
        let Some(last) = flight.responder.lock().await.last.take() else {
            return false;
        };
        match &last.error {
            Some(error) => self.count_error(ctx, error),
            None => ctx.record.stopped = true,
        }
        let sent = session.write_response_body(Some(last.bytes), true).await;
        ctx.record.client_gone = sent.is_err();
        true
    }

    async fn failure_head(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        error: &ApiError,
    ) -> Result<bool> {
        let Some(flight) = &ctx.flight else {
            return self.own_error(session, ctx, error).await;
        };
        let mode = ctx.snapshot.file.headers;
        let vsr = headers::vsr(
            &flight.responder.lock().await.exchange,
            ResponsePath::Error,
            mode,
        );
        self.count_error(ctx, error);
        let mut own = Own::from(answer::error(error, ctx.api.unwrap_or(Api::Other)));
        own.headers.extend(vsr);
        self.own(session, ctx, own).await
    }

    /// Takes the real session back from the replay session.
    pub(super) fn restore_session(session: &mut Session, ctx: &mut Ctx) {
        let Some(slot) = ctx.flight.as_mut().and_then(|flight| flight.slot.take()) else {
            return;
        };
        // Dropping the replay session fills the slot.
        session.downstream_session = super::replay::vacant();
        let real: Option<Box<ServerSession>> = slot.lock().take();
        if let Some(real) = real {
            session.downstream_session = real;
        }
    }
}

fn dead(error_code: u16) -> FailToProxy {
    FailToProxy {
        error_code,
        can_reuse_downstream: false,
    }
}

fn is_stream(head: &ResponseHeader) -> bool {
    head.headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// How long the rest of a refused body is read.
const LINGER: Duration = Duration::from_secs(5);
/// How long a client may pause in it.
const LINGER_PAUSE: Duration = Duration::from_secs(1);

/// Reads what a refused client still sends. Closing on unread bytes resets the connection, and a client that is
/// writing would learn of the reset instead of the answer (nginx's lingering close).
async fn linger(session: &mut Session) {
    let session = &mut session.downstream_session;
    while let Ok(Ok(Some(_))) =
        tokio::time::timeout(LINGER_PAUSE, session.read_request_body()).await
    {}
}

fn body_is_read(session: &mut Session) -> bool {
    session.downstream_session.is_body_done()
}

fn mark(headers: &mut HeaderMap, path: ResponsePath) {
    headers.insert("x-vsr-schema-version", HeaderValue::from_static("2"));
    headers.insert(
        HeaderName::from_static("x-vsr-response-path"),
        HeaderValue::from_static(path.as_str()),
    );
}

fn apply(headers: &mut HeaderMap, change: &HeaderChange) {
    match change {
        HeaderChange::Set(name, value) => {
            headers.insert(name.clone(), value.clone());
        }
        HeaderChange::Append(name, value) => {
            headers.append(name.clone(), value.clone());
        }
        HeaderChange::Remove(name) => {
            headers.remove(name);
        }
    }
}

/// The error's code as a metric label: plugins may make up codes of their own, which must not make new series.
fn known_code(error: &ApiError) -> &'static str {
    const KNOWN: &[&str] = &[
        "invalid_json",
        "invalid_request",
        "not_found",
        "model_not_found",
        "method_not_allowed",
        "unsupported_media_type",
        "request_too_large",
        "request_timeout",
        "headers_too_large",
        "no_upstream",
        "upstream_overloaded",
        "upstream_unreachable",
        "upstream_disconnected",
        "upstream_timeout",
        "plugin_failed",
        "content_filter",
        "guard_unavailable",
        "shutting_down",
        "internal_error",
    ];
    KNOWN
        .iter()
        .find(|known| **known == error.code)
        .copied()
        .unwrap_or("other")
}

fn epoch_seconds() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
