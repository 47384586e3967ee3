//! What all connections of one simulator share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::task::AbortHandle;

use crate::config::{Pace, SimulatorConfig};
use crate::fault::{Fault, FaultKind};
use crate::prefix::PrefixSet;
use crate::record::{Cell, Outcome, Recorder};

/// A model that is served.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// The name as a JSON string.
    pub(crate) json: String,
    pub(crate) salt: u64,
    pub(crate) ready: AtomicBool,
}

impl Model {
    fn new(name: &str) -> Arc<Self> {
        let salt = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Arc::new(Self {
            name: name.to_owned(),
            json: serde_json::Value::from(name).to_string(),
            salt,
            ready: AtomicBool::new(true),
        })
    }
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) body_limit: usize,
    pub(crate) request_faults: bool,
    pub(crate) strict: bool,
    pub(crate) nodelay: bool,
    pub(crate) recorder: Recorder,
    pub(crate) draining: AtomicBool,
    pub(crate) stopping: AtomicBool,
    pub(crate) active: AtomicUsize,
    pub(crate) total: AtomicU64,
    pub(crate) probes: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) connections: Mutex<HashMap<u64, AbortHandle>>,
    pace: RwLock<Pace>,
    models: RwLock<Vec<Arc<Model>>>,
    prefixes: Mutex<PrefixSet>,
    fault: Mutex<Fault>,
    /// Spares the lock while no fault is set.
    faulty: AtomicBool,
}

impl State {
    pub(crate) fn new(config: SimulatorConfig) -> Self {
        Self {
            name: config.name,
            body_limit: config.body_limit,
            request_faults: config.request_faults,
            strict: config.strict,
            nodelay: config.nodelay,
            recorder: Recorder::new(config.record),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            active: AtomicUsize::new(0),
            total: AtomicU64::new(0),
            probes: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            connections: Mutex::default(),
            pace: RwLock::new(config.pace),
            models: RwLock::new(config.models.iter().map(|name| Model::new(name)).collect()),
            prefixes: Mutex::default(),
            fault: Mutex::new(Fault::none()),
            faulty: AtomicBool::new(false),
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        *self.pace.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        *self.pace.write().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    pub(crate) fn models(&self) -> Vec<Arc<Model>> {
        let models = self.models.read();
        models.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn model(&self, name: &str) -> Option<Arc<Model>> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.iter().find(|model| model.name == name).cloned()
    }

    pub(crate) fn has_models(&self) -> bool {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        !models.is_empty()
    }

    pub(crate) fn set_models(&self, names: &[&str]) {
        let models = names.iter().map(|name| Model::new(name)).collect();
        *self.models.write().unwrap_or_else(PoisonError::into_inner) = models;
    }

    /// Leading blocks of the prompt that were known.
    pub(crate) fn prefix_hit(&self, salt: u64, blocks: &[u64]) -> usize {
        if blocks.is_empty() {
            return 0;
        }
        lock(&self.prefixes).hit(salt, blocks)
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        let mut current = lock(&self.fault);
        self.faulty
            .store(fault.kind != FaultKind::None, Ordering::Release);
        *current = fault;
    }

    /// The fault that meets the next request; uses up one of its count.
    pub(crate) fn take_fault(&self) -> FaultKind {
        if !self.faulty.load(Ordering::Acquire) {
            return FaultKind::None;
        }
        let mut fault = lock(&self.fault);
        match &mut fault.count {
            None => fault.kind.clone(),
            Some(0) => {
                *fault = Fault::none();
                self.faulty.store(false, Ordering::Release);
                FaultKind::None
            }
            Some(left) => {
                *left -= 1;
                let kind = fault.kind.clone();
                if fault.count == Some(0) {
                    *fault = Fault::none();
                    self.faulty.store(false, Ordering::Release);
                }
                kind
            }
        }
    }

    /// The fault that is set, without using it.
    pub(crate) fn fault(&self) -> Fault {
        lock(&self.fault).clone()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a request as active and notes how it ends. Whoever drops it without [`InFlight::end`] is the
/// client that left, or [`Simulator::stop`](crate::Simulator::stop).
#[derive(Debug)]
pub(crate) struct InFlight {
    state: Arc<State>,
    record: Option<Arc<Cell>>,
    ended: bool,
}

impl InFlight {
    pub(crate) fn new(state: &Arc<State>, record: Option<Arc<Cell>>) -> Self {
        state.total.fetch_add(1, Ordering::Relaxed);
        state.active.fetch_add(1, Ordering::AcqRel);
        Self {
            state: Arc::clone(state),
            record,
            ended: false,
        }
    }

    pub(crate) fn record(&self) -> Option<&Cell> {
        self.record.as_deref()
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !self.ended {
            self.ended = true;
            if let Some(record) = &self.record {
                record.set_outcome(outcome);
            }
            self.state.active.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let stopping = self.state.stopping.load(Ordering::Acquire);
        self.end(if stopping {
            Outcome::Broken
        } else {
            Outcome::ClientLeft
        });
    }
}
