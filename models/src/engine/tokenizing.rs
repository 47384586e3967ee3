//! The tokenizer threads: they cut texts into tokens and put large results together.
//!
//! A long text is tokenised piece by piece; after each piece its next one goes to the end of the line, so that short
//! texts are not held up, and it ends when the caller is gone or no head reads further.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::Receiver;
use parking_lot::Mutex;

use super::flight::Flight;
use super::metrics::seconds;
use super::pieces;
use super::queue::Refused;
use super::shared::{Alive, Crew, Shared};
use super::tokens::Tokens;
use super::work::Work;
use crate::ModelError;

/// What a tokenizer thread can do.
#[derive(Debug)]
pub(crate) enum Step {
    /// Begin with a text.
    Begin(Arc<Flight>),
    /// Tokenise the next piece of a long text.
    Piece(Arc<Long>),
    /// Put a text's results together.
    Land(Arc<Work>),
    /// End.
    Stop,
}

/// A text that is tokenised in pieces.
#[derive(Debug)]
pub(crate) struct Long {
    flight: Arc<Flight>,
    pieces: Vec<Range<usize>>,
    next: AtomicUsize,
    /// Steps of this text that are in line or running.
    running: AtomicUsize,
    /// So many tokens are enough.
    reach: usize,
    done: Mutex<Done>,
}

#[derive(Debug)]
struct Done {
    /// Tokens of pieces that came before their turn.
    early: Vec<Option<Tokens>>,
    /// How many pieces are in `tokens`.
    pieces: usize,
    tokens: Tokens,
}

impl Long {
    /// Takes a piece's tokens and appends what is now in order.
    fn store(&self, piece: usize, tokens: Tokens) {
        let done = &mut *self.done.lock();
        done.early[piece] = Some(tokens);
        while let Some(next) = done.early.get_mut(done.pieces).and_then(Option::take) {
            done.tokens.append(next);
            done.pieces += 1;
        }
    }

    fn enough(&self) -> bool {
        self.done.lock().tokens.len() >= self.reach
    }
}

/// Starts the tokenizer threads.
///
/// # Errors
/// [`ModelError::Load`] when the system gives no thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    model: &str,
    steps: &Receiver<Step>,
) -> Result<(), ModelError> {
    for index in 0..shared.options.threads.tokenizers() {
        let alive = Alive::new(shared, Crew::Tokenizer);
        let (shared, steps) = (Arc::clone(shared), steps.clone());
        thread::Builder::new()
            .name(format!("tokenize-{index}"))
            .spawn(move || {
                let _alive = alive;
                for step in steps {
                    if matches!(step, Step::Stop) {
                        return;
                    }
                    guarded(&shared, step);
                }
            })
            .map_err(|error| ModelError::Load {
                model: model.to_owned(),
                reason: format!("no tokenizer thread: {error}"),
            })?;
    }
    Ok(())
}

/// Does a step; its panic is its text's failure and nobody else's.
fn guarded(shared: &Arc<Shared>, step: Step) {
    let flight = match &step {
        Step::Begin(flight) => Arc::clone(flight),
        Step::Piece(long) => Arc::clone(&long.flight),
        Step::Land(work) => Arc::clone(&work.flight),
        Step::Stop => return,
    };
    if let Some(gone) = shared.gone(&flight) {
        shared.drop_one(&flight, gone);
        return;
    }
    let done = catch_unwind(AssertUnwindSafe(|| match step {
        Step::Begin(flight) => begin(shared, flight),
        Step::Piece(long) => piece(shared, long),
        Step::Land(work) => {
            shared.land(&work);
            Ok(())
        }
        Step::Stop => Ok(()),
    }));
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => shared.fail(&flight, error),
        Err(panic) => {
            shared.meters.panics.inc();
            shared.fail(
                &flight,
                ModelError::Infer("the tokenizer panicked".to_owned()),
            );
            drop(panic);
        }
    }
}

fn begin(shared: &Arc<Shared>, flight: Arc<Flight>) -> Result<(), ModelError> {
    let target = shared.options.text.piece_bytes;
    if flight.text.len() <= target {
        let whole = 0..flight.text.len();
        let tokens = shared.tokenizer.tokens(&flight.text, whole)?;
        return enqueue(shared, flight, tokens);
    }
    let pieces = pieces::cut(&flight.text, target);
    let reach = flight.heads.iter().map(|head| shared.heads[head].reach());
    let side_by_side = shared.options.threads.tokenizers().min(pieces.len());
    let long = Arc::new(Long {
        reach: reach.max().unwrap_or(0),
        next: AtomicUsize::new(0),
        running: AtomicUsize::new(side_by_side),
        done: Mutex::new(Done {
            early: vec![None; pieces.len()],
            pieces: 0,
            tokens: Tokens::default(),
        }),
        pieces,
        flight,
    });
    for _ in 0..side_by_side {
        send(shared, Step::Piece(Arc::clone(&long)));
    }
    Ok(())
}

fn piece(shared: &Arc<Shared>, long: Arc<Long>) -> Result<(), ModelError> {
    if !long.enough() {
        let index = long.next.fetch_add(1, Ordering::Relaxed);
        if let Some(piece) = long.pieces.get(index) {
            let tokens = shared.tokenizer.tokens(&long.flight.text, piece.clone())?;
            long.store(index, tokens);
            send(shared, Step::Piece(long));
            return Ok(());
        }
    }
    if long.running.fetch_sub(1, Ordering::AcqRel) > 1 {
        return Ok(());
    }
    let tokens = std::mem::take(&mut long.done.lock().tokens);
    enqueue(shared, Arc::clone(&long.flight), tokens)
}

/// Puts a step at the end of the line.
pub(crate) fn send(shared: &Shared, step: Step) {
    // The threads end after the flights have been failed: nobody waits for a step that is not taken.
    let _ = shared.steps.send(step);
}

/// Cuts the windows and gives them to the model threads.
fn enqueue(shared: &Shared, flight: Arc<Flight>, tokens: Tokens) -> Result<(), ModelError> {
    let special = shared.tokenizer.special();
    if tokens.len() + special == 0 {
        return Err(ModelError::Infer("the text has no token".to_owned()));
    }
    let work = Arc::new(Work::new(flight, tokens, special, &shared.heads));
    let meters = shared.meters.set(work.flight.heads);
    meters
        .tokenize
        .observe(seconds(work.tokenized - work.flight.arrived));
    let windows: usize = work.groups.iter().map(|group| group.windows.len()).sum();
    shared.meters.text_windows.observe(windows as f64);

    let patience = shared.options.queue.patience_ms.saturating_mul(1000);
    let due = work.flight.rank(patience, shared.at(work.flight.arrived));
    let mut pushed = shared.queue.push(&work, due);
    if pushed == Err(Refused::Full) {
        shared.sweep();
        pushed = shared.queue.push(&work, due);
    }
    pushed.map_err(|refused| match refused {
        Refused::Full => {
            shared.meters.overloaded.inc();
            ModelError::Overloaded
        }
        Refused::Closed => ModelError::Infer("the engine was stopped".to_owned()),
    })
}
