//! A tokenised text, its windows, and their numbers as they come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::{Answer, HeadResult};
use super::combine;
use super::flight::Flight;
use super::head::{Head, HeadSet, Kind};
use super::suspects::{Suspect, suspects};
use super::tokens::Tokens;
use super::windows::Window;
use crate::ModelError;

/// A text that waits for its windows.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) flight: Arc<Flight>,
    pub(crate) tokens: Tokens,
    /// Heads that cut this text alike share a group, and so a pass.
    pub(crate) groups: Vec<Group>,
    /// Special tokens of every window.
    pub(crate) special: usize,
    /// When the tokens were there.
    pub(crate) tokenized: Instant,
    /// Windows that have not run.
    left: AtomicUsize,
    /// Nanoseconds of the forward passes of which the text was a part.
    compute: AtomicU64,
    /// The last of them.
    pass: AtomicU64,
    rows: Mutex<Vec<GroupRows>>,
}

/// Windows for the same heads.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) heads: HeadSet,
    pub(crate) windows: Vec<Window>,
}

/// The numbers of a group: by window, then by head in ascending order. Of token heads only the rows of the tokens
/// that the window owns.
type GroupRows = Vec<Vec<Vec<f32>>>;

impl Work {
    /// Cuts the tokens into each head's windows.
    pub(crate) fn new(flight: Arc<Flight>, tokens: Tokens, special: usize, heads: &[Head]) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let mut seen: Vec<(usize, usize)> = Vec::new();
        for index in flight.heads.iter() {
            let head = &heads[index];
            let alike = seen
                .iter()
                .find(|(other, _)| head.cuts_like(&heads[*other]));
            let group = match alike {
                Some((_, group)) => *group,
                None => {
                    // Short texts are one window for heads with different windows too.
                    let windows = head.cut(tokens.len());
                    let same = groups.iter().position(|group| group.windows == windows);
                    same.unwrap_or_else(|| {
                        groups.push(Group {
                            heads: HeadSet::default(),
                            windows,
                        });
                        groups.len() - 1
                    })
                }
            };
            seen.push((index, group));
            groups[group].heads = groups[group].heads.with(index);
        }
        let rows: Vec<GroupRows> = groups
            .iter()
            .map(|group| vec![Vec::new(); group.windows.len()])
            .collect();
        Self {
            left: AtomicUsize::new(groups.iter().map(|group| group.windows.len()).sum()),
            flight,
            tokens,
            groups,
            special,
            tokenized: Instant::now(),
            compute: AtomicU64::new(0),
            pass: AtomicU64::new(0),
            rows: Mutex::new(rows),
        }
    }

    /// Notes that the text was in the pass of this number, which took so long; numbers start at 1.
    pub(crate) fn passed(&self, pass: u64, took: Duration) {
        if self.pass.swap(pass, Ordering::Relaxed) != pass {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            self.compute.fetch_add(nanos, Ordering::Relaxed);
        }
    }

    /// Time of the forward passes so far.
    pub(crate) fn compute(&self) -> Duration {
        Duration::from_nanos(self.compute.load(Ordering::Relaxed))
    }

    /// Takes a window's numbers, one list a head; says whether it was the last window.
    pub(crate) fn store(&self, group: usize, window: usize, rows: Vec<Vec<f32>>) -> bool {
        self.rows.lock()[group][window] = rows;
        self.left.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// About how many numbers must be looked at to finish.
    pub(crate) fn effort(&self) -> usize {
        let rows = self.rows.lock();
        rows.iter().flatten().flatten().map(Vec::len).sum()
    }

    /// Puts everything together, once all windows have run.
    ///
    /// # Errors
    /// [`ModelError::Infer`] when the model gave something else than finite numbers.
    pub(crate) fn finish(&self, heads: &[Head]) -> Result<Vec<(usize, HeadResult)>, ModelError> {
        let rows = std::mem::take(&mut *self.rows.lock());
        let mut results = Vec::new();
        for (group, rows) in self.groups.iter().zip(&rows) {
            for (column, index) in group.heads.iter().enumerate() {
                let head = &heads[index];
                let rows: Vec<&[f32]> = rows
                    .iter()
                    .map(|heads| heads.get(column).map_or(&[][..], Vec::as_slice))
                    .collect();
                if !rows.iter().all(|row| row.iter().all(|x| x.is_finite())) {
                    return Err(ModelError::Infer(format!(
                        "head `{}` gave numbers that are not finite",
                        head.info.name
                    )));
                }
                let result = HeadResult {
                    answer: self.answer(head, &group.windows, &rows),
                    windows: group.windows.len(),
                    unread_bytes: self.unread(&group.windows),
                    suspects: self.suspects(head, &group.windows, &rows),
                };
                results.push((index, result));
            }
        }
        Ok(results)
    }

    fn answer(&self, head: &Head, windows: &[Window], rows: &[&[f32]]) -> Answer {
        let scores = |probabilities: Vec<f32>| combine::scores(&head.info.labels, &probabilities);
        match &head.kind {
            Kind::Mean => Answer::Classes(scores(combine::mean(head, windows, rows))),
            Kind::Max(columns) => Answer::Classes(scores(combine::max(head, columns, rows))),
            Kind::Vector => Answer::Vector(combine::vector(windows, rows)),
            Kind::Tags(tags) => {
                let width = head.info.width.max(1);
                let tokens = rows.iter().flat_map(|rows| rows.chunks_exact(width));
                Answer::Spans(tags.find(&self.flight.text, &self.tokens, tokens, head.temperature))
            }
        }
    }

    fn suspects(&self, head: &Head, windows: &[Window], rows: &[&[f32]]) -> Vec<Suspect> {
        let text = (&*self.flight.text, &self.tokens);
        match &head.kind {
            Kind::Max(columns) => suspects(head, columns, windows, rows, text),
            _ => Vec::new(),
        }
    }

    /// Bytes behind the last token that a window covers. Texts that were tokenised to their end and covered have none,
    /// whatever white space may follow.
    fn unread(&self, windows: &[Window]) -> usize {
        let text = &*self.flight.text;
        let covered = windows.last().map_or(0, |window| window.tokens.end);
        let end = match covered.checked_sub(1) {
            Some(last) => self.tokens.bytes(text, last).end,
            None => 0,
        };
        if covered == self.tokens.len() && self.tokens.complete() {
            return 0;
        }
        text.len().saturating_sub(end)
    }
}
