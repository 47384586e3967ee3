//! The benchmark: Commutator beside nginx and Envoy as plain proxies, one thread each, in front of the same
//! simulated frontend.
//!
//! The entrants take turns, window by window, in several rounds of one run: what else the machine does then
//! hits all of them alike. A table shows medians over the rounds; a ratio is the median of the ratios
//! within each round. CPU time a request is the most telling column on a small or busy machine, where
//! requests a second depend on what the load generator and the simulator leave over.

mod client;
mod entrant;
mod guards;
mod machine;
mod measure;
mod process;
mod record;
mod table;
mod tools;
mod workload;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;

use entrant::{Entrant, Kind, Running};
use process::Process;
use record::{Memory, Record};
use tools::Programs;
use workload::{LATENCY, LOADS};

/// Compares Commutator with nginx and Envoy as plain proxies and prints a table.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench", version)]
pub struct Options {
    /// Length of one window under load; a window for latency takes a sixth of it.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Windows of each kind and entrant.
    #[arg(long, value_name = "N", default_value_t = 4)]
    rounds: usize,
    /// Streams of each entrant and round, for the time to the first event.
    #[arg(long, value_name = "N", default_value_t = 100)]
    streams: usize,
    /// Only these entrants, separated by commas: direct, nginx, envoy, empty, policy, log.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Kind>,
    /// Measure only what guards add to the time to the first token.
    #[arg(long)]
    guards: bool,
    /// Writes all that was measured to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Gives simulator, proxy and load cores of their own, where there are four.
    #[arg(long)]
    pin: bool,
    /// Do not fetch programs that are missing.
    #[arg(long)]
    no_fetch: bool,
}

/// Open streams while memory is looked at.
const OPEN_STREAMS: usize = 500;
/// Dynamo's sockets, slowed down: time to the first token in milliseconds.
const DYNAMO_TTFT_MS: u64 = 15;

/// Runs the benchmark and prints its table.
///
/// # Errors
/// What keeps the run from being complete: a program of this repository that is missing or does not start,
/// an entrant that never answers as it should, a file that cannot be written.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if !(options.seconds.is_finite() && options.seconds > 0.0) || options.rounds == 0 {
        bail!("--seconds and --rounds must be above 0");
    }
    let root = repository()?;
    let programs = Programs::find(&root, options)?;
    let pins = process::Pins::new(options.pin);
    let scratch = tempfile::tempdir()?;
    let mut record = Record::new(&root, &programs, options, pins.is_some());
    let bench = Bench {
        options,
        programs,
        pins,
        scratch: scratch.path(),
        root: &root,
    };
    if !options.guards {
        bench.main_part(&mut record)?;
        bench.dynamo_part(&mut record)?;
    }
    if options.guards || options.only.is_empty() {
        bench.guards_part(&mut record)?;
    }
    record.finish();
    println!("{}", table::render(&record));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&record)?;
        std::fs::write(path, text + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// The root of the clone this was built from.
fn repository() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("no parent directory")?;
    if !root.join("conf/policy.yaml").is_file() {
        bail!("{} is no clone of Commutator any more", root.display());
    }
    Ok(root.to_path_buf())
}

struct Bench<'a> {
    options: &'a Options,
    programs: Programs,
    pins: Option<process::Pins>,
    scratch: &'a Path,
    root: &'a Path,
}

