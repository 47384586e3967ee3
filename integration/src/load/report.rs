//! What came out, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::worker::Stats;

/// Longest time that is told apart: one hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds with three significant digits.
pub(super) fn histogram() -> Histogram<u64> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that hold")]
    Histogram::new_with_bounds(1, LONGEST, 3).expect("valid bounds")
}

pub(super) fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.min(LONGEST));
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A distribution of times, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of values; all else is 0 if there are none.
    pub count: u64,
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Longest.
    pub max: f64,
}

impl Summary {
    fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        #[expect(clippy::cast_precision_loss, reason = "times far below 2^53 ns")]
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        let quantile = |q| micros(histogram.value_at_quantile(q));
        Self {
            count: histogram.len(),
            mean: histogram.mean() / 1000.0,
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: micros(histogram.max()),
        }
    }
}

/// The outcome of a load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Good answers.
    pub ok: u64,
    /// Failed requests by class: `connect`, `disconnected` (before the response's head), `truncated`
    /// (body cut short, or no `[DONE]`), `error_event` (inside a stream), `status_NNN`, `timeout`,
    /// `malformed`.
    pub errors: BTreeMap<String, u64>,
    /// Answers by status, good ones too.
    pub statuses: BTreeMap<u16, u64>,
    /// Time that was measured, in seconds, without warm-up.
    pub seconds: f64,
    /// Good answers per second.
    pub rate: f64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Server-sent events.
    pub events: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Time to the last byte of good answers.
    pub latency: Summary,
    /// Time to the first event of good streams.
    pub first_event: Summary,
    /// Time between events.
    pub gap: Summary,
    /// CPU time that the load itself took, in seconds, warm-up included: near `threads * seconds` it
    /// is the load generator that was measured.
    pub client_cpu: Option<f64>,
    /// Class and first bytes of some failures.
    pub samples: Vec<String>,
}

impl Report {
    pub(super) fn merge(all: Vec<Stats>, elapsed: Duration) -> Self {
        let (mut latency, mut first_event, mut gap) = (histogram(), histogram(), histogram());
        let mut report = Self {
            seconds: elapsed.as_secs_f64(),
            client_cpu: all
                .iter()
                .map(|stats| stats.cpu.map(|cpu| cpu.as_secs_f64()))
                .sum(),
            ..Self::default()
        };
        for stats in all {
            report.ok += stats.ok;
            report.bytes += stats.bytes;
            report.events += stats.events;
            report.connections += stats.connections;
            for (failure, count) in stats.failures {
                *report.errors.entry(failure.name()).or_default() += count;
            }
            for (status, count) in stats.statuses {
                *report.statuses.entry(status).or_default() += count;
            }
            report.samples.extend(stats.samples);
            // All have the same bounds, so adding cannot fail.
            let _ = latency.add(&stats.latency);
            let _ = first_event.add(&stats.first_event);
            let _ = gap.add(&stats.gap);
        }
        if report.seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
            let ok = report.ok as f64;
            report.rate = ok / report.seconds;
        }
        report.latency = Summary::of(&latency);
        report.first_event = Summary::of(&first_event);
        report.gap = Summary::of(&gap);
        report
    }

    /// Requests that failed, of whatever class.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Requests that were measured.
    pub fn requests(&self) -> u64 {
        self.ok + self.failed()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests in {:.2} s: {} good ({:.0}/s), {} failed, {} connections, {:.1} MiB",
            self.requests(),
            self.seconds,
            self.ok,
            self.rate,
            self.failed(),
            self.connections,
            self.bytes as f64 / f64::from(1 << 20),
        )?;
        if let Some(cpu) = self.client_cpu {
            writeln!(f, "CPU of the load itself: {cpu:.2} s")?;
        }
        writeln!(
            f,
            "{:<14}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "microseconds", "count", "mean", "p50", "p90", "p99", "p99.9", "max"
        )?;
        let rows = [
            ("latency", self.latency),
            ("first event", self.first_event),
            ("gap", self.gap),
        ];
        for (name, row) in rows.iter().filter(|(_, row)| row.count > 0) {
            writeln!(
                f,
                "{name:<14}{:>10}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{:>10.0}",
                row.count, row.mean, row.p50, row.p90, row.p99, row.p999, row.max
            )?;
        }
        for (class, count) in &self.errors {
            writeln!(f, "failed {class}: {count}")?;
        }
        for sample in &self.samples {
            writeln!(f, "  {sample}")?;
        }
        Ok(())
    }
}
