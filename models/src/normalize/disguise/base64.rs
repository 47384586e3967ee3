//! Base64: both alphabets, padded or not, wrapped in lines or not.
//!
//! Written by hand, since a decoder from a library would not say which byte came from where, and would first have to be
//! told where the data is.

use std::ops::Range;

use super::super::offsets::Runs;
use super::super::words::{Verdict, judge};
use super::{Edit, Edits};

/// `ignore` has eight characters; a short find must consist of known words.
const SHORTEST: usize = 8;
/// A wrapped line has at least this many.
const LINE: usize = 32;

/// By byte: the value of a base64 character, with [`STANDARD`] or [`URL_SAFE`] where only one alphabet has it; [`NONE`].
const SEXTETS: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut i = 0;
    while i < 26 {
        table[b'A' as usize + i] = i as u8;
        table[b'a' as usize + i] = 26 + i as u8;
        if i < 10 {
            table[b'0' as usize + i] = 52 + i as u8;
        }
        i += 1;
    }
    table[b'+' as usize] = 62 | STANDARD;
    table[b'/' as usize] = 63 | STANDARD;
    table[b'-' as usize] = 62 | URL_SAFE;
    table[b'_' as usize] = 63 | URL_SAFE;
    table
};
const STANDARD: u8 = 0x40;
const URL_SAFE: u8 = 0x80;
const NONE: u8 = 0xff;

/// The value of a character, and which alphabet it betrays.
fn sextet(b: u8) -> Option<(u8, u8)> {
    let entry = SEXTETS[usize::from(b)];
    (entry != NONE).then_some((entry & 0x3f, entry & 0xc0))
}

fn run_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|&b| sextet(b).is_none())
        .map_or(bytes.len(), |n| from + n)
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let first = run_end(bytes, at);
        if first - at < SHORTEST {
            at = first + 1;
            continue;
        }
        let span = at..with_further_lines(bytes, at, first);
        at = span.end;
        let go_on = match decode(text, span.clone(), edits.reach()) {
            Some(edit) => {
                at = at.min(edit.span.end.max(span.start + 4)); // a long one goes on
                edits.push(edit)
            }
            None => parts(text, span, edits),
        };
        if !go_on {
            return;
        }
    }
}

/// The end of a block whose first line is `start..end`: lines of one length, the last one maybe shorter.
fn with_further_lines(bytes: &[u8], start: usize, mut end: usize) -> usize {
    let width = end - start;
    if width < LINE {
        return end;
    }
    loop {
        let mut next = end;
        while next < bytes.len()
            && next - end < 64
            && matches!(bytes[next], b'\n' | b'\r' | b' ' | b'\t')
        {
            next += 1;
        }
        if next >= bytes.len() || !bytes[end..next].contains(&b'\n') {
            return end;
        }
        let to = run_end(bytes, next);
        let len = to - next;
        let closed = bytes
            .get(to)
            .is_none_or(|b| matches!(b, b'\n' | b'\r' | b'=' | b'"' | b'`' | b'\''));
        if len == 0 || len > width || !closed {
            return end;
        }
        end = to;
        if len < width {
            return end;
        }
    }
}

/// A path or a hyphenated word may have its pieces encoded.
fn parts(text: &str, span: Range<usize>, edits: &mut Edits) -> bool {
    let mut start = span.start;
    let bytes = text.as_bytes();
    for i in span.clone().chain([span.end]) {
        if i < span.end && bytes[i].is_ascii_alphanumeric() {
            continue;
        }
        if i - start >= SHORTEST
            && (start, i) != (span.start, span.end)
            && let Some(edit) = decode(text, start..i, edits.reach())
            && !edits.push(edit)
        {
            return false;
        }
        start = i + 1;
    }
    true
}

/// Decodes a stretch; nothing when it is no text.
fn decode(text: &str, mut span: Range<usize>, room: usize) -> Option<Edit> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::new();
    let mut runs = Runs::default();
    let (mut group, mut filled, mut start, mut alphabet) = (0u32, 0u32, span.start, 0);
    for i in span.clone() {
        let Some((value, only)) = sextet(bytes[i]) else {
            continue;
        }; // a line end
        alphabet |= only;
        if filled == 0 {
            start = i;
        }
        group = group << 6 | u32::from(value);
        filled += 1;
        if filled == 4 {
            decoded.extend_from_slice(&group.to_be_bytes()[1..]);
            runs.whole(start..i + 1, 3);
            (group, filled) = (0, 0);
            if (decoded.len() == 12 && hopeless(&decoded)) || alphabet == STANDARD | URL_SAFE {
                return None;
            }
            if decoded.len() >= room {
                span.end = i + 1;
                break;
            }
        }
    }
    if filled != 1 {
        // Padding belongs to the last group.
        span.end += bytes[span.end..]
            .iter()
            .take(2)
            .take_while(|&&b| b == b'=')
            .count();
    }
    match filled {
        1 => return None,
        2 => {
            decoded.push((group >> 4) as u8);
            runs.whole(start..span.end, 1);
        }
        3 => {
            decoded.extend_from_slice(&((group >> 2) as u16).to_be_bytes());
            runs.whole(start..span.end, 2);
        }
        _ => {}
    }
    let text = readable(decoded, &runs)?;
    let verdict = judge(&text);
    // A short find that is no words may only be a word that happens to decode.
    let short = verdict == Verdict::Printable && text.len() < 12;
    (verdict != Verdict::Noise && !short).then_some(Edit {
        span,
        text,
        runs,
        verdict,
    })
}

/// The bytes as text, if they are; cut short by the room that was left, they may end within a character.
fn readable(mut decoded: Vec<u8>, runs: &Runs) -> Option<String> {
    if let Err(error) = std::str::from_utf8(&decoded) {
        if error.error_len().is_some() || error.valid_up_to() + 4 < decoded.len() {
            return None;
        }
        // Bytes of half a character become blanks, so that the map stays as it is.
        decoded[error.valid_up_to()..].fill(b' ');
    }
    debug_assert_eq!(decoded.len(), runs.len());
    String::from_utf8(decoded).ok()
}

/// Whether the first bytes cannot begin a text.
fn hopeless(bytes: &[u8]) -> bool {
    let control = bytes
        .iter()
        .any(|&b| b < 9 || (14..32).contains(&b) || b == 0x7f);
    control || std::str::from_utf8(bytes).is_err_and(|e| e.error_len().is_some())
}
