//! Letters moved by 13, and words written backwards: both told by the vocabulary.
//!
//! A stretch counts where several words are known once undone and hardly any are as they stand.

use std::ops::Range;

use super::super::offsets::Runs;
use super::super::words::{Key, LONGEST, Verdict, known};
use super::{Edit, Edits};

/// A stretch ends where nothing is known for this many bytes.
const PAUSE: usize = 60;
/// A longer stretch is taken in pieces.
const LONGEST_STRETCH: usize = 16 << 10;

pub(super) fn find_rot13(text: &str, edits: &mut Edits) {
    for span in stretches(text, Key::rot13, 4) {
        let mut runs = Runs::default();
        runs.copy(span.clone());
        let undone = text[span.clone()].chars().map(rot13).collect();
        if !edits.push(Edit {
            span,
            text: undone,
            runs,
            verdict: Verdict::Prose,
        }) {
            return;
        }
    }
}

fn rot13(c: char) -> char {
    match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        _ => c,
    }
}

/// Where text is written backwards.
pub(super) fn reversed_stretches(text: &str) -> impl Iterator<Item = Range<usize>> {
    stretches(text, Key::reversed, 5) // `live`, `part`, `stop` are words both ways
}

/// `span` of `text` with each word turned, the words in their order.
pub(super) fn words_reversed(text: &str, span: Range<usize>) -> (String, Runs) {
    let (mut out, mut runs) = (String::new(), Runs::default());
    for piece in text[span.clone()].split_inclusive(|c: char| !c.is_alphanumeric()) {
        let at = span.start + out.len();
        let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
        out.extend(word.chars().rev());
        runs.whole(at..at + word.len(), word.len());
        out.push_str(&piece[word.len()..]);
        runs.copy(at + word.len()..at + piece.len());
    }
    (out, runs)
}

/// The ASCII words of a text.
fn ascii_words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !bytes[at].is_ascii_alphabetic() {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_alphabetic() {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
}

/// What is known of the stretch at hand.
#[derive(Default)]
struct Stretch {
    score: i32,
    span: Range<usize>,
    /// Words of three letters and more that are known once undone, and their letters.
    hits: usize,
    letters: usize,
    /// The letters of the longest of them.
    longest: usize,
    /// The last hit ends here.
    last: usize,
}

impl Stretch {
    /// The stretch, if several words were known, one of them of `longest` letters at least.
    fn accepted(&self, longest: usize) -> Option<Range<usize>> {
        let enough = self.hits >= 3 || self.hits == 2 && self.letters >= 12;
        (enough && self.letters >= 10 && self.longest >= longest).then(|| self.span.clone())
    }
}

/// The stretches of `text` whose words are known after `undo`, in one pass.
fn stretches(
    text: &str,
    undo: fn(Key) -> Key,
    longest: usize,
) -> impl Iterator<Item = Range<usize>> {
    let mut words = ascii_words(text);
    let mut stretch = Stretch::default();
    std::iter::from_fn(move || {
        loop {
            let Some(word) = words.next() else {
                return std::mem::take(&mut stretch).accepted(longest);
            };
            let key = (word.len() <= LONGEST)
                .then(|| Key::of(&text[word.clone()]))
                .flatten();
            let hit = key.is_some_and(|k| known(undo(k)));
            let plain = key.is_some_and(known);
            let long = word.len() >= 3;
            let mut done = None;
            if stretch.score > 0
                && (word.start - stretch.last > PAUSE || stretch.span.len() > LONGEST_STRETCH)
            {
                done = std::mem::take(&mut stretch).accepted(longest);
            }
            match (hit, plain) {
                (true, false) => {
                    if stretch.score <= 0 {
                        stretch = Stretch {
                            span: word.clone(),
                            ..Stretch::default()
                        };
                    }
                    stretch.score = (stretch.score + if long { 2 } else { 1 }).min(12);
                    stretch.hits += usize::from(long);
                    stretch.letters += if long { word.len() } else { 0 };
                    stretch.longest = stretch.longest.max(word.len());
                    stretch.last = word.end;
                    stretch.span.end = word.end;
                }
                (false, false) if stretch.score > 0 => {
                    // A word that neither way is known belongs to it as long as the score holds.
                    stretch.score -= i32::from(long);
                    stretch.span.end = if stretch.score > 0 {
                        word.end
                    } else {
                        stretch.span.end
                    };
                }
                (false, true) if stretch.score > 0 => stretch.score -= 2,
                _ => {}
            }
            if stretch.score <= 0 && stretch.hits > 0 {
                done = done.or(std::mem::take(&mut stretch).accepted(longest));
            }
            if done.is_some() {
                return done;
            }
        }
    })
}
