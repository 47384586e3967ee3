//! The Prometheus metrics. Label values come from the configuration or from fixed lists, never from a client.

use std::net::SocketAddr;
use std::time::Duration;

use commutator_models::engine::EngineMetrics;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::bounded::Bounded;
use crate::cluster::{ClusterObserver, EjectionCause, Rejected, State};

/// Label value for what the policy does not name.
pub(crate) const OTHER: &str = "other";

/// More than the types of personal data that there are, with room for an operator's own.
const FINDING_LABELS: usize = 500;

const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0,
];
const MICROS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 1.0,
];

/// All metrics of the process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Guards' verdicts: guard, side, outcome, shadow.
    pub(crate) verdicts: IntCounterVec,
    /// What guards found: guard, label.
    pub(crate) findings: IntCounterVec,
    /// The labels of `findings`: a webhook answers what it likes.
    pub(crate) finding_labels: Bounded,
    /// How long guards took: guard.
    pub(crate) guard_time: HistogramVec,
    /// Requests on which a frontend worked in vain: guard.
    pub(crate) wasted: IntCounterVec,
    /// What the models do.
    pub(crate) engine: EngineMetrics,
    registry: Registry,
    /// `api`, `model`, `path` (response path), `status`.
    pub requests: IntCounterVec,
    /// `api`: from the head to the last byte.
    pub duration: HistogramVec,
    /// Running requests.
    pub in_flight: IntGauge,
    /// `decision`.
    pub decisions: IntCounterVec,
    /// `decision`, `would_win`.
    pub shadows: IntCounterVec,
    /// Signals, decision and plugins.
    pub policy_time: Histogram,
    /// `cluster`, `endpoint`, `outcome`.
    pub attempts: IntCounterVec,
    /// `cluster`, `reason`.
    pub retries: IntCounterVec,
    /// `cluster`, `granted`.
    pub retry_budget: IntCounterVec,
    /// `cluster`.
    pub queue_wait: HistogramVec,
    /// `cluster`.
    pub queue_waiting: IntGaugeVec,
    /// `cluster`, `reason`.
    pub queue_rejected: IntCounterVec,
    /// `cluster`.
    pub cluster_in_flight: IntGaugeVec,
    /// `cluster`, `endpoint`, `state`: 1 for the state it is in.
    pub endpoint_state: IntGaugeVec,
    /// `cluster`.
    pub endpoints: IntGaugeVec,
    /// `cluster`, `endpoint`, `cause`.
    pub ejections: IntCounterVec,
    /// `cluster`.
    pub discovery_failures: IntCounterVec,
    /// `trigger`, `result`.
    pub reloads: IntCounterVec,
    /// Active revision.
    pub revision: IntGauge,
    /// `model`: to the first event or byte of the answer's body.
    pub ttft: HistogramVec,
    /// `model`: between events of a stream.
    pub gap: HistogramVec,
    /// `model`, `kind` (`prompt`, `completion`, `cached`).
    pub tokens: IntCounterVec,
    /// `model`, `currency`: in millionths.
    pub cost: IntCounterVec,
    /// `cluster`, `kind`.
    pub stream_errors: IntCounterVec,
    /// `code`: errors that the gateway itself answered.
    pub errors: IntCounterVec,
    /// Lines that the access log had to drop.
    pub access_dropped: IntCounter,
}

/// Counts a request as being served until it is dropped, whatever way the request ends.
#[derive(Debug)]
pub(crate) struct InFlight(IntGauge);

