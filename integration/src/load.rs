//! A load generator for chat completions and the like: HTTP/1.1 keep-alive, unary and streamed.
//!
//! It is used by tests ("20,000 requests while the policy is reloaded, none fails") and, as the binary
//! `commutator-load`, by benchmarks. Its client is written by hand on `httparse`, so that it costs less
//! than what it measures; each thread runs its connections on a runtime of its own.
//!
//! ```no_run
//! use commutator_integration::load::{self, LoadConfig};
//!
//! # async fn example(addr: std::net::SocketAddr) -> std::io::Result<()> {
//! let mut config = LoadConfig::chat(addr, "MoM", "What is 2+2?", false);
//! config.connections = 64;
//! config.count = Some(20_000);
//! let report = load::run(config).await?;
//! assert_eq!(report.failed(), 0, "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # What is measured
//!
//! - *Latency*: from sending a request to the last byte of a good answer. In the open loop it counts
//!   from when the request was *due*, so that a stalled server cannot hide behind requests that were
//!   never sent. Answers that failed are counted, not timed.
//! - *First event*: from the same start to the first `data:` event of a stream.
//! - *Gap*: between two events. Events that arrive in one read have a gap of zero.
//! - A stream is good when its HTTP body ended properly, `[DONE]` (or `response.completed`) came, and no
//!   event was an error.

mod connection;
mod report;
mod wire;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

pub use report::{Report, Summary};
use worker::Stats;

/// When the next request is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pacing {
    /// Each connection sends as soon as its last answer is complete.
    Closed,
    /// So many requests a second over all connections, whatever the answers do. With all connections
    /// busy a request is sent late, and its latency includes the wait.
    Open {
        /// Requests per second.
        rate: f64,
    },
}

/// Ends a load early, from another task or thread.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No further request is sent; those under way are completed.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What to send, how fast and for how long.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// Where to connect.
    pub addr: SocketAddr,
    /// `host` header; the address if empty.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// Headers beyond `host`, `content-type: application/json` and `content-length`.
    pub headers: Vec<(String, String)>,
    /// Bodies, sent in turn. Must not be empty.
    pub bodies: Vec<Bytes>,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Threads over which the connections are spread.
    pub threads: usize,
    /// Closed or open loop.
    pub pacing: Pacing,
    /// Sends so many requests at most. Without it and without `duration`, one per connection.
    pub count: Option<u64>,
    /// Sends for so long at most.
    pub duration: Option<Duration>,
    /// Requests that start in this time from the beginning are not counted.
    pub warmup: Duration,
    /// Longest time for connecting and for one whole exchange.
    pub timeout: Duration,
    /// Ends the load early.
    pub stop: Stop,
}

impl LoadConfig {
    /// One connection, one thread, a closed loop, 30 s of timeout, and these bodies.
    pub fn new(addr: SocketAddr, path: impl Into<String>, bodies: Vec<Bytes>) -> Self {
        Self {
            addr,
            host: String::new(),
            path: path.into(),
            headers: Vec::new(),
            bodies,
            connections: 1,
            threads: 1,
            pacing: Pacing::Closed,
            count: None,
            duration: None,
            warmup: Duration::ZERO,
            timeout: Duration::from_secs(30),
            stop: Stop::default(),
        }
    }

    /// Chat completions with one user message.
    pub fn chat(addr: SocketAddr, model: &str, text: &str, stream: bool) -> Self {
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
        if stream {
            body["stream"] = json!(true);
        }
        Self::new(addr, "/v1/chat/completions", vec![body.to_string().into()])
    }

    fn check(&self) -> io::Result<()> {
        let wrong = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        if self.bodies.is_empty() {
            return wrong("`bodies` is empty");
        }
        if self.connections == 0 || self.threads == 0 {
            return wrong("`connections` and `threads` must be at least 1");
        }
        match self.pacing {
            Pacing::Open { rate } if !(rate.is_finite() && rate > 0.0) => {
                wrong("`rate` must be a positive number")
            }
            _ => Ok(()),
        }
    }
}

