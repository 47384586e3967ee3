//! The session that Pingora sees once a request has been ingested.
//!
//! Pingora calls `request_body_filter` only after a peer was chosen and its head sent, and it replays a body that
//! was read earlier only up to 64 KiB. So the gateway reads the body first, decides, and then puts this session in
//! front of the real one: it owns the real session, offers the final body as its retry buffer (of any size, to
//! every attempt), watches the client and the clock while the upstream is silent, and hands every part of the
//! answer to the [`Responder`].
//!
//! The trait implemented here is hidden API of Pingora 0.9: it is used in this module only.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use http::{HeaderMap, Version, header};
use parking_lot::Mutex;
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::custom::{CustomMessageWrite, server::Session as CustomSession};
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::{Digest, l4::socket::SocketAddr};

use super::deadline::Deadlines;
use super::fail::{GUARD_STOPPED, SHUTTING_DOWN};
use super::responder::Responder;
use crate::lifecycle::stage::Stage;

/// Where the real session lands when the replay session is dropped, so that keep-alive survives.
pub(super) type Slot = Arc<Mutex<Option<Box<ServerSession>>>>;

/// Stands in front of the real downstream session while the request is proxied.
pub(super) struct Replay {
    /// `None` only while being dropped.
    inner: Option<Box<ServerSession>>,
    body: Bytes,
    slot: Slot,
    responder: Arc<tokio::sync::Mutex<Responder>>,
    deadlines: Arc<Deadlines>,
    stage: Arc<Stage>,
    /// What the inner session answers where a reference is needed and there is no session any more.
    gone: RequestHeader,
}

impl Replay {
    /// Wraps `inner`; returns the slot it comes back through.
    pub(super) fn wrap(
        inner: Box<ServerSession>,
        body: Bytes,
        responder: Arc<tokio::sync::Mutex<Responder>>,
        deadlines: Arc<Deadlines>,
        stage: Arc<Stage>,
    ) -> Result<(Box<ServerSession>, Slot)> {
        let slot = Slot::default();
        let gone = RequestHeader::build("POST", b"/", None)?;
        let replay = Self {
            inner: Some(inner),
            body,
            slot: Arc::clone(&slot),
            responder,
            deadlines,
            stage,
            gone,
        };
        Ok((Box::new(ServerSession::new_custom(Box::new(replay))), slot))
    }

    fn get(&self) -> Option<&ServerSession> {
        self.inner.as_deref()
    }

    fn inner(&mut self) -> Result<&mut ServerSession> {
        self.inner.as_deref_mut().ok_or_else(|| {
            pingora::Error::explain(pingora::ErrorType::InternalError, "downstream is gone")
        })
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        *self.slot.lock() = self.inner.take();
    }
}

/// Resolves when a guard stops the exchange while the frontend is still silent.
async fn violation(responder: Arc<tokio::sync::Mutex<Responder>>) -> Box<pingora::Error> {
    let verdict = responder.lock().await.verdict().await;
    match verdict {
        Err(stopped) => stopped,
        Ok(()) => std::future::pending().await,
    }
}

/// A session that stands for "none" while the real one changes places.
pub(super) fn vacant() -> Box<ServerSession> {
    Box::new(ServerSession::new_custom(Box::new(())))
}

#[async_trait]
impl CustomSession for Replay {
    fn req_header(&self) -> &RequestHeader {
        self.get().map_or(&self.gone, ServerSession::req_header)
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        match self.inner.as_deref_mut() {
            Some(inner) => inner.req_header_mut(),
            None => &mut self.gone,
        }
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.inner()?.drain_request_body().await
    }

    async fn write_response_header(&mut self, resp: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.inner()?.write_response_header(resp).await
    }

    async fn write_response_header_ref(&mut self, resp: &ResponseHeader, _end: bool) -> Result<()> {
        self.inner()?.write_response_header_ref(resp).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.inner()?.write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.inner()?.write_response_trailers(trailers).await
    }

    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        self.deadlines.progress();
        let (mut out, ended) = {
            let mut responder = self.responder.lock().await;
            let out = responder.process(tasks).await?;
            (out, responder.last.is_some())
        };
        if out.is_empty() {
            return match ended {
                true => Err(pingora::Error::new_in(GUARD_STOPPED)),
                false => Ok(false),
            };
        }
        let leaving = self.stage.is_leaving();
        let inner = self.inner()?;
        if leaving && inner.response_written().is_none() {
            // The head is among these parts and tells the client. One that has been told otherwise may send its
            // next request already: that one's answer will tell.
            inner.set_keepalive(None);
        }
        if inner.req_header().version < Version::HTTP_11 {
            // HTTP/1.0 knows no chunks: the connection's end is the body's.
            for task in &mut out {
                if let HttpTask::Header(head, _) = task {
                    head.remove_header(&header::TRANSFER_ENCODING);
                }
            }
        }
        let done = inner.response_duplex_vec(out).await;
        // A slow client is not a silent upstream: the clock starts when the client has taken the bytes.
        self.deadlines.progress();
        if ended {
            // An error drops the upstream at once; what comes last is written where errors are answered.
            done?;
            return Err(pingora::Error::new_in(GUARD_STOPPED));
        }
        done
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(inner) = self.inner.as_deref_mut() {
            inner.set_read_timeout(timeout);
        }
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.get()?.get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(inner) = self.inner.as_deref_mut() {
            inner.set_write_timeout(timeout);
        }
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.get()?.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        if let Some(inner) = self.inner.as_deref_mut() {
            inner.set_total_drain_timeout(timeout);
        }
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.get()?.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.get()
            .map(ServerSession::request_summary)
            .unwrap_or_default()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.get()?.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _ctx: &str) {
        if let Some(inner) = self.inner.as_deref_mut() {
            inner.shutdown().await;
        }
    }

    fn is_body_done(&mut self) -> bool {
        true
    }

    async fn finish(&mut self) -> Result<()> {
        self.inner()?.finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.is_empty()
    }

    /// Polled by Pingora while the upstream is silent: the client leaving, a deadline, a guard's verdict, or the end
    /// of the process's grace period ends the exchange.
    async fn read_body_or_idle(&mut self, _no_body_expected: bool) -> Result<Option<Bytes>> {
        let deadlines = Arc::clone(&self.deadlines);
        let stage = Arc::clone(&self.stage);
        let responder = Arc::clone(&self.responder);
        let inner = self.inner()?;
        tokio::select! {
            gone = inner.read_body_or_idle(true) => gone,
            expired = deadlines.expired() => Err(expired),
            () = stage.cut_off() => Err(pingora::Error::new_up(SHUTTING_DOWN)),
            stopped = violation(responder) => Err(stopped),
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.get().map_or(0, ServerSession::body_bytes_sent)
    }

    fn body_bytes_read(&self) -> usize {
        self.get().map_or(0, ServerSession::body_bytes_read)
    }

    fn digest(&self) -> Option<&Digest> {
        self.get()?.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner.as_deref_mut()?.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.get()?.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.get()?.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.get().map(ServerSession::to_h1_raw).unwrap_or_default()
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        Some(self.body.clone())
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(
        &mut self,
        _writer: Box<dyn CustomMessageWrite>,
    ) -> Result<()> {
        Ok(())
    }

    fn is_upgrade_req(&self) -> bool {
        false
    }

    fn was_upgraded(&self) -> bool {
        false
    }
}
