//! Which windows run next.
//!
//! A text's windows are a [`Job`] that hands them out one by one. The job that is due first goes first; but a window
//! with n tokens of its own job before it counts as due later, by a few times what n tokens take. So a long text comes
//! at its own pace, and short ones that arrive behind it do not wait for all of it. Jobs that want the same heads
//! share a lane, since only they can share a batch.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use super::flight::{Flight, Gone};
use super::head::HeadSet;
use super::metrics::Meters;
use super::work::Work;
use crate::encoder::Batch;

/// A window is due later by so many times the time that the tokens before it take: beside other work, a long text
/// gets about a quarter of the model.
const PACE: u64 = 4;

/// So many windows that do not fit into a batch are passed over for smaller ones.
const PASS_OVER: usize = 8;

/// The windows of a text for the heads that cut it alike.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) work: Arc<Work>,
    /// Which of the work's groups.
    pub(crate) group: usize,
    /// The next window.
    next: usize,
    /// Tokens of the windows handed out.
    taken: u64,
    due: u64,
    /// What it is ordered by, then by arrival.
    rank: u64,
    number: u64,
}

/// One window to run.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) work: Arc<Work>,
    pub(crate) group: usize,
    pub(crate) window: usize,
    /// With special ones.
    pub(crate) tokens: usize,
}

/// What a model thread gets.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Windows that want the same heads.
    pub(crate) items: Vec<Item>,
    pub(crate) heads: HeadSet,
    /// Texts that nobody needs any more; they cost nothing but to say so.
    pub(crate) dropped: Vec<(Arc<Flight>, Gone)>,
}

/// Whether a text is still needed.
pub(crate) type Needed<'a> = &'a dyn Fn(&Arc<Flight>) -> Option<Gone>;

/// Windows that wait for a model thread.
#[derive(Debug)]
pub(crate) struct Queue {
    batch: Batch,
    max_tokens: usize,
    state: Mutex<State>,
    ready: Condvar,
    meters: Arc<Meters>,
}

#[derive(Debug, Default)]
struct State {
    lanes: Vec<Lane>,
    tokens: usize,
    windows: usize,
    number: u64,
    closed: bool,
    /// Microseconds by which a job's rank rises with 1024 tokens.
    pace: u64,
}

#[derive(Debug)]
struct Lane {
    heads: HeadSet,
    jobs: BinaryHeap<Job>,
}

/// The queue takes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

impl Queue {
    pub(crate) fn new(batch: Batch, max_tokens: usize, meters: Arc<Meters>) -> Self {
        Self {
            batch,
            max_tokens,
            state: Mutex::new(State {
                // 10 microseconds a token until something is measured.
                pace: PACE * 10 * 1024,
                ..State::default()
            }),
            ready: Condvar::new(),
            meters,
        }
    }

    /// Adds all windows of a text, which is due at `due`.
    ///
    /// # Errors
    /// [`Refused::Full`] while too many tokens wait: the limit is crossed by one text at most.
    pub(crate) fn push(&self, work: &Arc<Work>, due: u64) -> Result<(), Refused> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.tokens >= self.max_tokens {
            return Err(Refused::Full);
        }
        for (index, group) in work.groups.iter().enumerate() {
            state.number += 1;
            let job = Job {
                work: Arc::clone(work),
                group: index,
                next: 0,
                taken: 0,
                due,
                rank: due,
                number: state.number,
            };
            state.tokens += job.left();
            state.windows += group.windows.len();
            state.lane(group.heads).push(job);
        }
        self.measure(&state);
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for work and takes a batch, most urgent windows first; nothing once the queue is closed.
    pub(crate) fn take(&self, needed: Needed<'_>) -> Option<Taken> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            if !state.lanes.is_empty() {
                break;
            }
            self.ready.wait(&mut state);
        }
        let taken = state.take(self.batch, needed);
        self.measure(&state);
        if !state.lanes.is_empty() {
            // A push wakes one thread, but leaves work for more.
            self.ready.notify_one();
        }
        Some(taken)
    }

    /// Throws out the texts that nobody needs any more.
    pub(crate) fn sweep(&self, needed: Needed<'_>) -> Vec<(Arc<Flight>, Gone)> {
        let mut dropped = Vec::new();
        let mut state = self.state.lock();
        let lanes = std::mem::take(&mut state.lanes);
        for lane in lanes {
            for job in lane.jobs {
                match needed(&job.work.flight) {
                    None => state.lane(lane.heads).push(job),
                    Some(gone) => {
                        state.forget(&job);
                        dropped.push((Arc::clone(&job.work.flight), gone));
                    }
                }
            }
        }
        self.measure(&state);
        dropped
    }

    /// Takes and gives nothing more; whoever waits comes back.
    pub(crate) fn close(&self) {
        let lanes = {
            let mut state = self.state.lock();
            state.closed = true;
            (state.tokens, state.windows) = (0, 0);
            self.measure(&state);
            std::mem::take(&mut state.lanes)
        };
        self.ready.notify_all();
        drop(lanes);
    }

    /// Learns what tokens cost.
    pub(crate) fn learn(&self, tokens: usize, micros: u64) {
        let seen = (PACE * micros).saturating_mul(1024) / (tokens as u64).max(1);
        let mut state = self.state.lock();
        state.pace = (state.pace * 7 + seen.min(1 << 40)) / 8;
    }

    /// Tokens that wait.
    #[cfg(test)]
    pub(crate) fn tokens(&self) -> usize {
        self.state.lock().tokens
    }

    fn measure(&self, state: &State) {
        let gauge = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.meters.queue_tokens.set(gauge(state.tokens));
        self.meters.queue_windows.set(gauge(state.windows));
    }
}

