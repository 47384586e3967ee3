//! All that was measured, as it is written to the JSON file.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::entrant::{Kind, Running};
use super::tools::Programs;
use super::{Options, machine};
use crate::load::Report;

/// A run.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    /// Commit of the clone; `-dirty` where files differ from it.
    pub(super) commit: String,
    /// Start, UTC.
    pub(super) date: String,
    pub(super) machine: machine::Machine,
    pub(super) versions: Vec<String>,
    /// Entrants that were wanted and are not here.
    pub(super) missing: Vec<Kind>,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    pub(super) pinned: bool,
    /// The run's own length in seconds.
    pub(super) took: f64,
    pub(super) windows: Vec<Window>,
    /// First events over sockets with `TCP_NODELAY`.
    pub(super) streams: Vec<Streams>,
    /// First events over sockets without it, as Dynamo's are.
    pub(super) dynamo: Vec<Streams>,
    /// With and without guards.
    #[serde(default)]
    pub(super) guards: Vec<super::guards::Guarded>,
    pub(super) memory: Vec<Memory>,
    #[serde(skip)]
    began: Instant,
}

/// One window of load.
#[derive(Debug, Serialize)]
pub(super) struct Window {
    pub(super) entrant: Kind,
    pub(super) workload: &'static str,
    pub(super) round: usize,
    /// Windows before it that were thrown away because a request failed.
    pub(super) invalid_before: u32,
    pub(super) requests: u64,
    /// Requests a second.
    pub(super) rate: f64,
    /// CPU microseconds of the proxy a request.
    pub(super) cpu_us: Option<f64>,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    /// CPU seconds of the load generator, with its warm-up.
    pub(super) client_cpu: Option<f64>,
}

impl Window {
    pub(super) fn new(
        entrant: Kind,
        workload: &'static str,
        round: usize,
        invalid_before: u32,
        report: &Report,
        cpu: Option<Duration>,
    ) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
        let requests = report.ok as f64;
        Self {
            entrant,
            workload,
            round,
            invalid_before,
            requests: report.ok,
            rate: report.rate,
            cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / requests),
            p50_us: report.latency.p50,
            p99_us: report.latency.p99,
            client_cpu: report.client_cpu,
        }
    }
}

/// Streams of one entrant and round.
#[derive(Debug, Serialize)]
pub(super) struct Streams {
    pub(super) entrant: Kind,
    pub(super) round: usize,
    /// From the request to the first event, each stream.
    pub(super) first_event_us: Vec<f64>,
}

/// Resident memory of one entrant's processes.
#[derive(Debug, Serialize)]
pub(super) struct Memory {
    pub(super) entrant: Kind,
    pub(super) idle_mib: Option<f64>,
    pub(super) after_load_mib: Option<f64>,
    /// With 500 streams open.
    pub(super) streams_mib: Option<f64>,
}

impl Memory {
    pub(super) fn idle(entrant: &Running) -> Self {
        Self {
            entrant: entrant.kind,
            idle_mib: entrant.rss(),
            after_load_mib: None,
            streams_mib: None,
        }
    }
}

impl Record {
    pub(super) fn new(root: &Path, programs: &Programs, options: &Options, pinned: bool) -> Self {
        let wanted = |kind: &Kind| options.only.is_empty() || options.only.contains(kind);
        let all = Kind::ALL.iter().copied();
        Self {
            commit: machine::commit(root),
            date: machine::date(),
            machine: machine::Machine::here(),
            versions: machine::versions(programs),
            missing: all
                .filter(wanted)
                .filter(|kind| !programs.has(*kind))
                .collect(),
            seconds: options.seconds,
            rounds: options.rounds,
            pinned,
            took: 0.0,
            windows: Vec::new(),
            streams: Vec::new(),
            dynamo: Vec::new(),
            guards: Vec::new(),
            memory: Vec::new(),
            began: Instant::now(),
        }
    }

    pub(super) fn memory_of(&mut self, kind: Kind, change: impl FnOnce(&mut Memory)) {
        if let Some(memory) = self.memory.iter_mut().find(|memory| memory.entrant == kind) {
            change(memory);
        }
    }

    pub(super) fn finish(&mut self) {
        self.took = self.began.elapsed().as_secs_f64();
    }
}
