//! Patterns of the operator.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::RulesError;
use super::page::{ceil, floor};
use super::resolve::Candidate;

/// A match may begin anywhere in a window of this many bytes ...
const WINDOW: usize = 16 << 10;
/// ... and reach this far beyond it. Windows keep repeated searching linear in the text, whatever the pattern.
const OVERHANG: usize = 4 << 10;
/// Context words are looked for in this many bytes before and after.
const CONTEXT: usize = 64;
/// The most a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern of the operator: a regular expression, perhaps with words that must stand near.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomPattern {
    /// The label of its findings.
    pub name: String,
    /// The expression, in the syntax of the `regex` crate. A match longer than 4 KiB may be cut.
    pub regex: String,
    /// The score of a finding, 0 to 1.
    pub score: f32,
    /// When there are any: one of these words must stand within 64 bytes (case of ASCII letters ignored).
    pub context: Vec<String>,
}

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Custom {
    name: String,
    regex: Regex,
    score: f32,
    context: Option<aho_corasick::AhoCorasick>,
}

impl Custom {
    pub(super) fn new(pattern: &CustomPattern) -> Result<Self, RulesError> {
        if pattern.name.is_empty() {
            return Err(RulesError::NoName);
        }
        if !(0.0..=1.0).contains(&pattern.score) {
            let field = format!("custom pattern `{}`: score", pattern.name);
            return Err(RulesError::Score { field });
        }
        let wrong = |reason: String| RulesError::Pattern {
            name: pattern.name.clone(),
            reason,
        };
        let regex = RegexBuilder::new(&pattern.regex)
            .size_limit(SIZE_LIMIT)
            .build()
            .map_err(|e| wrong(e.to_string()))?;
        let words: Vec<&String> = pattern.context.iter().filter(|w| !w.is_empty()).collect();
        let context = match words.is_empty() {
            true => None,
            false => Some(
                aho_corasick::AhoCorasickBuilder::new()
                    .ascii_case_insensitive(true)
                    .build(words)
                    .map_err(|e| wrong(e.to_string()))?,
            ),
        };
        Ok(Self {
            name: pattern.name.clone(),
            regex,
            score: pattern.score,
            context,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn find<'r>(&'r self, text: &str, out: &mut Vec<Candidate<'r>>) {
        let mut at = 0;
        while at < text.len() {
            let stop = ceil(text, at.saturating_add(WINDOW));
            let end = ceil(text, stop.saturating_add(OVERHANG));
            let window = &text[..end];
            let mut next = stop;
            while let Some(found) = self.regex.find_at(window, at) {
                if found.start() >= stop {
                    break;
                }
                if !found.is_empty() && self.in_context(text, &found.range()) {
                    out.push(Candidate {
                        label: &self.name,
                        range: found.range(),
                        score: self.score,
                    });
                }
                at = match found.is_empty() {
                    true => ceil(text, found.end() + 1),
                    false => found.end(),
                };
                next = next.max(at);
                if at >= stop {
                    break;
                }
            }
            at = next;
        }
    }

    fn in_context(&self, text: &str, range: &Range<usize>) -> bool {
        let Some(words) = &self.context else {
            return true;
        };
        let low = floor(text, range.start.saturating_sub(CONTEXT));
        let high = ceil(text, range.end.saturating_add(CONTEXT));
        words.is_match(&text[low..range.start]) || words.is_match(&text[range.end..high])
    }
}
