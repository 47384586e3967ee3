//! What an engine's threads and handles share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use crossbeam_channel::Sender;

use super::cache::Cache;
use super::flight::{Flight, Flights, Gone, Landed, NEVER, Outcome};
use super::gate::Gate;
use super::head::Head;
use super::metrics::{Meters, seconds};
use super::options::EngineOptions;
use super::queue::Queue;
use super::tokenizing::Step;
use super::tokens::TextTokenizer;
use super::work::Work;
use crate::encoder::Encoder;
use crate::{ModelError, Timing};

/// Everything of an engine but its threads' handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) encoder: Arc<dyn Encoder>,
    pub(crate) tokenizer: TextTokenizer,
    pub(crate) heads: Vec<Head>,
    pub(crate) options: EngineOptions,
    pub(crate) meters: Arc<Meters>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) cache: Cache,
    pub(crate) flights: Flights,
    pub(crate) queue: Queue,
    /// To the tokenizer threads.
    pub(crate) steps: Sender<Step>,
    /// Model threads and tokenizer threads that live.
    pub(crate) alive: [AtomicUsize; 2],
    pub(crate) stopped: AtomicBool,
    /// Numbers the forward passes.
    pub(crate) passes: AtomicU64,
    /// Zero of the engine's clock.
    pub(crate) epoch: Instant,
}

impl Shared {
    /// The engine's clock, in microseconds.
    pub(crate) fn at(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(NEVER)
    }

    /// Whether work on the flight should end.
    pub(crate) fn gone(&self, flight: &Arc<Flight>) -> Option<Gone> {
        self.flights.gone(flight, self.at(Instant::now()))
    }

    /// Ends the work on texts that nobody needs any more.
    pub(crate) fn drop_all(&self, gone: Vec<(Arc<Flight>, Gone)>) {
        for (flight, gone) in gone {
            self.drop_one(&flight, gone);
        }
    }

    /// Ends the work on a text that nobody needs any more.
    pub(crate) fn drop_one(&self, flight: &Arc<Flight>, gone: Gone) {
        let (error, counter) = match gone {
            Gone::Settled => return,
            Gone::Cancelled => (
                ModelError::Infer("cancelled".to_owned()),
                &self.meters.cancelled,
            ),
            Gone::Expired => (ModelError::Deadline, &self.meters.expired),
        };
        if self.flights.settle(flight, Err(error)) {
            counter.inc();
        }
    }

    /// Fails a text.
    pub(crate) fn fail(&self, flight: &Arc<Flight>, error: ModelError) {
        self.flights.settle(flight, Err(error));
    }

    /// Throws out of the queue what nobody needs any more.
    pub(crate) fn sweep(&self) {
        let dropped = self.queue.sweep(&|flight| self.gone(flight));
        self.drop_all(dropped);
    }

    /// Puts a text's results together, remembers them and tells the callers.
    pub(crate) fn land(&self, work: &Arc<Work>) {
        let outcome = self.outcome(work);
        self.flights.settle(&work.flight, outcome);
    }

    fn outcome(&self, work: &Work) -> Outcome {
        let flight = &work.flight;
        let results: Vec<_> = work
            .finish(&self.heads)?
            .into_iter()
            .map(|(head, result)| (head, Arc::new(result)))
            .collect();
        if let Some(key) = flight.key() {
            for (head, result) in &results {
                self.cache.remember(key, *head, result);
            }
        }
        if results.iter().any(|(_, result)| result.unread_bytes > 0) {
            self.meters.capped.inc();
        }
        let timing = Timing {
            tokenize: work.tokenized.saturating_duration_since(flight.arrived),
            queue: work.tokenized.elapsed().saturating_sub(work.compute()),
            compute: work.compute(),
        };
        let meters = self.meters.set(flight.heads);
        meters.queue.observe(seconds(timing.queue));
        Ok(Arc::new(Landed { results, timing }))
    }

    /// Ends everything: who waits gets `reason`, threads end after what they are doing.
    pub(crate) fn stop(&self, reason: &str) {
        if self.stopped.swap(true, Ordering::SeqCst) {
            return;
        }
        self.queue.close();
        self.flights.close(&ModelError::Infer(reason.to_owned()));
        for _ in 0..self.options.threads.tokenizers() {
            // A thread that is gone needs no sign.
            let _ = self.steps.send(Step::Stop);
        }
    }
}

/// Which threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crew {
    Model = 0,
    Tokenizer = 1,
}

/// Sits on a thread's stack: when the last thread of its crew dies, nobody must wait for it.
pub(crate) struct Alive {
    shared: Arc<Shared>,
    crew: Crew,
}

impl Alive {
    pub(crate) fn new(shared: &Arc<Shared>, crew: Crew) -> Self {
        shared.alive[crew as usize].fetch_add(1, Ordering::SeqCst);
        Self {
            shared: Arc::clone(shared),
            crew,
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let before = self.shared.alive[self.crew as usize].fetch_sub(1, Ordering::SeqCst);
        if self.shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        tracing::error!(crew = ?self.crew, left = before - 1, "a thread of the inference engine died");
        if before == 1 {
            self.shared.stop("the engine's threads died");
        }
    }
}
