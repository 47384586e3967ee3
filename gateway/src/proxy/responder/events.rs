//! Streams: cut into events, inspected, handed on whole.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use commutator_plugins::answer;
use commutator_plugins::api::Api;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::Exchange;
use commutator_plugins::plugin::{Part, Plugin};
use commutator_plugins::sse::{
    Event, SseDecoder, error_of, is_done, is_usage_only_chunk, usage_of,
};
use http::StatusCode;
use pingora::{Error, ErrorType, Result};

use super::{Seen, failed};
use crate::telemetry::metrics::{Metrics, OTHER};

/// The state of one stream.
pub(super) struct Events {
    decoder: SseDecoder,
    plugins: Vec<Arc<dyn Plugin>>,
    /// The end marker, or the API's own last event, has passed.
    finished: bool,
}

/// What goes to the client now.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) bytes: Bytes,
    /// A plugin ends the stream here.
    pub(super) last: bool,
    /// The error that it tells the client.
    pub(super) error: Option<ApiError>,
}

/// What plugins made of an event.
#[derive(Default)]
struct Made {
    events: Vec<Bytes>,
    last: bool,
    error: Option<ApiError>,
}

impl Events {
    pub(super) fn new(plugins: Vec<Arc<dyn Plugin>>) -> Self {
        Self {
            decoder: SseDecoder::new(),
            plugins,
            finished: false,
        }
    }

    /// Takes a chunk; returns the bytes of the events that are whole now. At the end, a stream without its end
    /// marker gets an error event: a client must be able to tell a broken answer from a short one.
    pub(super) async fn push(
        &mut self,
        chunk: Bytes,
        end: bool,
        exchange: &mut Exchange,
        seen: &mut Seen,
        metrics: &Metrics,
    ) -> Result<Ready> {
        let whole = chunk.clone();
        let mut events = self
            .decoder
            .push(chunk)
            .map_err(|error| too_large(&error))?;
        let mut out = Output::new(whole);
        if end && let Some(rest) = self.decoder.finish().map_err(|error| too_large(&error))? {
            // Clients drop what ends without its blank line; an error event behind it would become a part of it.
            match self.finished || !expects_end_marker(exchange.api) || is_readable(&rest) {
                true => events.push(rest),
                false => out.drop_one(),
            }
        }
        for event in events {
            if !self.inspect(&event, exchange, seen, metrics) {
                out.drop_one();
                continue;
            }
            if self.plugins.is_empty() {
                out.keep(event);
                continue;
            }
            let made = self.run_plugins(0, vec![event], exchange).await?;
            out.replace(made.events);
            if made.last {
                return Ok(out.last(made.error, exchange.api));
            }
        }
        if end && !self.plugins.is_empty() {
            let rest = self.rest(exchange).await?;
            out.replace(vec![rest.bytes]);
            if rest.last {
                return Ok(out.last(rest.error, exchange.api));
            }
        }
        let mut bytes = out.finish();
        if end && !self.finished && expects_end_marker(exchange.api) {
            seen.stream_error.get_or_insert("upstream_disconnected");
            let tail = answer::stream_error(exchange.api, &disconnected());
            let border: &[u8] = match bytes.ends_with(b"\n\n") || bytes.is_empty() {
                true => b"",
                false => b"\n\n",
            };
            bytes = [&bytes, border, &tail].concat().into();
        }
        Ok(Ready {
            bytes,
            ..Ready::default()
        })
    }

    /// What plugins hold back at the stream's end; each one's goes through those behind it.
    pub(super) async fn rest(&self, exchange: &mut Exchange) -> Result<Ready> {
        let mut all = Vec::new();
        for (index, plugin) in self.plugins.iter().enumerate() {
            let parts = plugin
                .on_end(exchange)
                .await
                .map_err(|error| failed(plugin.name(), &error))?;
            let events = parts.list.into_iter().map(Part::into_bytes).collect();
            let made = self.run_plugins(index + 1, events, exchange).await?;
            all.extend(made.events);
            if parts.end || made.last {
                return Ok(Ready {
                    bytes: all.concat().into(),
                    last: true,
                    error: parts.error.or(made.error),
                });
            }
        }
        Ok(Ready {
            bytes: all.concat().into(),
            ..Ready::default()
        })
    }