impl InFlight {
    /// A request begins.
    #[must_use]
    pub(crate) fn start(metrics: &Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics.in_flight.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All metrics, registered in a registry of their own.
    ///
    /// # Errors
    /// Two metrics with the same name: a mistake in this file, found by its test.
    #[allow(clippy::too_many_lines)] // One line a metric: splitting the list would hide it.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let r = &registry;
        let this = Self {
            requests: counters(
                r,
                "requests_total",
                "Requests by API, model, how they were answered, and status.",
                &["api", "model", "path", "status"],
            )?,
            duration: histograms(
                r,
                "request_duration_seconds",
                "From the request's head to the last byte of the answer.",
                &["api"],
                SECONDS,
            )?,
            in_flight: gauge(r, "requests_in_flight", "Requests being served.")?,
            decisions: counters(
                r,
                "decisions_total",
                "Requests by the decision that applied; `none` where none did.",
                &["decision"],
            )?,
            shadows: counters(
                r,
                "shadow_decisions_total",
                "Requests that matched a decision in shadow mode, and whether it would have applied.",
                &["decision", "would_win"],
            )?,
            policy_time: histogram(
                r,
                "policy_duration_seconds",
                "Time for signals, decision and plugins of a request.",
                MICROS,
            )?,
            attempts: counters(
                r,
                "upstream_attempts_total",
                "Requests sent to frontends, by outcome.",
                &["cluster", "endpoint", "outcome"],
            )?,
            retries: counters(
                r,
                "upstream_retries_total",
                "Attempts that were repeated on another frontend, by what failed.",
                &["cluster", "reason"],
            )?,
            retry_budget: counters(
                r,
                "retry_budget_total",
                "Retries that the budget granted or refused.",
                &["cluster", "granted"],
            )?,
            queue_wait: histograms(
                r,
                "queue_wait_seconds",
                "Time waiting for a slot of the cluster.",
                &["cluster"],
                MICROS,
            )?,
            queue_waiting: gauges(
                r,
                "queue_waiting",
                "Requests waiting for a slot of the cluster.",
                &["cluster"],
            )?,
            queue_rejected: counters(
                r,
                "queue_rejected_total",
                "Requests that got no slot of the cluster.",
                &["cluster", "reason"],
            )?,
            cluster_in_flight: gauges(
                r,
                "cluster_in_flight",
                "Requests that hold a slot of the cluster.",
                &["cluster"],
            )?,
            endpoint_state: gauges(
                r,
                "endpoint_state",
                "1 for the state that the frontend is in.",
                &["cluster", "endpoint", "state"],
            )?,
            endpoints: gauges(
                r,
                "endpoints",
                "Frontends that discovery lists.",
                &["cluster"],
            )?,
            ejections: counters(
                r,
                "ejections_total",
                "Frontends left out after failures.",
                &["cluster", "endpoint", "cause"],
            )?,
            discovery_failures: counters(
                r,
                "discovery_failures_total",
                "Discovery rounds without a usable answer.",
                &["cluster"],
            )?,
            reloads: counters(
                r,
                "reloads_total",
                "Loads of the policy.",
                &["trigger", "result"],
            )?,
            revision: gauge(r, "policy_revision", "Revision of the active policy.")?,
            ttft: histograms(
                r,
                "time_to_first_token_seconds",
                "From the request's head to the first event or byte of the answer.",
                &["model"],
                SECONDS,
            )?,
            gap: histograms(
                r,
                "stream_gap_seconds",
                "Time between events of a stream.",
                &["model"],
                SECONDS,
            )?,
            tokens: counters(
                r,
                "tokens_total",
                "Tokens as the frontends counted them.",
                &["model", "kind"],
            )?,
            cost: counters(
                r,
                "cost_micros_total",
                "Cost by the policy's prices, in millionths of the currency.",
                &["model", "currency"],
            )?,
            stream_errors: counters(
                r,
                "stream_errors_total",
                "Streams that broke or carried an error event.",
                &["cluster", "kind"],
            )?,
            errors: counters(
                r,
                "errors_total",
                "Errors that the gateway answered itself, by code.",
                &["code"],
            )?,
            access_dropped: counter(
                r,
                "access_log_dropped_total",
                "Access log lines dropped because the writer could not keep up.",
            )?,
            verdicts: counters(
                r,
                "guard_verdicts_total",
                "Verdicts of guards; with shadow=\"yes\" what would have happened.",
                &["guard", "side", "outcome", "shadow"],
            )?,
            finding_labels: Bounded::new(FINDING_LABELS),
            findings: counters(
                r,
                "guard_findings_total",
                "What guards found, by label.",
                &["guard", "label"],
            )?,
            guard_time: histograms(
                r,
                "guard_seconds",
                "From a guard's start to its verdict.",
                &["guard"],
                MICROS,
            )?,
            wasted: counters(
                r,
                "guard_wasted_upstream_total",
                "Requests that a frontend was working on when a guard stopped them.",
                &["guard"],
            )?,
            engine: EngineMetrics::register(r)?,
            registry,
        };
        for trigger in ["start", "sighup", "file", "admin"] {
            for result in ["ok", "error"] {
                this.reloads.with_label_values(&[trigger, result]);
            }
        }
        Ok(this)
    }

