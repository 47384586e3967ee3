//! Rewriting a text in one pass, copying nothing until something changes.

use std::borrow::Cow;
use std::ops::Range;

use super::offsets::{Layer, OffsetMap, Runs};

/// Collects replacements, in order, over one source text.
pub(super) struct Rewriter<'a> {
    source: &'a str,
    text: String,
    runs: Runs,
    /// Up to here the source is dealt with.
    done: usize,
    changed: bool,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            text: String::new(),
            runs: Runs::default(),
            done: 0,
            changed: false,
        }
    }

    /// `range` (after all earlier ones, at character boundaries) becomes `with`.
    pub(super) fn replace(&mut self, range: Range<usize>, with: &str) {
        self.copy_to(range.start);
        self.text.push_str(with);
        self.runs.whole(range.clone(), with.len());
        self.done = range.end;
    }

    /// As [`Self::replace`] for one character.
    pub(super) fn replace_char(&mut self, range: Range<usize>, with: char) {
        self.replace(range, with.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    fn copy_to(&mut self, end: usize) {
        if !self.changed {
            self.changed = true;
            self.text.reserve(self.source.len());
        }
        if self.done < end {
            self.text.push_str(&self.source[self.done..end]);
            self.runs.copy(self.done..end);
        }
    }

    /// The new text and its layer; nothing when nothing was replaced.
    pub(super) fn finish(mut self) -> Option<(String, Layer)> {
        if !self.changed {
            return None;
        }
        self.copy_to(self.source.len());
        Some((self.text, Layer::Runs(self.runs)))
    }
}

/// A step: nothing when it changes nothing.
pub(super) type Step = fn(&str) -> Option<(String, Layer)>;

/// Runs `steps` in order.
pub(super) fn apply<'a>(text: &'a str, steps: &[Step]) -> (Cow<'a, str>, OffsetMap) {
    let mut text = Cow::Borrowed(text);
    let mut map = OffsetMap::default();
    for step in steps {
        if let Some((changed, layer)) = step(&text) {
            text = Cow::Owned(changed);
            map = map.then(layer);
        }
    }
    (text, map)
}
