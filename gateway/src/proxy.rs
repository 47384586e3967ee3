//! The data listener: Pingora's phases, each handed to the piece that does it.
//!
//! A request is ingested whole in `request_filter`, decided on, and then replayed to Pingora (see [`replay`]), which
//! connects, sends, retries and streams.

mod answers;
mod attempt;
mod ctx;
mod deadline;
mod fail;
mod guards;
mod headers;
mod ingest;
mod pipeline;
mod replay;
mod report;
mod responder;
mod routes;

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, Result};

use crate::bootstrap::Limits;
use crate::lifecycle::stage::Stage;
use crate::snapshot::Store;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::{InFlight, Metrics};
use crate::telemetry::trace_context::TraceContext;

pub(crate) use ctx::Ctx;

/// The proxy application.
pub(crate) struct Gateway {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    access: AccessLog,
    limits: Limits,
    /// On the way out `/health` says so, and connections are not kept.
    stage: Arc<Stage>,
}

impl Gateway {
    /// A gateway on the policy in `store`.
    #[must_use]
    pub(crate) fn new(
        store: Arc<Store>,
        metrics: Arc<Metrics>,
        access: AccessLog,
        limits: Limits,
        stage: Arc<Stage>,
    ) -> Self {
        Self {
            store,
            metrics,
            access,
            limits,
            stage,
        }
    }

    fn is_draining(&self) -> bool {
        self.stage.is_draining()
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Ctx;

    fn new_ctx(&self) -> Ctx {
        Ctx::new(self.store.current(), InFlight::start(&self.metrics))
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<()> {
        // Pingora has looked at the client's wish already; HTTP/1.0 wants its connection closed unless it says otherwise.
        let wanted = session.get_keepalive().is_some();
        let keepalive = (wanted && !self.stage.is_leaving())
            .then(|| self.limits.keepalive.get().as_secs().max(1));
        session.set_keepalive(keepalive);
        session.set_pipelining_enabled(true);
        session.set_write_timeout(Some(self.limits.write_timeout.get()));
        let head = session.req_header();
        ctx.trace = TraceContext::continue_from(
            head.headers
                .get("traceparent")
                .map(|value| value.as_bytes()),
        );
        ctx.id = request_id(head);
        ctx.record.method = head.method.to_string();
        ctx.record.path = head.uri.path().to_owned();
        ctx.record.client = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .copied();
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Ctx) -> Result<bool> {
        self.route(session, ctx).await
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        self.next_peer(session, ctx)
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        reused: bool,
        _peer: &HttpPeer,
        fd: RawFd,
        _digest: Option<&Digest>,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some(flight) = &mut ctx.flight {
            flight.fd = Some(fd);
            flight.reused = reused;
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        head: &mut RequestHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some(flight) = &ctx.flight {
            headers::finish_request(head, ctx, flight, &ctx.snapshot.file.client)?;
        }
        Ok(())
    }

    /// Once per attempt: hands out the final body, whole.
    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Ctx,
    ) -> Result<()> {
        if let Some(flight) = &ctx.flight {
            *body = Some(flight.body.clone());
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        head: &mut ResponseHeader,
        ctx: &mut Ctx,
    ) -> Result<()> {
        self.judge_head(head, ctx)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Ctx,
        error: Box<Error>,
    ) -> Box<Error> {
        self.connect_failed(ctx, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Ctx,
        reused: bool,
    ) -> Box<Error> {
        let answered = session.response_written().is_some();
        self.attempt_failed(ctx, error, answered, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Ctx,
    ) -> FailToProxy {
        self.answer_failure(session, error, ctx).await
    }

    fn suppress_error_log(&self, _session: &Session, _ctx: &Ctx, error: &Error) -> bool {
        // The access log has it; Pingora's line would name it again, without the request's id.
        !matches!(error.esource(), ErrorSource::Internal)
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Ctx,
        _error: &Error,
        _context: pingora::proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, ctx: &Ctx) -> String {
        format!("request {} {}", ctx.id, ctx.record.path)
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        Self::restore_session(session, ctx);
        self.report(session, error, ctx).await;
    }
}

impl Ctx {
    fn new(snapshot: Arc<crate::snapshot::Snapshot>, counted: InFlight) -> Self {
        Self {
            _counted: counted,
            snapshot,
            started: Instant::now(),
            id: String::new(),
            trace: TraceContext::continue_from(None),
            api: None,
            stream: false,
            record: ctx::Record::default(),
            error: None,
            flight: None,
        }
    }
}

/// The client's `x-request-id` where it is short and printable, else a new UUIDv7.
fn request_id(head: &RequestHeader) -> String {
    let given = head
        .headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok());
    match given {
        Some(id)
            if !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic()) =>
        {
            id.to_owned()
        }
        _ => new_request_id(),
    }
}

/// A UUIDv7. It has to be unique, not secret, so it needs no random bytes of the kernel.
fn new_request_id() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    id.to_string()
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