    /// The text exposition format.
    #[must_use]
    pub(crate) fn render(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics cannot be rendered");
        }
        out
    }

    /// The content type of [`Metrics::render`].
    pub(crate) const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("commutator")
}

fn counters(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let metric = IntCounterVec::new(opts(name, help), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counter(r: &Registry, name: &str, help: &str) -> prometheus::Result<IntCounter> {
    let metric = IntCounter::with_opts(opts(name, help))?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauges(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    let metric = IntGaugeVec::new(opts(name, help), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn gauge(r: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let metric = IntGauge::with_opts(opts(name, help))?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histogram_opts(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec())
}

fn histograms(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let metric = HistogramVec::new(histogram_opts(name, help, buckets), labels)?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn histogram(
    r: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
) -> prometheus::Result<Histogram> {
    let metric = Histogram::with_opts(histogram_opts(name, help, buckets))?;
    r.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// The states of a frontend, each a series.
const STATES: &[&str] = &["unknown", "ready", "not_ready", "unreachable", "draining"];

fn rejection_word(why: Rejected) -> &'static str {
    match why {
        Rejected::QueueFull => "queue_full",
        Rejected::Deadline => "deadline",
    }
}

impl ClusterObserver for Metrics {
    fn endpoints(&self, cluster: &str, count: usize) {
        self.endpoints
            .with_label_values(&[cluster])
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn discovery_failed(&self, cluster: &str, error: &str) {
        self.discovery_failures.with_label_values(&[cluster]).inc();
        tracing::warn!(
            cluster,
            error,
            "discovery failed, keeping the known frontends"
        );
    }

    fn endpoint_state(&self, cluster: &str, addr: SocketAddr, state: &State) {
        let endpoint = addr.to_string();
        for word in STATES {
            self.endpoint_state
                .with_label_values(&[cluster, &endpoint, word])
                .set(i64::from(*word == state.as_str()));
        }
        tracing::info!(cluster, %addr, state = state.as_str(), "frontend");
    }

    fn endpoint_gone(&self, cluster: &str, addr: SocketAddr) {
        let endpoint = addr.to_string();
        for word in STATES {
            // Fails only where the series was never made.
            let _ = self
                .endpoint_state
                .remove_label_values(&[cluster, &endpoint, word]);
        }
        tracing::info!(cluster, %addr, "frontend gone");
    }

    fn ejected(&self, cluster: &str, addr: SocketAddr, cause: EjectionCause, time: Duration) {
        self.ejections
            .with_label_values(&[cluster, &addr.to_string(), cause.as_str()])
            .inc();
        tracing::warn!(cluster, %addr, cause = cause.as_str(), ?time, "frontend ejected");
    }

    fn waiting(&self, cluster: &str, waiting: u32) {
        self.queue_waiting
            .with_label_values(&[cluster])
            .set(i64::from(waiting));
    }

    fn admitted(&self, cluster: &str, waited: Duration, _in_flight: u32) {
        self.queue_wait
            .with_label_values(&[cluster])
            .observe(waited.as_secs_f64());
    }

    fn rejected(&self, cluster: &str, why: Rejected) {
        self.queue_rejected
            .with_label_values(&[cluster, rejection_word(why)])
            .inc();
    }

    fn retry(&self, cluster: &str, granted: bool) {
        self.retry_budget
            .with_label_values(&[cluster, if granted { "yes" } else { "no" }])
            .inc();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_and_renders() {
        let metrics = Metrics::new().unwrap();
        metrics
            .requests
            .with_label_values(&["chat_completions", "m", "upstream", "200"])
            .inc();
        let text = String::from_utf8(metrics.render()).unwrap();
        assert!(text.contains(r#"commutator_requests_total{api="chat_completions",model="m",path="upstream",status="200"} 1"#));
        assert!(text.contains(r#"commutator_reloads_total{result="error",trigger="sighup"} 0"#));
    }
}
