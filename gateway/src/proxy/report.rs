//! The end of every request: metrics, the access log, the plugins' last word.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use commutator_plugins::plugin::{Outcome, ResponsePath};
use commutator_plugins::sse::Usage;
use pingora::Error;
use pingora::proxy::Session;

use super::ctx::Ctx;
use super::responder::Seen;
use super::{Gateway, guards};
use crate::telemetry::access_log::Entry;
use crate::telemetry::metrics::OTHER;

/// nginx's status for a client that left before an answer.
const CLIENT_GONE: u16 = 499;

impl Gateway {
    pub(super) async fn report(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
        let written = session.response_written().map(|head| head.status.as_u16());
        let status = written.unwrap_or(CLIENT_GONE);
        let flight = ctx.flight.take();
        let unbroken = error.is_none() || ctx.record.stopped;
        let mut seen = Seen::default();
        let mut ttft = None;
        if let Some(flight) = &flight {
            let mut responder = flight.responder.lock().await;
            let complete = unbroken && responder.seen.stream_error.is_none();
            responder.done(Outcome { status, complete }).await;
            ttft = responder.ttft(ctx.started);
            seen = std::mem::take(&mut responder.seen);
            // Where the frontend failed or the client left first, guards may still think.
            responder.exchange.give_up_thoughts();
            // What was noted at take-off, and what came later.
            ctx.record.verdicts = std::mem::take(&mut responder.exchange.verdicts);
            ctx.record.findings = std::mem::take(&mut responder.exchange.findings);
            if !responder.exchange.thoughts.is_empty() {
                let responder = Arc::clone(&flight.responder);
                let metrics = Arc::clone(&self.metrics);
                tokio::spawn(async move {
                    guards::hear_out(&mut responder.lock().await.exchange, &metrics).await;
                });
            }
            if let Some(refused) = responder.refused.take() {
                self.count_error(ctx, &refused);
            }
            let path = match guards::stopped_answer(&ctx.record.verdicts) {
                true => ResponsePath::Blocked,
                false => ResponsePath::Upstream,
            };
            ctx.record.response_path.get_or_insert(path);
            if let (Some(kind), Some(picked)) = (seen.stream_error, &flight.picked) {
                let cluster = flight.cluster.config().name.as_str();
                self.metrics
                    .stream_errors
                    .with_label_values(&[cluster, kind])
                    .inc();
                if error.is_none() {
                    let outcome = crate::cluster::Outcome::StreamError;
                    flight.cluster.report(picked.endpoint(), outcome);
                }
            }
        }
        let duration = ctx.started.elapsed();
        let api = ctx.api.map_or("none", |api| api.as_str());
        let model = ctx.record.model.as_ref().map_or(OTHER, |model| &model.name);
        let path = ctx
            .record
            .response_path
            .map_or("none", ResponsePath::as_str);
        self.metrics
            .requests
            .with_label_values(&[api, model, path, status_word(status)])
            .inc();
        self.metrics
            .duration
            .with_label_values(&[api])
            .observe(duration.as_secs_f64());
        // For an answer that is no stream the first byte is about the last: no time to a first token.
        if let Some(ttft) = ttft.filter(|_| seen.stream) {
            self.metrics
                .ttft
                .with_label_values(&[model])
                .observe(ttft.as_secs_f64());
        }
        self.count_tokens(ctx, model, seen.usage);
        guards::count(&self.metrics, &ctx.record.verdicts, &ctx.record.findings);
        if !self.access.is_on() {
            return;
        }
        let complete = unbroken && seen.stream_error.is_none() && written.is_some();
        let upstream = flight
            .as_ref()
            .and_then(|f| f.picked.as_ref())
            .map(|picked| picked.addr().to_string());
        let usage = (seen.usage != Usage::default()).then_some(seen.usage);
        let entry = Entry {
            time: rfc3339(ctx.started),
            request_id: &ctx.id,
            trace_id: format!("{:032x}", ctx.trace.trace_id),
            client: ctx.record.client.map(|address| address.ip().to_string()),
            method: &ctx.record.method,
            path: short(&ctx.record.path),
            api: ctx.api.map(|api| api.as_str()),
            status,
            code: ctx.record.code.or(seen.stream_error),
            response_path: ctx.record.response_path.map(ResponsePath::as_str),
            stream: ctx.stream,
            requested_model: short(&ctx.record.requested_model),
            model: ctx.record.model.as_ref().map(|model| model.name.as_str()),
            decision: ctx.record.decision.as_deref(),
            confidence: ctx.record.decision.as_ref().map(|_| ctx.record.confidence),
            cluster: flight.as_ref().map(|f| f.cluster.config().name.as_str()),
            upstream,
            attempts: flight.as_ref().map_or(0, |f| f.attempts),
            request_bytes: ctx.record.request_bytes,
            response_bytes: session.body_bytes_sent() as u64,
            duration_ms: duration.as_secs_f64() * 1e3,
            policy_ms: ctx.record.policy_us as f64 / 1e3,
            queue_ms: ctx.record.queue_us as f64 / 1e3,
            ttft_ms: ttft.map(|ttft| ttft.as_secs_f64() * 1e3),
            events: seen.stream.then_some(seen.events),
            prompt_tokens: usage.map(|usage| usage.prompt),
            completion_tokens: usage.map(|usage| usage.completion),
            cached_tokens: usage.map(|usage| usage.cached),
            why: guards::why(&ctx.id, &ctx.record.verdicts),
            verdicts: &ctx.record.verdicts,
            findings: &ctx.record.findings,
            complete: complete && !ctx.record.client_gone,
            revision: ctx.snapshot.revision,
        };
        if !self.access.write(&entry) {
            self.metrics.access_dropped.inc();
        }
    }

