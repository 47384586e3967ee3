//! The model threads: they take batches, run the encoder and hand its numbers out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::flight::Flight;
use super::head::HeadSet;
use super::metrics::seconds;
use super::queue::{Item, Taken};
use super::shared::{Alive, Crew, Shared};
use super::tokenizing::{Step, send};
use super::warm;
use crate::encoder::{Output, Packed, Task};
use crate::{ModelError, cores};

/// Results of at most so many numbers are put together at once on the model thread: it takes less than waking another.
const AT_ONCE: usize = 4096;

/// Starts the model threads and waits until each has warmed up; gives the times of the slowest, by length.
///
/// # Errors
/// [`ModelError::Load`] when the encoder fails at its first passes, or the system gives no thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    model: &str,
) -> Result<Vec<(usize, Duration)>, ModelError> {
    let wrong = |reason: String| ModelError::Load {
        model: model.to_owned(),
        reason,
    };
    let count = shared.options.threads.model.max(1);
    let (ready, warmed) = mpsc::channel();
    for index in 0..count {
        let alive = Alive::new(shared, Crew::Model);
        let (shared, ready) = (Arc::clone(shared), ready.clone());
        let cores = cores::share(&shared.options.threads.cores, index, count);
        thread::Builder::new()
            .name(format!("model-{index}"))
            .spawn(move || {
                let _alive = alive;
                let warmed = cores::stay_on(&cores).and_then(|()| warm::up(&shared));
                let failed = warmed.is_err();
                if failed {
                    shared.stop("the engine could not start");
                }
                // Nobody listens any more if another thread has failed.
                let _ = ready.send(warmed);
                drop(ready);
                if !failed {
                    run(&shared);
                }
            })
            .map_err(|error| wrong(format!("no model thread: {error}")))?;
    }
    drop(ready);
    let mut slowest: Vec<(usize, Duration)> = Vec::new();
    for _ in 0..count {
        let times = warmed
            .recv()
            .unwrap_or_else(|_| Err("the encoder panicked".to_owned()))
            .map_err(|reason| wrong(format!("warm-up: {reason}")))?;
        if slowest.is_empty() {
            slowest = times;
        } else {
            for (slowest, time) in slowest.iter_mut().zip(times) {
                slowest.1 = slowest.1.max(time.1);
            }
        }
    }
    Ok(slowest)
}

fn run(shared: &Arc<Shared>) {
    let needed = |flight: &Arc<Flight>| shared.gone(flight);
    while let Some(taken) = shared.queue.take(&needed) {
        let Taken {
            items,
            heads,
            dropped,
        } = taken;
        shared.drop_all(dropped);
        if !items.is_empty() {
            let mut batch = Batch {
                shared,
                items,
                failure: ModelError::Infer("a model thread died".to_owned()),
            };
            if let Err(error) = batch.run(heads) {
                batch.failure = error;
            }
        }
    }
}

/// Windows that run together. Those that are left when it is dropped have failed, whatever the reason.
struct Batch<'a> {
    shared: &'a Arc<Shared>,
    items: Vec<Item>,
    failure: ModelError,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for item in &self.items {
            self.shared.fail(&item.work.flight, self.failure.clone());
        }
    }
}

impl Batch<'_> {
    fn run(&mut self, set: HeadSet) -> Result<(), ModelError> {
        let shared = self.shared;
        // Encoders that pad, pad less, and those that do not split their work more evenly.
        self.items
            .sort_by_key(|item| std::cmp::Reverse(item.tokens));
        let heads: Vec<usize> = set.iter().collect();
        let packed = self.pack();
        shared.meters.batch_windows.observe(self.items.len() as f64);
        shared
            .meters
            .batch_tokens
            .observe(packed.ids().len() as f64);

        let started = Instant::now();
        let outputs = catch_unwind(AssertUnwindSafe(|| shared.encoder.forward(&packed, &heads)));
        let took = started.elapsed();
        let outputs = match outputs {
            Ok(outputs) => outputs?,
            Err(panic) => {
                shared.meters.panics.inc();
                self.failure = ModelError::Infer("the encoder panicked".to_owned());
                tracing::error!("an encoder panicked; its batch has failed");
                for item in std::mem::take(&mut self.items) {
                    shared.fail(&item.work.flight, self.failure.clone());
                }
                drop(panic);
                return Ok(());
            }
        };
        self.check(&outputs, &heads, &packed)?;
        shared.meters.set(set).compute.observe(seconds(took));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        shared.queue.learn(packed.ids().len(), micros);
        self.hand_out(&outputs, &heads, &packed, took);
        Ok(())
    }

    fn pack(&self) -> Packed {
        let mut packed = Packed::default();
        let mut ids = Vec::new();
        for item in &self.items {
            let window = &item.work.groups[item.group].windows[item.window];
            let own = item.work.tokens.ids(window.tokens.clone());
            self.shared.tokenizer.window(own, &mut ids);
            packed.push(&ids);
        }
        packed
    }

    /// An encoder that gives tables of another shape must not shift one client's numbers to another.
    fn check(
        &self,
        outputs: &[Output],
        heads: &[usize],
        packed: &Packed,
    ) -> Result<(), ModelError> {
        let fits = outputs.len() == heads.len()
            && heads.iter().zip(outputs).all(|(head, output)| {
                let info = &self.shared.heads[*head].info;
                let rows = match info.task {
                    Task::Token => packed.ids().len(),
                    Task::Sequence | Task::Embedding => packed.sequences(),
                };
                output.width == info.width && output.values.len() == rows * info.width
            });
        if fits {
            Ok(())
        } else {
            Err(ModelError::Infer(
                "the encoder's output has another shape than its heads say".to_owned(),
            ))
        }
    }

    fn hand_out(&mut self, outputs: &[Output], heads: &[usize], packed: &Packed, took: Duration) {
        let shared = self.shared;
        let pass = shared.passes.fetch_add(1, Ordering::Relaxed) + 1;
        let ranges: Vec<_> = packed.ranges().collect();
        // From the end, so that what is not handed out is still in the list if anything goes wrong.
        while let Some(item) = self.items.last() {
            let index = self.items.len() - 1;
            let work = Arc::clone(&item.work);
            let window = &work.groups[item.group].windows[item.window];
            let first = ranges[index].start + shared.tokenizer.prefix();
            let owned = first + (window.owned.start - window.tokens.start)
                ..first + (window.owned.end - window.tokens.start);
            let rows = heads
                .iter()
                .zip(outputs)
                .map(|(head, output)| match shared.heads[*head].info.task {
                    Task::Token => {
                        output.values[owned.start * output.width..owned.end * output.width].to_vec()
                    }
                    Task::Sequence | Task::Embedding => output.row(index).to_vec(),
                })
                .collect();
            work.passed(pass, took);
            let last = work.store(item.group, item.window, rows);
            if last && work.effort() <= AT_ONCE {
                shared.land(&work);
            } else if last {
                send(shared, Step::Land(Arc::clone(&work)));
            }
            self.items.pop();
        }
    }
}
