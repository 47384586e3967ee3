//! The threads of an encoder.

use std::sync::Arc;

use parking_lot::Mutex;

use super::team::Team;
use crate::ModelError;

/// Rows that are too few to be worth waking another thread.
const ROWS_ALONE: usize = 8;

/// The most threads of a pass; more would only wait for each other.
const MOST: usize = 1024;

/// A number of threads that encoders may share, whoever calls being one of them. They only ever run their work. During a
/// pass, and for a fraction of a millisecond after it, they look for more without a break; then they sleep.
#[derive(Clone)]
pub struct Threads {
    count: usize,
    team: Option<Arc<Team>>,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Threads({})", self.count)
    }
}

impl Threads {
    /// No threads of their own: work is done by whoever calls.
    #[must_use]
    pub fn caller() -> Self {
        Self {
            count: 1,
            team: None,
        }
    }

    /// Whoever calls and `count - 1` others; for one or none, [`Threads::caller`].
    ///
    /// # Errors
    /// [`ModelError::Load`] when the system has no more threads to give.
    pub fn new(count: usize) -> Result<Self, ModelError> {
        Self::on_cores(count, &[])
    }

    /// As [`Threads::new`], with the others on these cores only (Linux); where there are none, on any.
    ///
    /// # Errors
    /// [`ModelError::Load`] when the system has no more threads to give.
    pub fn on_cores(count: usize, cores: &[usize]) -> Result<Self, ModelError> {
        let count = count.min(MOST);
        if count < 2 {
            return Ok(Self::caller());
        }
        let team = Team::new(count - 1, cores).map_err(|error| ModelError::Load {
            model: "native".to_owned(),
            reason: format!("cannot start {count} threads: {error}"),
        })?;
        Ok(Self {
            count,
            team: Some(Arc::new(team)),
        })
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Says that a pass begins.
    pub(crate) fn rouse(&self) {
        if let Some(team) = &self.team {
            team.rouse();
        }
    }

    /// Calls `work` once with each number below `count`.
    pub(crate) fn each(&self, count: usize, work: impl Fn(usize) + Sync) {
        match &self.team {
            Some(team) if count > 1 => team.each(count, &work),
            _ => (0..count).for_each(work),
        }
    }

    /// Into how many pieces `parts` equal parts of work are cut: a few a thread, so that a slow one holds up little.
    pub(crate) fn pieces(&self, parts: usize) -> usize {
        if self.count == 1 {
            1
        } else {
            parts.min(self.count * 3).max(1)
        }
    }

    /// Rows that one call of [`Threads::rows`] gets when there are so many in all.
    pub(crate) fn chunk(&self, rows: usize) -> usize {
        if self.count == 1 {
            rows.max(1)
        } else {
            rows.div_ceil(self.count * 2).max(ROWS_ALONE)
        }
    }

    /// Cuts three tables, given with their rows' widths, into pieces of `chunk` rows, and calls `work` with each
    /// piece's index and slices.
    ///
    /// A table may be empty (width 0), or its last row shorter.
    pub(crate) fn rows<A: Send, B: Send, C: Send>(
        &self,
        chunk: usize,
        a: (&mut [A], usize),
        b: (&mut [B], usize),
        c: (&mut [C], usize),
        work: impl Fn(usize, &mut [A], &mut [B], &mut [C]) + Sync,
    ) {
        let mut b = b.0.chunks_mut((b.1 * chunk).max(1));
        let mut c = c.0.chunks_mut((c.1 * chunk).max(1));
        let mut next = || (b.next().unwrap_or_default(), c.next().unwrap_or_default());
        let a = a.0.chunks_mut((a.1 * chunk).max(1));
        match &self.team {
            Some(team) if a.len() > 1 => {
                let pieces = a.map(|a| {
                    let (b, c) = next();
                    Mutex::new(Some((a, b, c)))
                });
                let pieces: Vec<_> = pieces.collect();
                team.each(pieces.len(), &|index| {
                    if let Some((a, b, c)) = pieces[index].lock().take() {
                        work(index, a, b, c);
                    }
                });
            }
            _ => {
                for (index, a) in a.enumerate() {
                    let (b, c) = next();
                    work(index, a, b, c);
                }
            }
        }
    }
}
