//! Personal data: what the rules prove and what the model reads, as one list.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use super::form::possible;
use crate::Span;
use crate::normalize::{Candidates, Kind, Normalized};
use crate::rules::Rules;

/// A piece of personal data or a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its type, without `B-` and `I-`.
    pub label: String,
    /// Bytes of the text as given.
    pub range: Range<usize>,
    /// Probability, 0 to 1.
    pub score: f32,
    /// Who found it.
    pub by: FoundBy,
}

/// Who found a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// A pattern with its checksum or context.
    Rule,
    /// The model.
    Model,
}

/// Types with a form of their own. Rules know them better than a model that reads words, so where both have
/// something to say about the same place, the rule's word counts.
const STRUCTURED: [&str; 9] = [
    "CREDIT_CARD",
    "DOMAIN_NAME",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
    "PHONE_NUMBER",
    "US_DRIVER_LICENSE",
    "US_SSN",
    "ZIP_CODE",
];

/// From this score on a rule has proof or a clear form, whatever the type.
const CERTAIN: f32 = 0.8;

/// What the rules find in the text, in its normalised form, and in what was encoded in it.
pub(super) fn by_rules(
    rules: &Rules,
    text: &str,
    normalized: &Normalized<'_>,
    hidden: &Candidates,
) -> Vec<Span> {
    let mut found = rules.find(text);
    let mut taken = Taken::default();
    for span in &found {
        taken.take(&span.range);
    }
    let mut more = |span: Span| {
        if taken.take(&span.range) {
            found.push(span);
        }
    };
    // Digits in full width, a zero-width space inside an address: only the normalised text shows them.
    if let Cow::Owned(plain) = &normalized.text {
        for span in rules.find(plain) {
            more(Span {
                range: normalized.original(span.range.clone()),
                ..span
            });
        }
    }
    for candidate in hidden
        .items
        .iter()
        .filter(|hidden| is_encoding(hidden.kind()))
    {
        // A name for the whole encoded piece: its parts mean nothing to a reader.
        if let Some(span) = rules
            .find(&candidate.text)
            .into_iter()
            .find(|s| s.score >= CERTAIN)
        {
            more(Span {
                range: candidate.span.clone(),
                ..span
            });
        }
    }
    found
}

/// Did bytes become text? The other disguises change letters into digits and back, and so make numbers up.
fn is_encoding(kind: Option<Kind>) -> bool {
    matches!(
        kind,
        Some(Kind::Base64 | Kind::Hex | Kind::Percent | Kind::Html | Kind::Unicode | Kind::Hidden)
    )
}

/// Ranges that do not overlap, by their start.
#[derive(Debug, Default)]
struct Taken(BTreeMap<usize, usize>);

impl Taken {
    /// Takes the range, if nothing of it is taken.
    fn take(&mut self, range: &Range<usize>) -> bool {
        // Of those that begin before the range's end, the last one reaches farthest.
        let before = self.0.range(..range.end).next_back();
        let free = before.is_none_or(|(_, &end)| end <= range.start);
        if free {
            self.0.insert(range.start, range.end);
        }
        free
    }
}

/// One list of both, in order, without overlaps: certain rules first, then whatever is surest.
pub(super) fn merge(text: &str, ruled: &[Span], read: Vec<Span>) -> Vec<Finding> {
    let finding = |span: Span, by: FoundBy| Finding {
        label: span.label,
        range: trimmed(text, span.range),
        score: span.score,
        by,
    };
    let ruled = ruled
        .iter()
        .cloned()
        .map(|span| finding(span, FoundBy::Rule));
    let read = read
        .into_iter()
        .map(|span| finding(span, FoundBy::Model))
        .filter(|f| {
            !STRUCTURED.contains(&f.label.as_str())
                || possible(&f.label, text.get(f.range.clone()).unwrap_or_default())
        });
    let mut all: Vec<Finding> = ruled.chain(read).filter(|f| !f.range.is_empty()).collect();
    all.sort_by(|a, b| {
        rank(b)
            .total_cmp(&rank(a))
            .then(a.range.start.cmp(&b.range.start))
    });
    let mut taken = Taken::default();
    all.retain(|finding| taken.take(&finding.range));
    all.sort_by_key(|finding| finding.range.start);
    all
}

/// Who wins where two findings overlap.
fn rank(finding: &Finding) -> f32 {
    let structured = STRUCTURED.contains(&finding.label.as_str());
    let bonus = match finding.by {
        FoundBy::Rule if structured || finding.score >= CERTAIN => 1.0,
        // What the model takes for a number of some sort must not hide a name beside it.
        FoundBy::Model if structured => -0.5,
        FoundBy::Rule | FoundBy::Model => 0.0,
    };
    finding.score + bonus
}

/// Without white space at its ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(piece) = text.get(range.clone()) else {
        return range;
    };
    let start = range.start + (piece.len() - piece.trim_start().len());
    start..start.max(range.end - (piece.len() - piece.trim_end().len()))
}