    /// Takes events through the plugins from `first` on.
    async fn run_plugins(
        &self,
        first: usize,
        events: Vec<Bytes>,
        exchange: &mut Exchange,
    ) -> Result<Made> {
        let mut made = Made {
            events,
            ..Made::default()
        };
        for plugin in self.plugins.iter().skip(first) {
            let mut next = Vec::with_capacity(made.events.len());
            for event in made.events {
                let parts = plugin
                    .on_part(exchange, Part::Event(event))
                    .await
                    .map_err(|error| failed(plugin.name(), &error))?;
                next.extend(parts.list.into_iter().map(Part::into_bytes));
                if parts.end {
                    made.last = true;
                    made.error = parts.error;
                    break;
                }
            }
            made.events = next;
        }
        Ok(made)
    }

    /// Notes times, usage and errors; says whether the client gets to see the event.
    fn inspect(
        &mut self,
        bytes: &Bytes,
        exchange: &Exchange,
        seen: &mut Seen,
        metrics: &Metrics,
    ) -> bool {
        let event = Event::parse(bytes);
        let Some(data) = event.data.as_deref() else {
            return true;
        };
        if is_done(&event) {
            self.finished = true;
            return true;
        }
        let now = Instant::now();
        if let Some(last) = seen.last_event.replace(now) {
            let model = exchange.chosen.as_ref().map_or(OTHER, |c| &c.model.name);
            metrics
                .gap
                .with_label_values(&[model])
                .observe((now - last).as_secs_f64());
        }
        seen.events += 1;
        if let Some(usage) = usage_of(data) {
            seen.usage.absorb(usage);
            let hidden = !exchange.usage_wanted
                && matches!(exchange.api, Api::ChatCompletions | Api::Completions)
                && is_usage_only_chunk(data);
            if hidden {
                return false;
            }
        }
        if error_of(&event).is_some() {
            seen.stream_error.get_or_insert("upstream_error_event");
        }
        self.finished |= is_last(exchange.api, event.name.as_deref());
        true
    }
}

/// Is the data of an event all there, although its blank line is missing?
fn is_readable(event: &[u8]) -> bool {
    let event = Event::parse(event);
    let json = |data: &str| serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok();
    is_done(&event) || event.data.as_deref().is_some_and(json)
}

/// The events that end a stream of the APIs that name their events.
fn is_last(api: Api, name: Option<&str>) -> bool {
    match (api, name) {
        (Api::Responses, Some(name)) => matches!(
            name,
            "response.completed" | "response.failed" | "response.incomplete" | "error"
        ),
        (Api::Messages, Some(name)) => matches!(name, "message_stop" | "error"),
        _ => false,
    }
}

fn expects_end_marker(api: Api) -> bool {
    api.generates()
}

/// The error of a stream that the frontend broke off.
pub(in crate::proxy) fn disconnected() -> ApiError {
    ApiError::new(
        StatusCode::BAD_GATEWAY,
        "upstream_disconnected",
        "the model's answer broke off before its end",
    )
}

fn too_large(error: &commutator_plugins::sse::SseError) -> Box<Error> {
    Error::explain(ErrorType::InternalError, error.to_string())
}

/// Collects events; as long as all of a chunk's bytes are kept, the chunk itself goes on without a copy.
struct Output {
    chunk: Bytes,
    kept: Vec<Bytes>,
    changed: bool,
}

impl Output {
    fn new(chunk: Bytes) -> Self {
        Self {
            chunk,
            kept: Vec::new(),
            changed: false,
        }
    }

    fn keep(&mut self, event: Bytes) {
        self.kept.push(event);
    }

    fn replace(&mut self, events: Vec<Bytes>) {
        self.changed = true;
        self.kept.extend(events);
    }

    /// The stream ends here.
    fn last(mut self, error: Option<ApiError>, api: Api) -> Ready {
        if let Some(error) = &error {
            self.kept.push(answer::stream_error(api, error));
        }
        Ready {
            bytes: self.finish(),
            last: true,
            error,
        }
    }

    fn drop_one(&mut self) {
        self.changed = true;
    }

    fn finish(mut self) -> Bytes {
        if self.kept.len() == 1
            && let Some(only) = self.kept.pop()
        {
            return only;
        }
        let size: usize = self.kept.iter().map(Bytes::len).sum();
        let same_place = self.kept.first().map(|first| first.as_ptr()) == Some(self.chunk.as_ptr());
        if !self.changed && size == self.chunk.len() && same_place {
            return self.chunk;
        }
        let mut out = BytesMut::with_capacity(size);
        for event in &self.kept {
            out.extend_from_slice(event);
        }
        out.freeze()
    }
}
