//! An encoder that understands nothing: its numbers follow from the ids, each sequence for itself.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::ModelError;
use crate::encoder::{Encoder, HeadInfo, Output, Packed, Task};

/// What the next passes do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Fails,
    Panics,
    /// Its panic's payload panics when it is dropped, which kills the thread that caught it.
    Kills,
    /// One row too few.
    Shapeless,
    NotANumber,
}

#[derive(Debug)]
pub(crate) struct FakeEncoder {
    heads: Vec<HeadInfo>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    held: bool,
    waiting: usize,
    mood: Mood,
    passes: Vec<Pass>,
}

/// A pass that was run.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    pub(crate) heads: Vec<usize>,
    pub(crate) sequences: Vec<Vec<u32>>,
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload panics too");
    }
}

impl FakeEncoder {
    pub(crate) fn new() -> Self {
        let head = |name: &str, task, labels: &[&str], width| HeadInfo {
            name: name.to_owned(),
            task,
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            width,
        };
        Self {
            heads: vec![
                head("topic", Task::Sequence, &["a", "b", "c"], 3),
                head("guard", Task::Sequence, &["benign", "attack"], 2),
                head("tags", Task::Token, &["O", "B-X", "I-X"], 3),
                head("vector", Task::Embedding, &[], 4),
            ],
            state: Mutex::new(State {
                held: false,
                waiting: 0,
                mood: Mood::Well,
                passes: Vec::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Makes passes wait.
    pub(crate) fn hold(&self) {
        self.state.lock().held = true;
    }

    /// Lets them go on.
    pub(crate) fn release(&self) {
        self.state.lock().held = false;
        self.changed.notify_all();
    }

    /// Whether a pass waits.
    pub(crate) fn waiting(&self) -> bool {
        self.state.lock().waiting > 0
    }

    pub(crate) fn mood(&self, mood: Mood) {
        self.state.lock().mood = mood;
    }

    /// All passes so far.
    pub(crate) fn passes(&self) -> Vec<Pass> {
        self.state.lock().passes.clone()
    }

    /// Sequences of all passes so far.
    pub(crate) fn sequences(&self) -> usize {
        self.passes().iter().map(|pass| pass.sequences.len()).sum()
    }

    fn begin(&self, batch: &Packed, wanted: &[usize]) -> Mood {
        let mut state = self.state.lock();
        let sequences = batch.ranges().map(|range| batch.ids()[range].to_vec());
        state.passes.push(Pass {
            heads: wanted.to_vec(),
            sequences: sequences.collect(),
        });
        state.waiting += 1;
        while state.held {
            // A test that fails must not leave the thread behind for ever.
            if self
                .changed
                .wait_for(&mut state, Duration::from_secs(120))
                .timed_out()
            {
                state.held = false;
            }
        }
        state.waiting -= 1;
        state.mood
    }
}

/// A number from -1 to 1 that follows from its arguments.
fn number(ids: &[u32], column: usize) -> f32 {
    let mut hash = 0x9e37_79b9_u32 ^ u32::try_from(column).unwrap();
    for id in ids {
        hash = (hash ^ id).wrapping_mul(0x85eb_ca6b).rotate_left(13);
    }
    (hash >> 8) as f32 / f32::from(1_u16 << 12) / 2048.0 - 1.0
}

impl Encoder for FakeEncoder {
    fn heads(&self) -> &[HeadInfo] {
        &self.heads
    }

    fn max_tokens(&self) -> usize {
        64
    }

    fn forward(&self, batch: &Packed, wanted: &[usize]) -> Result<Vec<Output>, ModelError> {
        let mood = self.begin(batch, wanted);
        match mood {
            Mood::Fails => return Err(ModelError::Infer("the fake fails".to_owned())),
            Mood::Panics => panic!("the fake panics"),
            Mood::Kills => std::panic::panic_any(Bomb),
            Mood::Well | Mood::Shapeless | Mood::NotANumber => {}
        }
        Ok(wanted
            .iter()
            .map(|head| {
                let HeadInfo { task, width, .. } = self.heads[*head];
                let mut values = Vec::new();
                for range in batch.ranges() {
                    let ids = &batch.ids()[range];
                    match task {
                        Task::Sequence => values.extend((0..width).map(|c| number(ids, c))),
                        // Every token but the special ones is inside of something.
                        Task::Token => values.extend(ids.iter().flat_map(|id| match id {
                            2 | 3 => [9.0, 0.0, 0.0],
                            _ => [0.0, 0.0, 4.0 + number(&[*id], 0)],
                        })),
                        Task::Embedding => {
                            let row: Vec<f32> = (0..width).map(|c| number(ids, c)).collect();
                            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                            values.extend(row.iter().map(|x| x / length));
                        }
                    }
                }
                match mood {
                    Mood::Shapeless => values.truncate(values.len() - width),
                    Mood::NotANumber => values[0] = f32::NAN,
                    _ => {}
                }
                Output { width, values }
            })
            .collect())
    }
}
