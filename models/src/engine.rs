//! The engine: many callers' texts become batches for one encoder, and its numbers become their answers.
//!
//! ```text
//! analyze -> known? (cache) -> under way? (flight) -> permit (gate)
//!         -> tokenizer thread: tokens, windows (pieces, tokenizing, windows)
//!         -> queue: most urgent first, by wanted heads (queue)
//!         -> model thread: one pass for all wanted heads (running)
//!         -> words vote, windows are combined (work, tags, combine) -> everybody who waits for this text
//! ```
//!
//! A text is tokenised once and runs once for all heads that cut it into the same windows. Dropping a call gives its
//! work up, unless another call waits for the same text. Nothing is cut silently: every result says how many windows
//! it read and how many bytes it did not.

mod adopt;
mod again;
mod answer;
mod cache;
mod combine;
mod faces;
mod flight;
mod gate;
mod head;
mod metrics;
mod options;
mod pieces;
mod queue;
mod running;
mod shared;
mod suspects;
mod tags;
mod tokenizing;
mod tokens;
mod warm;
mod windows;
mod words;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokenizers::Tokenizer;

pub use answer::{Analysis, Answer, HeadResult, Request};
pub use faces::{HeadClassifier, HeadEmbedder, HeadTokenClassifier};
pub use metrics::EngineMetrics;
pub use options::{
    BatchOptions, CacheOptions, Combine, EngineOptions, HeadOptions, QueueOptions, TextOptions,
    ThreadOptions, WindowOptions,
};
pub use suspects::Suspect;

pub(crate) use adopt::attacks;
use cache::Cache;
use flight::{Departure, Flights, NEVER, Outcome, Receiver};
use gate::Gate;
use head::HeadSet;
use metrics::Meters;
use queue::Queue;
use shared::Shared;
use tokenizing::Step;
pub(crate) use tokens::TextTokenizer;

use crate::encoder::{Encoder, HeadInfo};
use crate::{ModelError, Timing};

/// One encoder with its tokenizer, its threads and its queue. Dropping it stops it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    model: String,
    warm_up: Vec<(usize, Duration)>,
    /// Set while [`Engine::close`] waits.
    closing: AtomicBool,
}

/// What an engine is made from.
#[derive(Debug)]
pub struct EngineParts {
    /// The model's name in errors and metrics.
    pub model: String,
    /// What runs the model.
    pub encoder: Arc<dyn Encoder>,
    /// The tokenizer that the model was trained with. Truncation and padding set in it are switched off.
    pub tokenizer: Tokenizer,
    /// Settings.
    pub options: EngineOptions,
    /// Where it counts.
    pub metrics: EngineMetrics,
}