impl Bench<'_> {
    fn entrants(&self) -> Vec<Kind> {
        let wanted = |kind: &Kind| self.options.only.is_empty() || self.options.only.contains(kind);
        let all = Kind::ALL.iter().copied();
        all.filter(wanted)
            .filter(|kind| self.programs.has(*kind))
            .collect()
    }

    fn simulator(&self, arguments: &[&str]) -> anyhow::Result<Simulator> {
        Simulator::start(&self.programs, arguments, self.pins.as_ref())
    }

    fn start(&self, kinds: &[Kind], simulator: &Simulator) -> anyhow::Result<Vec<Running>> {
        let mut running = Vec::new();
        for kind in kinds {
            let entrant = Entrant {
                kind: *kind,
                upstream: simulator.addr,
                root: self.root,
                directory: self
                    .scratch
                    .join(format!("{}-{}", simulator.addr.port(), kind.id())),
            };
            running.push(entrant.start(&self.programs, self.pins.as_ref())?);
        }
        Ok(running)
    }

    /// Load, latency, streams and memory, on sockets with `TCP_NODELAY`.
    fn main_part(&self, record: &mut Record) -> anyhow::Result<()> {
        let simulator = self.simulator(&["--nodelay", "--request-faults"])?;
        let mut running = self.start(&self.entrants(), &simulator)?;
        for entrant in &running {
            entrant.check()?;
            record.memory.push(Memory::idle(entrant));
        }
        let window = Duration::from_secs_f64(self.options.seconds);
        for round in 0..self.options.rounds {
            eprintln!("bench: round {} of {}", round + 1, self.options.rounds);
            for workload in LOADS {
                for entrant in &running {
                    record
                        .windows
                        .push(measure::window(entrant, workload, window, round)?);
                }
            }
            for workload in LATENCY {
                for entrant in &running {
                    let short = window.div_f64(6.0);
                    record
                        .windows
                        .push(measure::window(entrant, workload, short, round)?);
                }
            }
            record.streams.extend(measure::first_events(
                &running,
                self.options.streams,
                round,
            )?);
            // Nobody is always the one after the idle one.
            running.rotate_left(1);
        }
        for entrant in &running {
            let after_load = entrant.rss();
            let open = measure::open_streams(entrant, OPEN_STREAMS)?;
            record.memory_of(entrant.kind, |memory| {
                memory.after_load_mib = after_load;
                memory.streams_mib = open;
            });
        }
        Ok(())
    }

    /// The first event from a frontend whose sockets lack `TCP_NODELAY`, as Dynamo's do.
    fn dynamo_part(&self, record: &mut Record) -> anyhow::Result<()> {
        eprintln!("bench: Dynamo's sockets");
        let ttft = DYNAMO_TTFT_MS.to_string();
        let simulator = self.simulator(&["--ttft", &ttft])?;
        let mut kinds = self.entrants();
        kinds.retain(|kind| *kind != Kind::PolicyLog);
        let running = self.start(&kinds, &simulator)?;
        // Some 40 ms each: a fifth of the streams is enough.
        let count = (self.options.streams / 5).max(1);
        for round in 0..self.options.rounds {
            record
                .dynamo
                .extend(measure::first_events(&running, count, round)?);
        }
        Ok(())
    }

    /// What guards add.
    fn guards_part(&self, record: &mut Record) -> anyhow::Result<()> {
        eprintln!("bench: guards");
        let ttft = guards::TTFT_MS.to_string();
        let simulator = self.simulator(&["--ttft", &ttft, "--nodelay"])?;
        record.guards = guards::measure(
            &self.programs,
            self.pins.as_ref(),
            self.scratch,
            simulator.addr,
            workload::MODELS[0],
            self.options.streams,
        )?;
        Ok(())
    }
}

/// The simulated frontend as a process of its own.
struct Simulator {
    addr: std::net::SocketAddr,
    _process: Process,
}

impl Simulator {
    fn start(
        programs: &Programs,
        arguments: &[&str],
        pins: Option<&process::Pins>,
    ) -> anyhow::Result<Self> {
        let addr = process::free_address()?;
        let listen = addr.to_string();
        let models = workload::MODELS.join(",");
        let mut all = vec!["--listen", &listen, "--models", &models, "--no-record"];
        all.extend(arguments);
        let core = pins.map(|pins| pins.simulator.as_str());
        let process = Process::start(&programs.simulator, &all, core)?;
        process.wait_for(addr)?;
        Ok(Self {
            addr,
            _process: process,
        })
    }
}