/// Runs a load on threads of its own and waits for its end without blocking the runtime. Dropping the
/// future stops the load.
///
/// # Errors
/// The configuration makes no sense, or a thread or runtime cannot be made. Failed requests are no
/// error: see [`Report::failed`].
pub async fn run(config: LoadConfig) -> io::Result<Report> {
    struct StopOnDrop(Stop);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    // Not the configuration's own: that one may be used again.
    let cancel = Stop::default();
    let _guard = StopOnDrop(cancel.clone());
    tokio::task::spawn_blocking(move || run_until(&config, cancel))
        .await
        .map_err(io::Error::other)?
}

/// As [`run`], on the calling thread and others.
///
/// # Errors
/// As for [`run`].
pub fn run_blocking(config: &LoadConfig) -> io::Result<Report> {
    run_until(config, Stop::default())
}

fn run_until(config: &LoadConfig, cancel: Stop) -> io::Result<Report> {
    config.check()?;
    let threads = config.threads.min(config.connections);
    let plan = Plan::new(config, cancel);
    let stats: io::Result<Vec<Stats>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                // The first threads take one more where it does not come out even.
                let spare = usize::from(thread < config.connections % threads);
                let connections = config.connections / threads + spare;
                let plan = &plan;
                scope.spawn(move || worker::run(plan, connections))
            })
            .collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(stats) => stats,
            Err(_) => Err(io::Error::other("a load thread panicked")),
        });
        joined.collect()
    });
    let elapsed = plan.measured_from().elapsed();
    Ok(Report::merge(stats?, elapsed))
}

/// A load in progress, shared by its threads.
#[derive(Debug)]
struct Plan {
    config: LoadConfig,
    /// Set when nobody waits for the report any more.
    cancel: Stop,
    /// Whole requests, ready to send.
    requests: Vec<Bytes>,
    start: Instant,
    limit: u64,
    issued: AtomicU64,
}

impl Plan {
    fn new(config: &LoadConfig, cancel: Stop) -> Self {
        let limit = match (config.count, config.duration) {
            (Some(count), _) => count,
            (None, Some(_)) => u64::MAX,
            (None, None) => config.connections as u64,
        };
        Self {
            requests: config.bodies.iter().map(|b| request(config, b)).collect(),
            config: config.clone(),
            cancel,
            start: Instant::now(),
            limit,
            issued: AtomicU64::new(0),
        }
    }

    /// The next request's number, and when it is due in the open loop; `None` at the end.
    fn next(&self) -> Option<(u64, Option<Instant>)> {
        if self.config.stop.is_set() || self.cancel.is_set() {
            return None;
        }
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        if number >= self.limit {
            return None;
        }
        let due = match self.config.pacing {
            Pacing::Closed => None,
            Pacing::Open { rate } => {
                #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
                let offset = Duration::try_from_secs_f64(number as f64 / rate).ok()?;
                Some(self.start.checked_add(offset)?)
            }
        };
        if let Some(duration) = self.config.duration {
            let when = due.unwrap_or_else(Instant::now);
            if when.duration_since(self.start) >= duration {
                return None;
            }
        }
        Some((number, due))
    }

    fn request(&self, number: u64) -> &Bytes {
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of a usize")]
        let index = (number % self.requests.len() as u64) as usize;
        &self.requests[index]
    }

    fn measured_from(&self) -> Instant {
        self.start + self.config.warmup
    }
}

fn request(config: &LoadConfig, body: &Bytes) -> Bytes {
    let host = match config.host.as_str() {
        "" => config.addr.to_string(),
        host => host.to_owned(),
    };
    let mut head = format!(
        "POST {} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        config.path,
        body.len()
    );
    for (name, value) in &config.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat().into()
}
