//! Personal data in an answer, found by the models and rules while the answer comes.

mod window;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::plain::{Mask, Plain};
use super::report::SharedReport;
use super::stop_list::floor;
use super::{Filtered, Place, TextFilter};
use crate::guard::{GuardError, OnError, Types, VerdictOutcome};
use crate::understand::{Question, Understand};

pub use window::Hold;
use window::{Next, Pending};

/// What counts as personal data in an answer, and what happens then.
#[derive(Debug)]
pub struct PersonalRules {
    /// The types that count.
    pub types: Types,
    /// What happens: `Flagged`, `Masked` or `Blocked`.
    pub outcome: VerdictOutcome,
    /// Only write it down.
    pub shadow: bool,
    /// How much text is held back.
    pub hold: Hold,
    /// How long one look may take.
    pub timeout: Duration,
    /// What happens when nobody can tell.
    pub on_error: OnError,
}

/// What an answer may say although it looks like personal data.
#[derive(Debug, Default)]
pub struct Echo {
    /// Placeholders that the gateway made itself.
    pub placeholders: Vec<String>,
    /// Texts that the client sent; what they say may be said again.
    pub texts: Vec<String>,
}

impl Echo {
    /// May this piece of a text be said?
    fn allows(&self, text: &str, piece: &Range<usize>) -> bool {
        let within = |name: &String| {
            text.match_indices(name.as_str())
                .any(|(at, _)| at <= piece.start && piece.end <= at + name.len())
        };
        if self.placeholders.iter().any(within) {
            return true;
        }
        let Some(value) = text.get(piece.clone()) else {
            return false;
        };
        self.texts.iter().any(|said| says(said, value))
    }
}

/// Is `value` in `text`, not as a part of a longer word or number?
fn says(text: &str, value: &str) -> bool {
    !value.is_empty()
        && text.match_indices(value).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let behind = text[at + value.len()..].chars().next();
            !before.is_some_and(char::is_alphanumeric) && !behind.is_some_and(char::is_alphanumeric)
        })
}

/// One piece in the text that is held back.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    range: Range<usize>,
    label: String,
    score: f32,
}

/// Looks for personal data in one channel: at windows that slide over the text, so that each character is looked at about
/// twice and a piece is never seen in halves.
pub struct PersonalData {
    rules: Arc<PersonalRules>,
    understand: Option<Arc<dyn Understand>>,
    echo: Arc<Echo>,
    report: SharedReport,
    pending: Pending,
    /// Found in the text that is held back.
    known: Vec<Piece>,
    plain: Plain,
    /// Nobody could tell, and the answer passes.
    off: bool,
}

impl PersonalData {
    /// A filter for one channel; `json` where its text is JSON.
    #[must_use]
    pub fn new(
        rules: Arc<PersonalRules>,
        understand: Option<Arc<dyn Understand>>,
        echo: Arc<Echo>,
        report: SharedReport,
        json: bool,
    ) -> Self {
        Self {
            pending: Pending::new(rules.hold, !json),
            rules,
            understand,
            echo,
            report,
            known: Vec::new(),
            plain: Plain::new(json),
            off: false,
        }
    }

