//! The answer's way back: head, then events or a whole body, through the plugins that want them.

mod events;
mod held;
mod tail;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::Exchange;
use commutator_plugins::plugin::{Flow, Outcome, Plugin, Reply, ResponseHead, ResponsePath};
use commutator_plugins::sse::Usage;
use http::{StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::protocols::http::HttpTask;
use pingora::{Error, ErrorType, Result};

use events::Events;
pub(super) use events::disconnected;
use held::Held;
use tail::Tail;

use super::fail::GUARD_STOPPED;
use super::headers;
use crate::policy_file::HeadersMode;
use crate::telemetry::metrics::Metrics;

/// What was seen of the answer.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The frontend's status; 0 before one.
    pub(super) status: u16,
    /// The first event or byte of the body.
    pub(super) first: Option<Instant>,
    pub(super) last_event: Option<Instant>,
    pub(super) events: u64,
    pub(super) stream: bool,
    pub(super) usage: Usage,
    /// The stream carried an error event, broke, or ended without its end marker.
    pub(super) stream_error: Option<&'static str>,
    /// The last part has been handed on.
    pub(super) ended: bool,
    pub(super) body_bytes: u64,
}

/// How the body is treated; known once the head has come.
enum Mode {
    Head,
    /// Passed on as it comes; its end is kept for `usage`.
    Pass(Tail),
    Hold(Held),
    Events(Events),
}

/// The answer side of one exchange.
pub(super) struct Responder {
    pub(super) exchange: Exchange,
    pub(super) seen: Seen,
    /// The chain that ran on the request, in reverse.
    plugins: Vec<Arc<dyn Plugin>>,
    metrics: Arc<Metrics>,
    headers: HeadersMode,
    mode: Mode,
    /// What a guard answers instead of the frontend.
    pub(super) stopped: Option<Reply>,
    /// The end that a plugin made of a stream.
    pub(super) last: Option<Last>,
    /// The error that took the place of a body.
    pub(super) refused: Option<ApiError>,
}

/// The end that a plugin made of a stream; nothing more is read from the frontend.
pub(super) struct Last {
    /// The stream's last bytes.
    pub(super) bytes: Bytes,
    /// The error that they tell, if they do.
    pub(super) error: Option<ApiError>,
}

impl Responder {
    pub(super) fn new(
        exchange: Exchange,
        mut plugins: Vec<Arc<dyn Plugin>>,
        headers: HeadersMode,
        metrics: Arc<Metrics>,
    ) -> Self {
        plugins.reverse();
        Self {
            exchange,
            seen: Seen::default(),
            plugins,
            metrics,
            headers,
            mode: Mode::Head,
            stopped: None,
            last: None,
            refused: None,
        }
    }

    /// Waits for the guards that think beside the frontend's work.
    ///
    /// # Errors
    /// [`GUARD_STOPPED`] once one of them has stopped the exchange.
    pub(super) async fn verdict(&mut self) -> Result<()> {
        if let Flow::Reply(reply) = self.exchange.conclude().await {
            self.stopped = Some(reply);
        }
        match self.stopped {
            Some(_) => Err(Error::new_in(GUARD_STOPPED)),
            None => Ok(()),
        }
    }

    /// Turns what came from the frontend into what the client gets.
    pub(super) async fn process(&mut self, tasks: Vec<HttpTask>) -> Result<Vec<HttpTask>> {
        // Nothing of an answer leaves before all guards have spoken.
        self.verdict().await?;
        let mut out = Vec::with_capacity(tasks.len() + 1);
        for task in tasks {
            match task {
                HttpTask::Header(head, end) if head.status.is_informational() => {
                    out.push(HttpTask::Header(head, end));
                }
                HttpTask::Header(head, end) => self.head(head, end, &mut out).await?,
                HttpTask::Body(data, end) => {
                    self.body(data.unwrap_or_default(), end, &mut out).await?;
                }
                HttpTask::Done | HttpTask::Trailer(_) if !self.seen.ended => {
                    self.body(Bytes::new(), true, &mut out).await?;
                }
                HttpTask::Done | HttpTask::Trailer(_) => {}
                other => out.push(other),
            }
            if self.last.is_some() {
                break;
            }
        }
        Ok(out)
    }

