//! A text with the context words found in it, and the questions finders ask about it.

use std::ops::Range;

use super::Kind;
use super::lexicon::{Cue, Hit, Words};

/// How far before a number its context word may stand, in bytes.
const BEFORE: usize = 64;
/// How far after it.
const AFTER: usize = 32;

/// Something found, not yet resolved against its neighbours.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
    pub(super) score: f32,
}

/// Collects findings.
pub(super) trait Sink {
    fn add(&mut self, kind: Kind, range: Range<usize>, score: f32);
}

impl Sink for Vec<Found> {
    fn add(&mut self, kind: Kind, range: Range<usize>, score: f32) {
        self.push(Found { kind, range, score });
    }
}

/// A text and its cues.
#[derive(Debug)]
pub(super) struct Page<'t> {
    pub(super) text: &'t str,
    /// In order of their end.
    pub(super) hits: Vec<Hit>,
}

impl<'t> Page<'t> {
    pub(super) fn read(text: &'t str) -> Self {
        Self {
            text,
            hits: super::lexicon::hits(text),
        }
    }

    pub(super) fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    /// The byte at `at`, or 0 past the end.
    pub(super) fn at(&self, at: usize) -> u8 {
        self.bytes().get(at).copied().unwrap_or(0)
    }

    /// The byte before `at`, or 0 at the start.
    pub(super) fn before(&self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |i| self.at(i))
    }

    /// Whether a word of `words` stands close to `range`, mostly before it.
    pub(super) fn near(&self, range: &Range<usize>, words: Words) -> bool {
        self.near_within(range, words, BEFORE, AFTER)
    }

    /// [`Page::near`] with other distances.
    pub(super) fn near_within(
        &self,
        range: &Range<usize>,
        words: Words,
        before: usize,
        after: usize,
    ) -> bool {
        let low = range.start.saturating_sub(before);
        let high = range.end.saturating_add(after);
        let first = self.hits.partition_point(|h| h.end < low);
        self.hits[first..]
            .iter()
            .take_while(|h| h.end <= high + 40)
            .any(|h| {
                h.cue == Cue::Context(words)
                    && (h.end <= range.start || (h.start >= range.end && h.start <= high))
            })
    }

    /// Whether the words right before `range` say that it is the number of a thing ("part number 287-450-9016", but not
    /// "my order, 415-555-2671").
    pub(super) fn is_number_of_thing(&self, range: &Range<usize>) -> bool {
        let first = self.hits.partition_point(|h| h.end + 3 < range.start);
        self.hits[first..]
            .iter()
            .take_while(|h| h.end <= range.start)
            .any(|h| {
                let words = &self.bytes()[h.start..h.end];
                let between = &self.bytes()[h.end..range.start];
                h.cue == Cue::Context(Words::THING)
                    && (words.contains(&b' ')
                        || words.contains(&b'/')
                        || words.ends_with(b"nummer"))
                    && between
                        .iter()
                        .all(|b| matches!(b, b' ' | b':' | b'#' | b'.'))
            })
    }

    /// Skips what usually stands between a name and its value ("number is:", quotes), at most 40 bytes.
    pub(super) fn value_after(&self, mut at: usize) -> usize {
        const FILLERS: [&str; 14] = [
            "number", "no", "nr", "num", "code", "id", "is", "was", "ist", "est", "es", "the",
            "lautet", "key",
        ];
        let limit = at + 40;
        while at < limit {
            let byte = self.at(at);
            if matches!(
                byte,
                b' ' | b'\t' | b':' | b'=' | b'#' | b'"' | b'\'' | b'(' | b'.'
            ) {
                at += 1;
                continue;
            }
            let rest = self.bytes().get(at..).unwrap_or_default();
            let word = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let is_filler = word > 0
                && !rest.get(word).is_some_and(u8::is_ascii_digit)
                && FILLERS
                    .iter()
                    .any(|f| rest[..word].eq_ignore_ascii_case(f.as_bytes()));
            if !is_filler {
                break;
            }
            at += word;
        }
        at
    }

    /// Whether the bytes around `range` leave it a number of its own: not a piece of a longer number, identifier,
    /// path, version, price or float.
    pub(super) fn stands_alone(&self, range: &Range<usize>) -> bool {
        self.left_is_free(range) && self.right_is_free(range)
    }

    /// The left half of [`Page::stands_alone`].
    pub(super) fn left_is_free(&self, range: &Range<usize>) -> bool {
        let before = self.before(range.start);
        let second = range.start.checked_sub(2).map_or(0, |i| self.at(i));
        let left = match before {
            b'_' | b'$' | b'%' | b'^' | b'~' | b'@' | b'+' => false,
            b'.' | b'/' | b'\\' => false,
            b'-' => !is_word(second) && second != b' ',
            b':' | b',' => !second.is_ascii_digit() || range.len() > 11,
            b => !b.is_ascii_alphanumeric(),
        };
        left && !self.text[..range.start].ends_with(['€', '£', '¥', '₹'])
    }

    /// The right half of [`Page::stands_alone`].
    pub(super) fn right_is_free(&self, range: &Range<usize>) -> bool {
        let next = self.at(range.end + 1);
        match self.at(range.end) {
            b'_' | b'%' | b'^' | b'@' => false,
            b'.' => !next.is_ascii_digit(),
            b'-' | b'/' | b'\\' | b'+' => !is_word(next),
            b':' => !next.is_ascii_digit(),
            b => !b.is_ascii_alphanumeric(),
        }
    }

    /// Whether a group of digits stands one space before or after: then a spaced number may be a piece of a list.
    pub(super) fn in_number_list(&self, range: &Range<usize>) -> bool {
        let left = self.before(range.start) == b' '
            && range
                .start
                .checked_sub(2)
                .is_some_and(|i| self.at(i).is_ascii_digit());
        let right = self.at(range.end) == b' ' && self.at(range.end + 1).is_ascii_digit();
        left || right
    }
}

/// Letters, digits and `_`; ASCII.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many of the leading bytes of `bytes` satisfy `test`, at most `max`.
pub(super) fn run(bytes: &[u8], max: usize, test: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take(max).take_while(|b| test(**b)).count()
}

/// The character boundary at or before `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..4)
        .map(|back| at.saturating_sub(back))
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

/// The character boundary at or after `at`.
pub(super) fn ceil(text: &str, at: usize) -> usize {
    (at..at.saturating_add(4))
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(text.len())
        .min(text.len())
}
