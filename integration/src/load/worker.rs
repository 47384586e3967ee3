//! One thread of a load and its connections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use tokio::time::timeout;

use super::Plan;
use super::connection::{Connection, Failure};
use super::report::{histogram, nanos, record};
use super::wire::Sink;

/// Rest after a refused connection, so that a dead server is not asked thousands of times a second.
const CONNECT_PAUSE: Duration = Duration::from_millis(5);
/// Failures whose answer is kept to show, per thread.
const SAMPLES: usize = 5;

/// What one thread saw.
#[derive(Debug)]
pub(super) struct Stats {
    pub(super) ok: u64,
    pub(super) failures: BTreeMap<Failure, u64>,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) connections: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) first_event: Histogram<u64>,
    pub(super) gap: Histogram<u64>,
    pub(super) samples: Vec<String>,
    pub(super) cpu: Option<Duration>,
}

impl Stats {
    fn new() -> Self {
        Self {
            ok: 0,
            failures: BTreeMap::new(),
            statuses: BTreeMap::new(),
            bytes: 0,
            events: 0,
            connections: 0,
            latency: histogram(),
            first_event: histogram(),
            gap: histogram(),
            samples: Vec::new(),
            cpu: None,
        }
    }
}

/// Runs `connections` connections to the end of the plan.
pub(super) fn run(plan: &Plan, connections: usize) -> io::Result<Stats> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stats = RefCell::new(Stats::new());
    let clients: FuturesUnordered<_> = (0..connections).map(|_| client(plan, &stats)).collect();
    runtime.block_on(clients.for_each(|()| std::future::ready(())));
    let mut stats = stats.into_inner();
    stats.cpu = thread_cpu();
    Ok(stats)
}

/// Sends requests one after another over a connection that is opened again when it is lost.
async fn client(plan: &Plan, stats: &RefCell<Stats>) {
    let mut connection = None;
    let mut sink = Sink::default();
    while let Some((number, due)) = plan.next() {
        let start = match due {
            Some(due) if due > Instant::now() => {
                tokio::time::sleep_until(due.into()).await;
                // The timer is no finer than a millisecond: its lateness is not the server's.
                Instant::now()
            }
            // Late because no connection was free: the wait counts.
            Some(due) => due,
            None => Instant::now(),
        };
        let measured = start >= plan.measured_from();
        sink.reset();
        let exchange = exchange(plan, stats, number, measured, &mut connection, &mut sink);
        let (status, result) = match timeout(plan.config.timeout, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => (None, Err(Failure::Timeout)),
        };
        if result.is_err()
            || connection
                .as_ref()
                .is_some_and(|c: &Connection| !c.reusable)
        {
            connection = None;
        }
        if measured {
            stats.borrow_mut().count(start, status, result, &sink);
        }
        if result == Err(Failure::Connect) {
            tokio::time::sleep(CONNECT_PAUSE).await;
        }
    }
}

async fn exchange(
    plan: &Plan,
    stats: &RefCell<Stats>,
    number: u64,
    measured: bool,
    connection: &mut Option<Connection>,
    sink: &mut Sink,
) -> (Option<u16>, Result<Instant, Failure>) {
    let connection = match connection {
        Some(connection) => connection,
        None => match Connection::open(plan.config.addr).await {
            Ok(opened) => {
                stats.borrow_mut().connections += 1;
                connection.insert(opened)
            }
            Err(_) => return (None, Err(Failure::Connect)),
        },
    };
    let gap = |nanos| {
        if measured {
            record(&mut stats.borrow_mut().gap, nanos);
        }
    };
    connection.exchange(plan.request(number), sink, gap).await
}

impl Stats {
    fn count(
        &mut self,
        start: Instant,
        status: Option<u16>,
        result: Result<Instant, Failure>,
        sink: &Sink,
    ) {
        self.bytes += sink.bytes;
        self.events += sink.events;
        if let Some(status) = status {
            *self.statuses.entry(status).or_default() += 1;
        }
        match result {
            Ok(end) => {
                self.ok += 1;
                record(&mut self.latency, nanos(end.duration_since(start)));
                if let Some(first) = sink.first {
                    record(&mut self.first_event, nanos(first.duration_since(start)));
                }
            }
            Err(failure) => {
                *self.failures.entry(failure).or_default() += 1;
                if self.samples.len() < SAMPLES {
                    let body = String::from_utf8_lossy(&sink.sample);
                    self.samples.push(format!("{}: {body}", failure.name()));
                }
            }
        }
    }
}

/// CPU time of this thread, where the kernel tells it.
fn thread_cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
    // Fields 14 and 15 in ticks; the name in parentheses before them may hold spaces.
    let fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ticks: Vec<u64> = fields
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse().ok())
        .collect();
    match ticks[..] {
        // USER_HZ is 100 on every Linux architecture in use.
        [user, system] => Some(Duration::from_millis((user + system) * 10)),
        _ => None,
    }
}
