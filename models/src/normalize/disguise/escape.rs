//! Escapes of the web: `%69`, `&#105;`, `\u0069`.
//!
//! An escape is a disguise where it is needless: letters and digits need none. So punctuation, quotes and accents in
//! URLs, HTML and JSON give no candidate, unless what comes out is whole sentences.

use std::ops::Range;

use super::super::offsets::Runs;
use super::super::words::{Verdict, count_words, judge};
use super::{Edit, Edits};

/// Escapes with at most this many bytes between them are decoded together.
const NEAR: usize = 16;
/// Fewer needless escapes happen by accident.
const NEEDLESS: usize = 3;

/// One escape: what it stands for and its length.
type Parse = fn(&str) -> Option<(char, usize)>;

pub(super) fn find_html(text: &str, edits: &mut Edits) {
    find(text, "&#", html, edits);
}

pub(super) fn find_unicode(text: &str, edits: &mut Edits) {
    find(text, "\\", unicode, edits);
}

fn number(digits: &str, radix: u32) -> Option<u32> {
    (!digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_alphanumeric()))
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

/// `&#105;` or `&#x69;`.
fn html(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix("&#")?;
    let end = body.bytes().take(10).position(|b| b == b';')?;
    let code = match body[..end].strip_prefix(['x', 'X']) {
        Some(hex) => number(hex, 16)?,
        None => number(&body[..end], 10)?,
    };
    Some((char::from_u32(code)?, end + 3))
}

/// `\u0069`, also as a surrogate pair, `\u{69}` or `\U00000069`.
fn unicode(text: &str) -> Option<(char, usize)> {
    let four = |text: &str| number(text.strip_prefix("\\u")?.get(..4)?, 16);
    if let Some(body) = text.strip_prefix("\\u{") {
        let end = body.bytes().take(8).position(|b| b == b'}')?;
        return Some((char::from_u32(number(&body[..end], 16)?)?, end + 4));
    }
    if let Some(body) = text.strip_prefix("\\U") {
        return Some((char::from_u32(number(body.get(..8)?, 16)?)?, 10));
    }
    let high = four(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    let low = four(text.get(6..)?)?;
    let pair = [high as u16, low as u16];
    Some((char::decode_utf16(pair).next()?.ok()?, 12))
}

fn find(text: &str, mark: &str, parse: Parse, edits: &mut Edits) {
    let mut at = 0;
    while let Some(n) = text[at..].find(mark) {
        let start = at + n;
        at = start + mark.len();
        if parse(&text[start..]).is_none() {
            continue;
        }
        let mut stretch = Stretch::default();
        let mut here = start;
        while let Some((c, len)) = parse(&text[here..])
            && stretch.text.len() < edits.reach()
        {
            stretch.letter(c, here..here + len);
            here += len;
            at = here;
            // On to the next one, if it is near.
            let near = text[here..]
                .bytes()
                .take(NEAR + mark.len())
                .collect::<Vec<_>>();
            let Some(n) = near.windows(mark.len()).position(|w| w == mark.as_bytes()) else {
                break;
            };
            if parse(&text[here + n..]).is_none() {
                break;
            }
            stretch.plain(text, here..here + n);
            here += n;
        }
        if let Some(edit) = stretch.finish(start..at)
            && !edits.push(edit)
        {
            return;
        }
    }
}

/// A stretch of escapes and what lies between them, decoded.
#[derive(Default)]
struct Stretch {
    text: String,
    runs: Runs,
    ascii: usize,
    letters: usize,
}

impl Stretch {
    fn letter(&mut self, c: char, source: Range<usize>) {
        self.ascii += usize::from(c.is_ascii_alphanumeric());
        self.letters += usize::from(c.is_alphabetic());
        self.text.push(c);
        self.runs.whole(source, c.len_utf8());
    }

    fn plain(&mut self, text: &str, source: Range<usize>) {
        self.text.push_str(&text[source.clone()]);
        self.runs.copy(source);
    }

    fn finish(self, span: Range<usize>) -> Option<Edit> {
        let verdict = if self.ascii >= NEEDLESS {
            Verdict::Prose
        } else if self.letters >= 8 {
            judge(&self.text)
        } else {
            return None;
        };
        Some(Edit {
            span,
            text: self.text,
            runs: self.runs,
            verdict,
        })
    }
}

pub(super) fn find_percent(text: &str, edits: &mut Edits) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let mut at = 0;
    while let Some(n) = text[at..].find('%') {
        let sign = at + n;
        let start = text[at..sign]
            .char_indices()
            .rfind(|&(_, c)| ends(c))
            .map_or(at, |(i, c)| at + i + c.len_utf8());
        let end = text[sign..].find(ends).map_or(text.len(), |n| sign + n);
        at = end;
        if let Some(edit) = percent(text, start..end, edits.reach())
            && !edits.push(edit)
        {
            return;
        }
    }
}

/// Decodes a token from its first to its last escape.
fn percent(text: &str, token: Range<usize>, room: usize) -> Option<Edit> {
    let bytes = text.as_bytes();
    let escape = |i: usize| {
        let [b'%', high, low, ..] = bytes[i..token.end] else {
            return None;
        };
        let digit = |b: u8| char::from(b).to_digit(16);
        Some((digit(high)? << 4 | digit(low)?) as u8)
    };
    // The word that an escape stands in belongs to it; the host and path of a URL before it do not.
    let first = token.clone().find(|&i| escape(i).is_some())?;
    let start = (token.start..first)
        .rev()
        .find(|&i| !bytes[i].is_ascii_alphanumeric() && bytes[i] < 0x80)
        .map_or(token.start, |i| i + 1);
    let (mut decoded, mut runs) = (Vec::new(), Runs::default());
    let (mut needless, mut blanks, mut other) = (0, 0, 0);
    let mut i = start;
    while i < token.end && decoded.len() < room {
        if let Some(byte) = escape(i) {
            needless += usize::from(byte.is_ascii_alphanumeric());
            blanks += usize::from(byte == b' ');
            other += usize::from(byte >= 0x80);
            decoded.push(byte);
            runs.whole(i..i + 3, 1);
            i += 3;
        } else {
            decoded.push(bytes[i]);
            runs.copy(i..i + 1);
            i += 1;
        }
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let verdict = if needless >= NEEDLESS {
        Verdict::Prose
    } else if blanks >= 2 && count_words(&decoded).1 >= 2 || other >= 32 {
        judge(&decoded)
    } else {
        return None;
    };
    Some(Edit {
        span: start..i,
        text: decoded,
        runs,
        verdict,
    })
}
