//! Which of overlapping findings stays: the higher score, then the longer, then the earlier.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::Span;

/// A finding with its label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate<'r> {
    pub(super) label: &'r str,
    pub(super) range: Range<usize>,
    pub(super) score: f32,
}

/// Keeps the best of what overlaps; the result is in order of its start.
pub(super) fn resolve(mut candidates: Vec<Candidate<'_>>) -> Vec<Span> {
    candidates.retain(|c| !c.range.is_empty());
    candidates.sort_by(|a, b| {
        (b.score.total_cmp(&a.score))
            .then(b.range.len().cmp(&a.range.len()))
            .then(a.range.start.cmp(&b.range.start))
            .then(a.label.cmp(b.label))
    });
    let mut kept: BTreeMap<usize, Span> = BTreeMap::new();
    for candidate in candidates {
        let overlaps = kept
            .range(..candidate.range.end)
            .next_back()
            .is_some_and(|(_, last)| last.range.end > candidate.range.start);
        if !overlaps {
            let span = Span {
                label: candidate.label.to_owned(),
                range: candidate.range,
                score: candidate.score,
            };
            kept.insert(span.range.start, span);
        }
    }
    kept.into_values().collect()
}
