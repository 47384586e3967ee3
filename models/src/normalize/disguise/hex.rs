//! Hexadecimal bytes: `69676e`, `69 67 6e`, `69:67:6e`, `0x69, 0x67`, `\x69\x67`.

use super::super::offsets::Runs;
use super::super::words::{Verdict, judge};
use super::{Edit, Edits};

/// `hack` has four bytes; a short find must consist of known words.
const SHORTEST: usize = 4;

fn digit(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).map(|d| d as u8)
}

/// The byte at `at` with its prefix, and where it ends.
fn unit(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    if let [b'\\' | b'0', b'x' | b'X', ..] = bytes[at..] {
        at += 2;
    }
    let value = digit(*bytes.get(at)?)? << 4 | digit(*bytes.get(at + 1)?)?;
    Some((value, at + 2))
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut after_word = false;
    while at < bytes.len() {
        let starts = bytes[at] == b'\\' || (digit(bytes[at]).is_some() && !after_word);
        if !starts {
            after_word = bytes[at].is_ascii_alphanumeric();
            at += 1;
            continue;
        }
        let (edit, end, cut) = read(text, at, edits.reach());
        after_word = bytes[end - 1].is_ascii_alphanumeric() && !(cut && edit.is_some());
        if let Some(edit) = edit
            && !edits.push(edit)
        {
            return;
        }
        at = end;
    }
}

/// Reads as many bytes as there are from `start`; where to look next, and whether there are more bytes than `room`.
fn read(text: &str, start: usize, room: usize) -> (Option<Edit>, usize, bool) {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut runs = Runs::default();
    let (mut at, mut end) = (start, start);
    while let Some((value, to)) = unit(bytes, at)
        && decoded.len() < room
    {
        if value < 9 || (14..32).contains(&value) || value == 0x7f {
            return (None, to, false); // no text
        }
        // A byte takes the separator before it along: equal steps are one run of the map.
        runs.whole(if decoded.is_empty() { at } else { end }..to, 1);
        decoded.push(value);
        end = to;
        at = to;
        while at < bytes.len()
            && at - to < 2
            && matches!(bytes[at], b' ' | b',' | b':' | b'-' | b'\n' | b';')
        {
            at += 1;
        }
    }
    let next = end.max(start + 1);
    let cut = decoded.len() == room;
    // A letter or digit behind it: a word, a name, an odd number of digits.
    if decoded.len() < SHORTEST || (!cut && bytes.get(end).is_some_and(u8::is_ascii_alphanumeric)) {
        return (None, next, cut);
    }
    // A constant of 32 bits is often four letters: file types, error codes.
    if decoded.len() == 4 && matches!(bytes[start..], [b'0', b'x' | b'X', ..]) {
        return (None, next, cut);
    }
    let Ok(decoded) = String::from_utf8(decoded) else {
        return (None, next, cut);
    };
    let verdict = judge(&decoded);
    let short = verdict == Verdict::Printable && decoded.len() < 12;
    let edit = (verdict != Verdict::Noise && !short).then_some(Edit {
        span: start..end,
        text: decoded,
        runs,
        verdict,
    });
    (edit, next, cut)
}