impl Engine {
    /// Starts the threads and runs the encoder's first passes. Blocks for as long as these take.
    ///
    /// # Errors
    /// [`ModelError::Load`] when a setting does not fit the encoder or the tokenizer, or the first passes fail.
    pub fn new(parts: EngineParts) -> Result<Self, ModelError> {
        let EngineParts {
            model,
            encoder,
            tokenizer,
            options,
            metrics,
        } = parts;
        let tokenizer = TextTokenizer::new(&model, tokenizer)?;
        let heads = head::resolve(&model, &*encoder, tokenizer.special(), &options)?;
        let meters = Arc::new(Meters::new(&metrics, &model, &heads));
        let (steps, to_do) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared {
            gate: Gate::new(&options.queue),
            cache: Cache::new(&options.cache),
            flights: Flights::default(),
            queue: Queue::new(
                options.batch.resolve(encoder.batch()),
                options.queue.max_tokens,
                Arc::clone(&meters),
            ),
            encoder,
            tokenizer,
            heads,
            options,
            meters,
            steps,
            alive: [AtomicUsize::new(0), AtomicUsize::new(0)],
            stopped: AtomicBool::new(false),
            passes: AtomicU64::new(0),
            epoch: Instant::now(),
        });
        let started = tokenizing::start(&shared, &model, &to_do)
            .and_then(|()| running::start(&shared, &model));
        match started {
            Ok(warm_up) => Ok(Self {
                shared,
                model,
                warm_up,
                closing: AtomicBool::new(false),
            }),
            Err(error) => {
                shared.stop("the engine could not start");
                Err(error)
            }
        }
    }

    /// The lengths in tokens that were run before the first request, and how long the slowest thread took for each.
    #[must_use]
    pub fn warm_up(&self) -> &[(usize, Duration)] {
        &self.warm_up
    }

    /// What can be asked for.
    pub fn heads(&self) -> impl ExactSizeIterator<Item = &HeadInfo> {
        self.shared.heads.iter().map(|head| &head.info)
    }

    /// The number of a head, for [`Request::heads`].
    #[must_use]
    pub fn head(&self, name: &str) -> Option<usize> {
        self.heads().position(|head| head.name == name)
    }

    /// Says what the wanted heads find in a text, with one tokenisation, and one pass for all heads with the same
    /// windows.
    ///
    /// Needs a Tokio runtime with a timer if there is a deadline. Dropping the call gives its work up.
    ///
    /// # Errors
    /// [`ModelError::Overloaded`] at once when too much waits; [`ModelError::Deadline`] when the deadline passes;
    /// [`ModelError::Infer`] when the encoder fails, the engine is stopped or a head's number is unknown.
    pub async fn analyze(&self, request: Request<'_>) -> Result<Analysis, ModelError> {
        let arrived = Instant::now();
        let mut wanted = HeadSet::default();
        for head in request.heads {
            if *head >= self.shared.heads.len() {
                return Err(ModelError::Infer(format!("there is no head {head}")));
            }
            wanted = wanted.with(*head);
        }
        let timeout = self.shared.options.queue.timeout_ms;
        let deadline = request
            .deadline
            .or_else(|| arrived.checked_add(Duration::from_millis(timeout?)));

        let key = self.shared.cache.key(request.text);
        let (mut known, missing) = match key {
            Some(key) => self.shared.cache.look(key, wanted),
            None => (Vec::new(), wanted),
        };
        self.shared.meters.hits.inc_by(known.len() as u64);
        self.shared
            .meters
            .misses
            .inc_by(missing.iter().count() as u64);
        let mut timing = Timing::default();
        if !missing.is_empty() {
            let receiver = self.start(&Departure {
                key,
                text: request.text,
                heads: missing,
                arrived,
                due: deadline.map_or(NEVER, |deadline| self.shared.at(deadline)),
            })?;
            let landed = wait(receiver, deadline).await?;
            known.extend(landed.results.iter().cloned());
            timing = landed.timing;
        }
        let result = |head: &usize| {
            let found = known.iter().find(|(known, _)| known == head);
            found
                .map(|(_, result)| Arc::clone(result))
                .ok_or_else(|| ModelError::Infer(format!("head {head} gave no result")))
        };
        Ok(Analysis {
            results: request.heads.iter().map(result).collect::<Result<_, _>>()?,
            timing,
        })
    }

    /// Takes no more texts, waits for those that are inside, and stops the threads.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.shared.gate.empty().await;
        self.stop();
    }

    /// Stops the threads after what they are doing; calls under way end with an error.
    pub fn stop(&self) {
        self.shared.stop("the engine was stopped");
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Waits with others for the same text, or lets it in.
    fn start(&self, departure: &Departure<'_>) -> Result<Receiver, ModelError> {
        let shared = &self.shared;
        if self.closing.load(Ordering::SeqCst) {
            return Err(ModelError::Infer("the engine is closing".to_owned()));
        }
        if departure.due <= shared.at(departure.arrived) {
            shared.meters.expired.inc();
            return Err(ModelError::Deadline);
        }
        // Offsets are kept in 32 bits.
        if u32::try_from(departure.text.len()).is_err() {
            return Err(ModelError::Infer("the text has 4 GiB or more".to_owned()));
        }
        let joined = shared
            .flights
            .join(departure.key, departure.heads, departure.due);
        if let Some(receiver) = joined {
            shared.meters.joined.inc();
            return Ok(receiver);
        }
        let bytes = departure.text.len();
        let permit = shared.gate.enter(bytes).or_else(|| {
            shared.sweep();
            shared.gate.enter(bytes)
        });
        let Some(permit) = permit else {
            shared.meters.overloaded.inc();
            return Err(ModelError::Overloaded);
        };
        let (receiver, flight) = shared.flights.add(departure, permit)?;
        match flight {
            Some(flight) => tokenizing::send(shared, Step::Begin(flight)),
            None => shared.meters.joined.inc(),
        }
        Ok(receiver)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn wait(mut receiver: Receiver, deadline: Option<Instant>) -> Outcome {
    let settled = async {
        match receiver.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        }
    };
    let outcome = match deadline {
        None => settled.await,
        Some(deadline) => match tokio::time::timeout_at(deadline.into(), settled).await {
            Ok(outcome) => outcome,
            Err(_) => return Err(ModelError::Deadline),
        },
    };
    outcome.unwrap_or_else(|| Err(ModelError::Infer("the engine is gone".to_owned())))
}
