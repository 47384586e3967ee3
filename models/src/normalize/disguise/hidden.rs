//! Text in characters that print as nothing.
//!
//! Tag characters (U+E0020 to U+E007E) are ASCII moved up; variation selectors 1 to 256 have been used as the bytes 0 to
//! 255. Flags by tags, and single selectors after a symbol, are no hiding place.

use super::super::invisible::flag_len;
use super::super::offsets::Runs;
use super::super::words::{Verdict, judge};
use super::{Edit, Edits};

/// Fewer hidden characters say nothing.
const SHORTEST: usize = 4;

fn tag(c: char) -> Option<u8> {
    matches!(c, '\u{e0020}'..='\u{e007e}').then(|| (u32::from(c) - 0xe0000) as u8)
}

fn selector(c: char) -> Option<u8> {
    match c {
        '\u{fe00}'..='\u{fe0f}' => Some((u32::from(c) - 0xfe00) as u8),
        '\u{e0100}'..='\u{e01ef}' => Some((u32::from(c) - 0xe0100 + 16) as u8),
        _ => None,
    }
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    if text.is_ascii() {
        return;
    }
    let mut at = 0;
    while let Some(n) =
        text[at..].find(|c| tag(c).is_some() || selector(c).is_some() || c == '\u{1f3f4}')
    {
        let start = at + n;
        let rest = &text[start..];
        if let Some(flag) = rest.strip_prefix('\u{1f3f4}') {
            at = start + 4 + flag_len(flag).unwrap_or(0);
            continue;
        }
        let value = if rest.starts_with(|c| tag(c).is_some()) {
            tag
        } else {
            selector
        };
        let mut runs = Runs::default();
        let mut bytes = Vec::new();
        at = start;
        for c in rest.chars() {
            let Some(byte) = value(c) else { break };
            if bytes.len() < edits.reach() {
                bytes.push(byte);
                runs.whole(at..at + c.len_utf8(), 1);
            }
            at += c.len_utf8();
        }
        if bytes.len() < SHORTEST {
            continue;
        }
        let Ok(hidden) = String::from_utf8(bytes) else {
            continue;
        };
        // Nobody hides what may be seen: printable is enough.
        let verdict = if judge(&hidden) == Verdict::Noise {
            Verdict::Noise
        } else {
            Verdict::Prose
        };
        if !edits.push(Edit {
            span: start..at,
            text: hidden,
            runs,
            verdict,
        }) {
            return;
        }
    }
}