    async fn head(
        &mut self,
        mut head: Box<ResponseHeader>,
        end: bool,
        out: &mut Vec<HttpTask>,
    ) -> Result<()> {
        self.seen.status = head.status.as_u16();
        let stream = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        self.seen.stream = stream;
        let view = ResponseHead {
            status: head.status,
            headers: &head.headers,
            stream,
        };
        for plugin in &self.plugins {
            plugin
                .on_response_head(&mut self.exchange, &view)
                .await
                .map_err(|error| failed(plugin.name(), &error))?;
        }
        let part_plugins: Vec<Arc<dyn Plugin>> = self
            .plugins
            .iter()
            .filter(|plugin| plugin.wants_parts(&self.exchange))
            .cloned()
            .collect();
        if !stream && (head.status.as_u16() >= 400 || !part_plugins.is_empty()) {
            let mut held = Held::new(head, part_plugins, self.headers);
            if end {
                self.refused = held.finish(&mut self.exchange, out).await?;
                self.seen.ended = true;
            }
            self.mode = Mode::Hold(held);
            return Ok(());
        }
        headers::finish_upstream_head(&mut head, &self.exchange, self.headers)?;
        if stream {
            head.remove_header(&header::CONTENT_LENGTH);
            self.mode = Mode::Events(Events::new(part_plugins));
        } else {
            self.mode = Mode::Pass(Tail::new());
        }
        self.seen.ended = end && !stream;
        out.push(HttpTask::Header(head, end && !stream));
        if end && stream {
            self.body(Bytes::new(), true, out).await?;
        }
        Ok(())
    }

    async fn body(&mut self, data: Bytes, end: bool, out: &mut Vec<HttpTask>) -> Result<()> {
        if !data.is_empty() && self.seen.first.is_none() {
            self.seen.first = Some(Instant::now());
        }
        match &mut self.mode {
            Mode::Head => return Err(Error::explain(ErrorType::InternalError, "body before head")),
            Mode::Pass(tail) => {
                tail.push(data.clone());
                self.seen.body_bytes += data.len() as u64;
                if end {
                    self.seen.usage = tail.usage();
                }
                if end || !data.is_empty() {
                    out.push(HttpTask::Body(Some(data), end));
                }
            }
            Mode::Hold(held) => {
                held.push(&data)?;
                if end {
                    self.refused = held.finish(&mut self.exchange, out).await?;
                    self.seen.usage = held.usage();
                    self.seen.body_bytes = held.sent();
                }
            }
            Mode::Events(events) => {
                let ready = events
                    .push(data, end, &mut self.exchange, &mut self.seen, &self.metrics)
                    .await?;
                self.seen.body_bytes += ready.bytes.len() as u64;
                if ready.last {
                    self.last = Some(Last {
                        bytes: ready.bytes,
                        error: ready.error,
                    });
                    self.seen.ended = true;
                    return Ok(());
                }
                if end || !ready.bytes.is_empty() {
                    out.push(HttpTask::Body(Some(ready.bytes), end));
                }
            }
        }
        self.seen.ended |= end;
        Ok(())
    }

    /// Tells the plugins that the exchange is over.
    pub(super) async fn done(&self, outcome: Outcome) {
        for plugin in &self.plugins {
            plugin.on_done(&self.exchange, outcome).await;
        }
    }

    /// The frontend broke a stream off: what plugins still hold back of it.
    pub(super) async fn break_off(&mut self, why: &'static str) -> Bytes {
        self.seen.stream_error.get_or_insert(why);
        match &mut self.mode {
            Mode::Events(events) if !self.seen.ended => {
                let rest = events.rest(&mut self.exchange).await;
                rest.map(|ready| ready.bytes).unwrap_or_default()
            }
            _ => Bytes::new(),
        }
    }

    /// Time from `start` to the first part of the body.
    pub(super) fn ttft(&self, start: Instant) -> Option<Duration> {
        Some(self.seen.first?.saturating_duration_since(start))
    }
}

fn failed(plugin: &'static str, error: &commutator_plugins::plugin::PluginError) -> Box<Error> {
    tracing::error!(plugin, %error, "plugin failed on the answer");
    Error::new_in(super::fail::PLUGIN_FAILED)
}

/// Replaces an error that the frontend answered by one in OpenAI's form.
fn set_json_head(head: &mut ResponseHeader, status: StatusCode, length: usize) -> Result<()> {
    head.set_status(status)?;
    head.remove_header(&header::TRANSFER_ENCODING);
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    head.insert_header(header::CONTENT_LENGTH, length)?;
    head.insert_header("x-vsr-response-path", ResponsePath::Error.as_str())?;
    Ok(())
}
