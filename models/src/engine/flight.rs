//! Texts that are being worked on, and who waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::answer::HeadResult;
use super::cache::TextKey;
use super::gate::Permit;
use super::head::HeadSet;
use crate::{ModelError, Timing};

/// What became of a text.
pub(crate) type Outcome = Result<Arc<Landed>, ModelError>;

/// The results of a text.
#[derive(Debug)]
pub(crate) struct Landed {
    /// Heads and what they say.
    pub(crate) results: Vec<(usize, Arc<HeadResult>)>,
    pub(crate) timing: Timing,
}

/// The end that waits; when the last one is dropped, the work is given up.
pub(crate) type Receiver = watch::Receiver<Option<Outcome>>;

/// Far in the future.
pub(crate) const NEVER: u64 = u64::MAX;

/// A text that is being worked on.
#[derive(Debug)]
pub(crate) struct Flight {
    id: u64,
    key: Option<TextKey>,
    pub(crate) text: Arc<str>,
    pub(crate) heads: HeadSet,
    pub(crate) arrived: Instant,
    /// When the last of the waiting callers loses interest, in microseconds of the engine's clock.
    due: AtomicU64,
    sender: watch::Sender<Option<Outcome>>,
    permit: Mutex<Option<Permit>>,
}

/// Why work on a text ends before its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// It has an outcome already: another part of it failed.
    Settled,
    /// All callers are gone.
    Cancelled,
    /// The deadline passed.
    Expired,
}

impl Flight {
    pub(crate) fn due(&self) -> u64 {
        self.due.load(Ordering::Relaxed)
    }
}

/// All texts of an engine that are being worked on.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    all: HashMap<u64, Arc<Flight>>,
    by_key: HashMap<TextKey, Vec<Arc<Flight>>>,
    /// Set when no more are taken.
    closed: Option<ModelError>,
}

/// What a new flight is made from.
pub(crate) struct Departure<'a> {
    pub(crate) key: Option<TextKey>,
    pub(crate) text: &'a str,
    pub(crate) heads: HeadSet,
    pub(crate) arrived: Instant,
    pub(crate) due: u64,
}

impl Flights {
    /// Waits with those who wait for the same text already.
    pub(crate) fn join(&self, key: Option<TextKey>, heads: HeadSet, due: u64) -> Option<Receiver> {
        self.state.lock().join(key?, heads, due)
    }

    /// Adds a text, unless the same one has been added meanwhile; then the permit goes back.
    ///
    /// # Errors
    /// What [`Flights::close`] was given.
    pub(crate) fn add(
        &self,
        departure: &Departure<'_>,
        permit: Permit,
    ) -> Result<(Receiver, Option<Arc<Flight>>), ModelError> {
        let &Departure {
            key,
            text,
            heads,
            arrived,
            due,
        } = departure;
        let text: Arc<str> = Arc::from(text);
        let mut state = self.state.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        if let Some(receiver) = key.and_then(|key| state.join(key, heads, due)) {
            return Ok((receiver, None));
        }
        state.next += 1;
        let (sender, receiver) = watch::channel(None);
        let flight = Arc::new(Flight {
            id: state.next,
            key,
            text,
            heads,
            arrived,
            due: AtomicU64::new(due),
            sender,
            permit: Mutex::new(Some(permit)),
        });
        state.all.insert(flight.id, Arc::clone(&flight));
        if let Some(key) = key {
            let same = state.by_key.entry(key).or_default();
            same.push(Arc::clone(&flight));
        }
        Ok((receiver, Some(flight)))
    }

    /// Whether work on the flight should end at `now`. If it is cancelled or expired, nobody can join it any more; the
    /// caller settles it.
    pub(crate) fn gone(&self, flight: &Arc<Flight>, now: u64) -> Option<Gone> {
        if flight.sender.borrow().is_some() {
            return Some(Gone::Settled);
        }
        let gone = |flight: &Flight| {
            if flight.sender.is_closed() {
                Some(Gone::Cancelled)
            } else if flight.due() <= now {
                Some(Gone::Expired)
            } else {
                None
            }
        };
        gone(flight)?;
        // Somebody may just be joining: only under the lock is the answer final.
        let mut state = self.state.lock();
        let gone = gone(flight)?;
        state.remove(flight);
        Some(gone)
    }

    /// Tells all who wait what became of the text. Only the first outcome counts; says whether this was it.
    pub(crate) fn settle(&self, flight: &Arc<Flight>, outcome: Outcome) -> bool {
        self.state.lock().remove(flight);
        // Before anybody is told, so that whoever is told finds the place free.
        flight.permit.lock().take();
        flight.sender.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(outcome);
            }
            first
        })
    }

    /// Takes no more texts and fails those that are being worked on.
    pub(crate) fn close(&self, error: &ModelError) {
        let all: Vec<Arc<Flight>> = {
            let mut state = self.state.lock();
            state.closed.get_or_insert_with(|| error.clone());
            state.all.values().cloned().collect()
        };
        for flight in all {
            self.settle(&flight, Err(error.clone()));
        }
    }
}

impl State {
    fn join(&self, key: TextKey, heads: HeadSet, due: u64) -> Option<Receiver> {
        let same = self.by_key.get(&key)?;
        let flight = same
            .iter()
            .find(|flight| flight.heads.covers(heads) && flight.sender.borrow().is_none())?;
        flight.due.fetch_max(due, Ordering::Relaxed);
        Some(flight.sender.subscribe())
    }

    fn remove(&mut self, flight: &Arc<Flight>) {
        if self.all.remove(&flight.id).is_none() {
            return;
        }
        let Some(key) = flight.key else { return };
        if let Some(same) = self.by_key.get_mut(&key) {
            same.retain(|other| other.id != flight.id);
            if same.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

impl Flight {
    /// The text's key, if its results may be remembered.
    pub(crate) fn key(&self) -> Option<TextKey> {
        self.key
    }

    /// When the text should be done, for the order of work.
    pub(crate) fn rank(&self, patience: u64, now: u64) -> u64 {
        match self.due() {
            NEVER => now.saturating_add(patience),
            due => due,
        }
    }
}
