//! What engines count and measure.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use super::head::{Head, HeadSet};

/// Upper ends of the buckets for seconds: a tokenisation takes microseconds, a GPU's forward pass a fraction of a
/// millisecond, a CPU's up to seconds.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];
const WINDOWS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0, 2048.0];
const TOKENS: &[f64] = &[
    16.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0,
];

/// The metrics of all engines of a process, by the model's name. Registered once; a model that is loaded again goes on
/// with its numbers.
#[derive(Debug, Clone)]
pub struct EngineMetrics {
    queue_windows: IntGaugeVec,
    queue_tokens: IntGaugeVec,
    batch_windows: HistogramVec,
    batch_tokens: HistogramVec,
    tokenize: HistogramVec,
    queue: HistogramVec,
    compute: HistogramVec,
    text_windows: HistogramVec,
    capped: IntCounterVec,
    dropped: IntCounterVec,
    overloaded: IntCounterVec,
    cache: IntCounterVec,
    joined: IntCounterVec,
    panics: IntCounterVec,
}

impl EngineMetrics {
    /// Makes the metrics and registers them.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            register(registry, IntCounterVec::new(opts(name, help), labels)?)
        };
        let gauge = |name: &str, help: &str| {
            register(registry, IntGaugeVec::new(opts(name, help), &["model"])?)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
            register(registry, HistogramVec::new(opts, labels)?)
        };
        let model = &["model"];
        let heads = &["model", "heads"];
        Ok(Self {
            queue_windows: gauge("queue_windows", "Windows that wait for a model thread.")?,
            queue_tokens: gauge("queue_tokens", "Tokens that wait for a model thread.")?,
            batch_windows: histogram("batch_windows", "Windows of a batch.", model, WINDOWS)?,
            batch_tokens: histogram("batch_tokens", "Tokens of a batch.", model, TOKENS)?,
            tokenize: histogram(
                "tokenize_seconds",
                "From a text's arrival to its tokens.",
                heads,
                SECONDS,
            )?,
            queue: histogram(
                "queue_seconds",
                "Time of a text between tokens and result without the forward passes.",
                heads,
                SECONDS,
            )?,
            compute: histogram(
                "compute_seconds",
                "Time of a batch's forward pass.",
                heads,
                SECONDS,
            )?,
            text_windows: histogram("text_windows", "Windows of a text.", model, WINDOWS)?,
            capped: counter(
                "capped_texts_total",
                "Texts that were not read to their end, since they have more windows than are allowed.",
                model,
            )?,
            dropped: counter(
                "dropped_texts_total",
                "Texts given up before they were done: `cancelled` by the caller, `expired` deadlines.",
                &["model", "reason"],
            )?,
            overloaded: counter(
                "overloaded_total",
                "Texts refused because too much was waiting.",
                model,
            )?,
            cache: counter(
                "cache_total",
                "Wanted results, and whether they were remembered.",
                &["model", "outcome"],
            )?,
            joined: counter(
                "joined_total",
                "Calls that waited for the result of another call with the same text.",
                model,
            )?,
            panics: counter(
                "panics_total",
                "Panics of the encoder or the tokenizer.",
                model,
            )?,
        })
    }

    /// The metrics without a registry that would show them.
    #[must_use]
    pub fn unregistered() -> Self {
        // A fresh registry has no metric of the same name: registering cannot fail.
        match Self::register(&Registry::new()) {
            Ok(metrics) => metrics,
            Err(error) => unreachable!("metrics that contradict each other: {error}"),
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help)
        .namespace("commutator")
        .subsystem("model")
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// The metrics of one engine.
#[derive(Debug)]
pub(crate) struct Meters {
    all: EngineMetrics,
    model: String,
    names: Vec<String>,
    sets: Mutex<HashMap<HeadSet, Arc<SetMeters>>>,
    pub(crate) queue_windows: IntGauge,
    pub(crate) queue_tokens: IntGauge,
    pub(crate) batch_windows: Histogram,
    pub(crate) batch_tokens: Histogram,
    pub(crate) text_windows: Histogram,
    pub(crate) capped: IntCounter,
    pub(crate) cancelled: IntCounter,
    pub(crate) expired: IntCounter,
    pub(crate) overloaded: IntCounter,
    pub(crate) hits: IntCounter,
    pub(crate) misses: IntCounter,
    pub(crate) joined: IntCounter,
    pub(crate) panics: IntCounter,
}

/// Times of the calls that want the same heads.
#[derive(Debug)]
pub(crate) struct SetMeters {
    pub(crate) tokenize: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) compute: Histogram,
}

impl Meters {
    pub(crate) fn new(all: &EngineMetrics, model: &str, heads: &[Head]) -> Self {
        let only = &[model];
        Self {
            model: model.to_owned(),
            names: heads.iter().map(|head| head.info.name.clone()).collect(),
            sets: Mutex::default(),
            queue_windows: all.queue_windows.with_label_values(only),
            queue_tokens: all.queue_tokens.with_label_values(only),
            batch_windows: all.batch_windows.with_label_values(only),
            batch_tokens: all.batch_tokens.with_label_values(only),
            text_windows: all.text_windows.with_label_values(only),
            capped: all.capped.with_label_values(only),
            cancelled: all.dropped.with_label_values(&[model, "cancelled"]),
            expired: all.dropped.with_label_values(&[model, "expired"]),
            overloaded: all.overloaded.with_label_values(only),
            hits: all.cache.with_label_values(&[model, "hit"]),
            misses: all.cache.with_label_values(&[model, "miss"]),
            joined: all.joined.with_label_values(only),
            panics: all.panics.with_label_values(only),
            all: all.clone(),
        }
    }

    /// The times of one set of heads; its label is the heads' names with `+` between them.
    pub(crate) fn set(&self, heads: HeadSet) -> Arc<SetMeters> {
        let mut sets = self.sets.lock();
        let meters = sets.entry(heads).or_insert_with(|| {
            let names: Vec<&str> = heads.iter().map(|head| self.names[head].as_str()).collect();
            let label = names.join("+");
            let labels = &[self.model.as_str(), label.as_str()];
            Arc::new(SetMeters {
                tokenize: self.all.tokenize.with_label_values(labels),
                queue: self.all.queue.with_label_values(labels),
                compute: self.all.compute.with_label_values(labels),
            })
        });
        Arc::clone(meters)
    }
}

/// Seconds, as the histograms want them.
pub(crate) fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_register_once_and_only_once() {
        let registry = Registry::new();
        EngineMetrics::register(&registry).unwrap();
        assert!(EngineMetrics::register(&registry).is_err());
        let _ = EngineMetrics::unregistered();
    }
}
