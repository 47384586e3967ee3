//! Labels of tokens (`B-PERSON`, `I-PERSON`, `O`) and how the words' votes become labelled pieces of a text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::combine::probabilities;
use super::tokens::Tokens;
use super::words::{joined, trimmed};
use crate::Span;

/// The meaning of a token classifier's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tags {
    columns: Vec<Tag>,
    /// Labels without `B-` and `I-`, and from which probability they count.
    types: Vec<(String, f32)>,
}

/// What a column says of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    /// It belongs to nothing.
    Outside,
    /// A piece of this type begins with it.
    Begin(usize),
    /// It belongs to a piece of this type.
    Inside(usize),
}

impl Tags {
    /// Reads labels in the schemes BIO, BIOES, BILOU and plain (`PERSON` and `O`).
    ///
    /// # Errors
    /// A sentence that names the setting that is wrong.
    pub(crate) fn new(
        labels: &[String],
        threshold: f32,
        thresholds: &BTreeMap<String, f32>,
    ) -> Result<Self, String> {
        let mut types: Vec<(String, f32)> = Vec::new();
        let mut columns = Vec::with_capacity(labels.len());
        for label in labels {
            let (begins, name) = match label.split_once('-') {
                _ if label == "O" => {
                    columns.push(Tag::Outside);
                    continue;
                }
                Some(("B" | "S" | "U", name)) => (true, name),
                Some(("I" | "E" | "L", name)) => (false, name),
                _ => (false, label.as_str()),
            };
            let index = types.iter().position(|(known, _)| known == name);
            let index = index.unwrap_or_else(|| {
                let limit = thresholds.get(name).copied().unwrap_or(threshold);
                types.push((name.to_owned(), limit));
                types.len() - 1
            });
            columns.push(if begins {
                Tag::Begin(index)
            } else {
                Tag::Inside(index)
            });
        }
        if let Some(name) = thresholds
            .keys()
            .find(|name| types.iter().all(|(known, _)| known != *name))
        {
            return Err(format!("thresholds.{name}: there is no such label"));
        }
        if let Some((name, _)) = types.iter().find(|(_, t)| !(0.0..=1.0).contains(t)) {
            return Err(format!("thresholds.{name}: must be from 0 to 1"));
        }
        Ok(Self { columns, types })
    }

    /// The labels without `B-` and `I-`.
    pub(crate) fn names(&self) -> Vec<String> {
        self.types.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Finds the labelled pieces. `rows` are the logits of the text's first tokens, in order.
    ///
    /// A word votes as a whole: its tokens' probabilities are added, and the best type wins if its share reaches its
    /// threshold (or half, for thresholds above it). Neighbouring words of a type are one piece unless the model says
    /// that another begins; the piece stays if its words' mean probability reaches the threshold.
    pub(crate) fn find<'a>(
        &self,
        text: &str,
        tokens: &Tokens,
        rows: impl Iterator<Item = &'a [f32]>,
        temperature: f32,
    ) -> Vec<Span> {
        let mut pieces = Pieces {
            tags: self,
            found: Vec::new(),
            open: None,
        };
        let mut word = Word::new(self.columns.len());
        for (token, logits) in rows.enumerate() {
            let bytes = trimmed(text, tokens.bytes(text, token));
            if bytes.is_empty() {
                continue;
            }
            if word.tokens > 0 && !joined(text, &word.bytes, &bytes) {
                pieces.add(&mut word);
            }
            word.add(bytes, logits, temperature);
        }
        pieces.add(&mut word);
        pieces.close();
        pieces.found
    }
}

/// The votes of a word's tokens.
struct Word {
    bytes: Range<usize>,
    tokens: usize,
    /// Summed probabilities, one a column.
    votes: Vec<f32>,
    scratch: Vec<f32>,
}

impl Word {
    fn new(columns: usize) -> Self {
        Self {
            bytes: 0..0,
            tokens: 0,
            votes: vec![0.0; columns],
            scratch: Vec::with_capacity(columns),
        }
    }

    fn add(&mut self, bytes: Range<usize>, logits: &[f32], temperature: f32) {
        if self.tokens == 0 {
            self.bytes = bytes;
        } else {
            self.bytes.end = self.bytes.end.max(bytes.end);
        }
        self.tokens += 1;
        probabilities(logits, temperature, &mut self.scratch);
        for (vote, probability) in self.votes.iter_mut().zip(&self.scratch) {
            *vote += probability;
        }
    }
}

/// The pieces found so far.
struct Pieces<'a> {
    tags: &'a Tags,
    found: Vec<Span>,
    open: Option<Open>,
}

/// A piece that may go on.
struct Open {
    kind: usize,
    bytes: Range<usize>,
    sum: f32,
    words: f32,
}

impl Pieces<'_> {
    /// Takes the word's vote and empties it.
    fn add(&mut self, word: &mut Word) {
        if word.tokens == 0 {
            return;
        }
        let vote = self.vote(word);
        match (vote, &mut self.open) {
            (Some((kind, begins, share)), Some(open)) if open.kind == kind && !begins => {
                open.bytes.end = word.bytes.end;
                open.sum += share;
                open.words += 1.0;
            }
            (Some((kind, _, share)), _) => {
                self.close();
                self.open = Some(Open {
                    kind,
                    bytes: word.bytes.clone(),
                    sum: share,
                    words: 1.0,
                });
            }
            (None, _) => self.close(),
        }
        word.tokens = 0;
        word.votes.fill(0.0);
    }

    /// The best type, whether a piece begins here, and the type's probability; nothing if no type is probable enough.
    fn vote(&self, word: &Word) -> Option<(usize, bool, f32)> {
        let mut shares = vec![(0.0_f32, 0.0_f32); self.tags.types.len()];
        for (tag, vote) in self.tags.columns.iter().zip(&word.votes) {
            match tag {
                Tag::Outside => {}
                Tag::Begin(kind) => shares[*kind].0 += vote,
                Tag::Inside(kind) => shares[*kind].1 += vote,
            }
        }
        let sum = |share: &(f32, f32)| share.0 + share.1;
        let (kind, share) = shares
            .iter()
            .enumerate()
            .max_by(|a, b| sum(a.1).total_cmp(&sum(b.1)))?;
        let probability = sum(share) / word.tokens as f32;
        // A type that is probable enough for nearly half its piece's words may still reach its threshold on the mean.
        let enough = self.tags.types[kind].1.min(0.5);
        (probability >= enough && probability > 0.0).then_some((
            kind,
            share.0 > share.1,
            probability,
        ))
    }

    /// Ends the open piece.
    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let (label, threshold) = &self.tags.types[open.kind];
        // Rounding may lift a mean of probabilities a little above 1.
        let score = (open.sum / open.words).min(1.0);
        if score >= *threshold {
            self.found.push(Span {
                label: label.clone(),
                range: open.bytes,
                score,
            });
        }
    }
}

#[cfg(test)]
mod tests;