    fn count_tokens(&self, ctx: &Ctx, model: &str, usage: Usage) {
        for (kind, count) in [
            ("prompt", usage.prompt),
            ("completion", usage.completion),
            ("cached", usage.cached),
        ] {
            if count > 0 {
                self.metrics
                    .tokens
                    .with_label_values(&[model, kind])
                    .inc_by(count);
            }
        }
        let Some(prices) = ctx.record.model.as_ref().and_then(|m| m.prices.as_ref()) else {
            return;
        };
        let fresh = usage.prompt.saturating_sub(usage.cached) as f64;
        let cached = prices.cached_input_per_1m.unwrap_or(prices.prompt_per_1m);
        // Prices are per million tokens and the counter counts millionths: the factors cancel.
        let micros = fresh * prices.prompt_per_1m
            + usage.cached as f64 * cached
            + usage.completion as f64 * prices.completion_per_1m;
        if micros > 0.0 {
            self.metrics
                .cost
                .with_label_values(&[model, &prices.currency])
                .inc_by(micros.round() as u64);
        }
    }
}

/// The longest text of a client's own that a line of the access log repeats, in bytes.
const SHORT: usize = 256;

/// The beginning of what a client named: a line must not grow with what it sends.
fn short(text: &str) -> &str {
    let mut end = text.len().min(SHORT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Statuses as label values: a fixed set.
fn status_word(status: u16) -> &'static str {
    match status {
        200 => "200",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        413 => "413",
        415 => "415",
        422 => "422",
        429 => "429",
        431 => "431",
        CLIENT_GONE => "499",
        500 => "500",
        502 => "502",
        503 => "503",
        504 => "504",
        201..=299 => "2xx",
        300..=399 => "3xx",
        other if other < 500 => "4xx",
        _ => "5xx",
    }
}

/// `started` as RFC 3339 in UTC with milliseconds.
fn rfc3339(started: Instant) -> String {
    let at = SystemTime::now()
        .checked_sub(started.elapsed())
        .unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}
