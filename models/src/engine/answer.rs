//! What the engine says about a text.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::suspects::Suspect;
use crate::{Score, Span, Timing};

/// A text and what to find out about it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The text.
    pub text: &'a str,
    /// The wanted heads; see [`Engine::head`](super::Engine::head).
    pub heads: &'a [usize],
    /// When the caller no longer needs the answer; without one the engine's own timeout holds, if it has any.
    pub deadline: Option<Instant>,
}

/// What the wanted heads say about a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    /// One result a wanted head, in the same order.
    pub results: Vec<Arc<HeadResult>>,
    /// What it took; nothing when all results were remembered.
    pub timing: Timing,
}

/// What one head says about a text.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadResult {
    /// Classes, pieces or a vector, as the head's task is.
    pub answer: Answer,
    /// How many windows the head read.
    pub windows: usize,
    /// Bytes at the text's end that it did not read, because the text has more windows than `max_windows`.
    pub unread_bytes: usize,
    /// The windows in which what [`Combine::Max`](super::Combine::Max) looks for is most likely, at most five, the
    /// worst first; empty for other heads.
    pub suspects: Vec<Suspect>,
}

/// A head's result.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// All classes, most probable first.
    Classes(Vec<Score>),
    /// The labelled pieces, in order; they do not overlap.
    Spans(Vec<Span>),
    /// A vector of length 1.
    Vector(Vec<f32>),
}

impl HeadResult {
    /// About how many bytes it takes in memory.
    pub(crate) fn size(&self) -> usize {
        let inside = match &self.answer {
            Answer::Classes(scores) => scores
                .iter()
                .map(|s| size_of::<Score>() + s.label.len())
                .sum(),
            Answer::Spans(spans) => spans
                .iter()
                .map(|s| size_of::<Span>() + s.label.len())
                .sum::<usize>(),
            Answer::Vector(vector) => vector.len() * size_of::<f32>(),
        };
        let suspects = self
            .suspects
            .iter()
            .map(|suspect| size_of::<Suspect>() + suspect.around.len() * size_of::<Range<usize>>());
        size_of::<Self>() + inside + suspects.sum::<usize>()
    }
}