impl State {
    fn lane(&mut self, heads: HeadSet) -> &mut BinaryHeap<Job> {
        let index = self.lanes.iter().position(|lane| lane.heads == heads);
        let index = index.unwrap_or_else(|| {
            self.lanes.push(Lane {
                heads,
                jobs: BinaryHeap::new(),
            });
            self.lanes.len() - 1
        });
        &mut self.lanes[index].jobs
    }

    /// A job that is thrown out waits no more.
    fn forget(&mut self, job: &Job) {
        self.tokens -= job.left();
        self.windows -= job.group().windows.len() - job.next;
    }

    fn take(&mut self, limits: Batch, needed: Needed<'_>) -> Taken {
        let mut taken = Taken::default();
        // The greatest job is the most urgent one.
        let urgent = (0..self.lanes.len())
            .max_by(|a, b| self.lanes[*a].jobs.peek().cmp(&self.lanes[*b].jobs.peek()));
        let Some(lane) = urgent else { return taken };
        let mut lane = self.lanes.swap_remove(lane);
        taken.heads = lane.heads;
        let mut tokens = 0;
        let mut too_large = Vec::new();
        while taken.items.len() < limits.sequences.max(1) && too_large.len() < PASS_OVER {
            let Some(mut job) = lane.jobs.pop() else {
                break;
            };
            if let Some(gone) = needed(&job.work.flight) {
                self.forget(&job);
                taken.dropped.push((Arc::clone(&job.work.flight), gone));
                continue;
            }
            let size = job.size(job.next);
            if !taken.items.is_empty() && tokens + size > limits.tokens {
                too_large.push(job);
                continue;
            }
            tokens += size;
            taken.items.push(job.hand_out(size, self.pace));
            self.tokens -= size;
            self.windows -= 1;
            if job.next < job.group().windows.len() {
                lane.jobs.push(job);
            }
        }
        lane.jobs.extend(too_large);
        if !lane.jobs.is_empty() {
            self.lanes.push(lane);
        }
        taken
    }
}

impl Job {
    fn group(&self) -> &super::work::Group {
        &self.work.groups[self.group]
    }

    /// Tokens of a window, special ones included.
    fn size(&self, window: usize) -> usize {
        self.group().windows[window].tokens.len() + self.work.special
    }

    /// Tokens of the windows that wait.
    fn left(&self) -> usize {
        (self.next..self.group().windows.len())
            .map(|window| self.size(window))
            .sum()
    }

    fn hand_out(&mut self, size: usize, pace: u64) -> Item {
        let window = self.next;
        self.next += 1;
        self.taken += size as u64;
        self.rank = self
            .due
            .saturating_add((self.taken.saturating_mul(pace) / 1024).max(1));
        Item {
            work: Arc::clone(&self.work),
            group: self.group,
            window,
            tokens: size,
        }
    }
}

/// The most urgent job is the greatest: the one with the lowest rank, then the one that came first.
impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.rank, other.number).cmp(&(self.rank, self.number))
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Job {}
