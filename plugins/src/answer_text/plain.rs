//! A channel's text as filters read it, and the way back to how it is written.
//!
//! The arguments of tools are JSON: what stands in their strings is `name` to whoever reads them, also where it is written
//! `na\u006de`. Filters look at what the strings mean; what they replace becomes JSON again, and all else keeps its bytes.

mod changes;
#[cfg(test)]
pub(super) mod tests;
mod unescape;

use std::borrow::Cow;
use std::ops::Range;

use crate::json::quote;

use changes::Changes;
pub use changes::Place;
use unescape::{Kind, Run, Unescape};

/// A range of the text that was read, in order and not overlapping, and what takes its place.
pub(super) type Mask<'a> = (Range<usize>, Cow<'a, str>);

/// The text of a channel between what has been read and what has been handed on. Offsets count the bytes of what has been
/// read and not been taken.
#[derive(Debug, Default)]
pub(super) struct Plain {
    /// Where the text is JSON.
    json: Option<Unescape>,
    changes: Changes,
}

impl Plain {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json: json.then(Unescape::default),
            changes: Changes::default(),
        }
    }

    /// Reads more text. An escape, number or word that may go on is read when it has ended.
    pub(super) fn push<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        let Some(json) = &mut self.json else {
            return Cow::Borrowed(text);
        };
        let mut plain = String::with_capacity(text.len());
        json.push(text, &mut plain);
        Cow::Owned(plain)
    }

    /// The text is over: reads what may not go on any more.
    pub(super) fn rest(&mut self) -> String {
        let mut plain = String::new();
        if let Some(json) = &mut self.json {
            json.finish(&mut plain);
        }
        plain
    }

    /// The last place up to `cut` where the text can be cut.
    pub(super) fn floor(&self, cut: usize) -> usize {
        self.border(cut).start
    }

    /// The first place from `cut` on where the text can be cut.
    pub(super) fn ceil(&self, cut: usize) -> usize {
        self.border(cut).end
    }

    fn border(&self, cut: usize) -> Range<usize> {
        let json = self.json.as_ref();
        json.map_or(cut..cut, |json| json.border(cut))
    }

    /// Takes `text`, the next that was read, which ends where it can be cut: as it is written, but for the masks. Of JSON
    /// only what strings say and whole numbers and words are replaced; a number becomes a string.
    pub(super) fn take(&mut self, text: &str, masks: &[Mask<'_>]) -> String {
        let Some(json) = &mut self.json else {
            self.changes.note(text, masks);
            return masked(text, masks);
        };
        let mut writer = Writer {
            text,
            masks,
            out: String::with_capacity(text.len()),
            first: 0,
            said: None,
        };
        let mut at = 0;
        while at < text.len() {
            let Some(mut run) = json.runs.pop_front() else {
                break;
            };
            let len = run.len.min(text.len() - at);
            writer.run(&run, at..at + len);
            if len < run.len {
                run.len -= len;
                json.runs.push_front(run);
            }
            at += len;
        }
        writer.out
    }

    /// Forgets what has been read and not been taken; the next text is a new one. `stopped`: none follows.
    pub(super) fn end(&mut self, stopped: bool) {
        if let Some(json) = &mut self.json {
            *json = Unescape::default();
        }
        self.changes.stopped |= stopped;
    }

    /// Where a piece of the text, in characters from its beginning, stands in what was handed on.
    pub(super) fn place(&self, piece: &Range<usize>) -> Place {
        match self.json {
            Some(_) => Place::Gone,
            None => self.changes.place(piece),
        }
    }
}

fn masked(text: &str, masks: &[Mask<'_>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, with) in masks {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(with);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// Writes JSON text with pieces replaced.
struct Writer<'a> {
    text: &'a str,
    masks: &'a [Mask<'a>],
    out: String,
    /// The first mask that has not ended.
    first: usize,
    /// The mask that stands at the end of `out`.
    said: Option<usize>,
}

impl<'a> Writer<'a> {
    /// The next mask that covers something of `range`.
    fn hit(&mut self, range: &Range<usize>) -> Option<(usize, Range<usize>, &'a str)> {
        while let Some((mask, with)) = self.masks.get(self.first) {
            if mask.end > range.start && !mask.is_empty() {
                let both = mask.start.max(range.start)..mask.end.min(range.end);
                return (!both.is_empty()).then_some((self.first, both, with));
            }
            self.first += 1;
        }
        None
    }

    fn run(&mut self, run: &Run, range: Range<usize>) {
        if !run.is_loose() {
            match self.hit(&range) {
                Some((mask, _, with)) => self.say(run.kind, mask, with),
                None => self.keep(run.raw.as_deref().unwrap_or(&self.text[range])),
            }
            return;
        }
        let mut at = range.start;
        while at < range.end {
            let hit = self.hit(&(at..range.end));
            let hit = hit.filter(|_| run.kind != Kind::Structure);
            let Some((mask, both, with)) = hit else {
                self.keep(&self.text[at..range.end]);
                return;
            };
            self.keep(&self.text[at..both.start]);
            at = both.end;
            match run.kind {
                Kind::Digits => {
                    let hide = |c: char| if c.is_ascii_digit() { '9' } else { c };
                    self.out.extend(self.text[both].chars().map(hide));
                }
                kind => self.say(kind, mask, with),
            }
        }
    }

    fn keep(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push_str(text);
            self.said = None;
        }
    }

    /// Says a mask once, however many pieces of the text it covers.
    fn say(&mut self, kind: Kind, mask: usize, with: &str) {
        if self.said == Some(mask) {
            return;
        }
        self.said = Some(mask);
        let quoted = quote(with);
        match kind {
            Kind::Text => self.out.push_str(&quoted[1..quoted.len() - 1]),
            _ => self.out.push_str(&quoted),
        }
    }
}
