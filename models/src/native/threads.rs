//! The threads of an encoder.

use std::sync::Arc;

use rayon::prelude::*;

use crate::ModelError;

/// Rows that are too few to be worth waking another thread.
const ROWS_ALONE: usize = 8;

/// A number of threads that encoders may share. They only ever run their work, and sleep otherwise.
#[derive(Clone)]
pub struct Threads {
    count: usize,
    pool: Option<Arc<rayon::ThreadPool>>,
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
            pool: None,
        }
    }

    /// `count` threads; for one or none, [`Threads::caller`].
    ///
    /// # Errors
    /// [`ModelError::Load`] when the system has no more threads to give.
    pub fn new(count: usize) -> Result<Self, ModelError> {
        if count < 2 {
            return Ok(Self::caller());
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|index| format!("encoder-{index}"))
            .build()
            .map_err(|error| ModelError::Load {
                model: "native".to_owned(),
                reason: format!("cannot start {count} threads: {error}"),
            })?;
        Ok(Self {
            count,
            pool: Some(Arc::new(pool)),
        })
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Does something where its parts can be shared out at once.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// Calls `work` once with each number below `count`.
    pub(crate) fn each(&self, count: usize, work: impl Fn(usize) + Sync + Send) {
        match &self.pool {
            Some(pool) if count > 1 => {
                pool.install(|| (0..count).into_par_iter().with_max_len(1).for_each(work));
            }
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
        work: impl Fn(usize, &mut [A], &mut [B], &mut [C]) + Sync + Send,
    ) {
        let pieces = a.0.len().div_ceil((a.1 * chunk).max(1));
        match &self.pool {
            Some(pool) if pieces > 1 => {
                let mut cut = Vec::with_capacity(pieces);
                let (mut b, mut c) = (
                    b.0.chunks_mut((b.1 * chunk).max(1)),
                    c.0.chunks_mut((c.1 * chunk).max(1)),
                );
                for piece in a.0.chunks_mut(a.1 * chunk) {
                    cut.push((
                        piece,
                        b.next().unwrap_or_default(),
                        c.next().unwrap_or_default(),
                    ));
                }
                pool.install(|| {
                    cut.into_par_iter()
                        .with_max_len(1)
                        .enumerate()
                        .for_each(|(index, (a, b, c))| work(index, a, b, c));
                });
            }
            _ => {
                let (mut b, mut c) = (
                    b.0.chunks_mut((b.1 * chunk).max(1)),
                    c.0.chunks_mut((c.1 * chunk).max(1)),
                );
                for (index, a) in a.0.chunks_mut((a.1 * chunk).max(1)).enumerate() {
                    work(
                        index,
                        a,
                        b.next().unwrap_or_default(),
                        c.next().unwrap_or_default(),
                    );
                }
            }
        }
    }
}