    /// Asks about the context and the first `end` bytes that are held back. `None`: nobody could tell, and all passes.
    async fn inspect(&mut self, end: usize) -> Result<Option<()>, GuardError> {
        let (text, context) = self.pending.text(end);
        let started = Instant::now();
        let found = match &self.understand {
            Some(understand) => {
                let work = understand.inspect(&text, &[Question::Pii]);
                match tokio::time::timeout(self.rules.timeout, work).await {
                    Ok(Ok(inspection)) => Ok(inspection.pii.unwrap_or_default()),
                    Ok(Err(error)) => Err(GuardError::from(error)),
                    Err(_) => Err(GuardError::Deadline),
                }
            }
            None => Err(GuardError::Unavailable("no models are loaded".to_owned())),
        };
        self.report.lock().took += started.elapsed();
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.failed(error),
        };
        for piece in found {
            if piece.range.end <= context
                || !self.rules.types.count(&piece.label, piece.score)
                || self.echo.allows(&text, &piece.range)
            {
                continue;
            }
            let start = floor(&text, piece.range.start).max(context) - context;
            let range = start..floor(&text, piece.range.end).max(context) - context;
            self.add(Piece {
                range,
                label: piece.label,
                score: piece.score,
            });
        }
        self.known.sort_by_key(|piece| piece.range.start);
        Ok(Some(()))
    }

    /// Joins a piece with those of the same type that it overlaps; of different types the longer one stays.
    fn add(&mut self, mut piece: Piece) {
        let mut others = Vec::with_capacity(self.known.len() + 1);
        for other in std::mem::take(&mut self.known) {
            let apart =
                other.range.end <= piece.range.start || piece.range.end <= other.range.start;
            if apart {
                others.push(other);
                continue;
            }
            if other.range.len() > piece.range.len() {
                piece.label = other.label;
            }
            piece.score = piece.score.max(other.score);
            piece.range =
                piece.range.start.min(other.range.start)..piece.range.end.max(other.range.end);
        }
        others.push(piece);
        self.known = others;
    }

    fn failed(&mut self, error: GuardError) -> Result<Option<()>, GuardError> {
        let denied = self.rules.on_error == OnError::Deny;
        let outcome = match denied {
            true => VerdictOutcome::Denied,
            false => VerdictOutcome::Skipped,
        };
        self.report.lock().failed(&error, outcome);
        if denied && !self.rules.shadow {
            return Err(error);
        }
        self.off = true;
        Ok(None)
    }

    /// Hands out the first `cut` bytes that are held back.
    fn release(&mut self, cut: usize, end: usize) -> Filtered {
        let text = self.pending.take(cut);
        let acts = !self.rules.shadow;
        let (mut masks, mut stop): (Vec<Mask<'_>>, _) = (Vec::new(), None);
        let mut later = Vec::new();
        for piece in std::mem::take(&mut self.known) {
            if piece.range.start >= cut {
                // What touches the end of what was seen may be another thing when more has come.
                if piece.range.end < end {
                    later.push(Piece {
                        range: piece.range.start - cut..piece.range.end - cut,
                        ..piece
                    });
                }
                continue;
            }
            let label = format!("B-{}", piece.label);
            let mut report = self.report.lock();
            report.found(label, &piece.label, piece.score, self.rules.outcome);
            match self.rules.outcome {
                VerdictOutcome::Blocked if acts => {
                    stop = Some(self.plain.floor(piece.range.start));
                    break;
                }
                VerdictOutcome::Masked if acts => {
                    let range = piece.range.start..piece.range.end.min(cut);
                    masks.push((range, format!("[{}]", piece.label).into()));
                }
                _ => {}
            }
        }
        self.known = later;
        let passed = &text[..stop.unwrap_or(text.len())];
        let out = self.plain.take(passed, &masks);
        if stop.is_some() {
            self.plain.end(true);
        }
        Filtered {
            text: out,
            stop: stop.is_some(),
        }
    }

    /// Where the held text may be cut after the look at its first `end` bytes.
    fn cut(&self, end: usize, early: bool) -> usize {
        let mut cut = match early {
            true => end,
            false => self.pending.cut(end),
        };
        for piece in self.known.iter().rev() {
            let open = piece.range.start < cut && (piece.range.end > cut || piece.range.end >= end);
            if open {
                cut = piece.range.start;
            }
        }
        match self.plain.floor(cut) {
            0 if self.pending.is_full(end) => self.plain.floor(self.pending.forced(end)),
            cut => cut,
        }
    }

    /// All that is held back, as it came.
    fn give_up(&mut self) -> String {
        let rest = self.plain.rest();
        self.pending.push(&rest);
        let all = self.pending.take_all();
        self.plain.take(&all, &[])
    }

    async fn all(&mut self) -> Result<Filtered, GuardError> {
        let rest = self.plain.rest();
        self.pending.push(&rest);
        let end = self.pending.len();
        let filtered = match end {
            0 => Filtered::default(),
            _ => match self.inspect(end).await? {
                Some(()) => self.release(end, end),
                None => Filtered::text(self.give_up()),
            },
        };
        self.pending.reset();
        self.known.clear();
        self.plain.end(false);
        Ok(filtered)
    }
}

#[async_trait]
impl TextFilter for PersonalData {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        if self.off {
            return Ok(Filtered::text(text));
        }
        let text = self.plain.push(text);
        self.pending.push(&text);
        let mut out = Filtered::default();
        while let Some(Next { end, early }) = self.pending.next() {
            if self.inspect(end).await?.is_none() {
                out.text.push_str(&self.give_up());
                return Ok(out);
            }
            let cut = self.cut(end, early);
            let filtered = self.release(cut, end);
            out.text.push_str(&filtered.text);
            self.pending.looked(cut, end, early);
            if filtered.stop {
                out.stop = true;
                return Ok(out);
            }
        }
        Ok(out)
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        self.all().await
    }

    /// One look at all of it: the models make windows of their own.
    async fn whole(&mut self, text: &str) -> Result<Filtered, GuardError> {
        if self.off {
            return Ok(Filtered::text(text));
        }
        let text = self.plain.push(text);
        self.pending.push(&text);
        self.all().await
    }

    fn place(&self, piece: &Range<usize>) -> Place {
        self.plain.place(piece)
    }
}

#[cfg(test)]
mod tests;
