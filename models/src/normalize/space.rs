//! White space: every Unicode space becomes a plain one, repeats become one, an empty line or more stays one empty line.

use super::offsets::Layer;
use super::rewrite::Rewriter;

/// White space, and letters and symbols that print as nothing but take room (Hangul fillers, the Braille blank).
pub(super) fn is_space(c: char) -> bool {
    match c {
        ' ' | '\t'..='\r' => true,
        _ if c.is_ascii() => false,
        '\u{2800}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => true,
        _ => c.is_whitespace(),
    }
}

/// What a run of white space becomes.
fn folded(run: &str) -> &'static str {
    let mut lines = 0;
    let mut after_return = false;
    for c in run.chars() {
        let is_line = matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
        lines += usize::from(is_line && !(c == '\n' && after_return));
        after_return = c == '\r';
    }
    match lines {
        0 => " ",
        1 => "\n",
        _ => "\n\n",
    }
}

/// Whether a white space character may begin with this byte in UTF-8.
fn may_be_space(b: u8) -> bool {
    b <= b' ' || matches!(b, 0xc2 | 0xe1..=0xe3 | 0xef)
}

pub(super) fn step(text: &str) -> Option<(String, Layer)> {
    let mut out = Rewriter::new(text);
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let b = bytes[at];
        if !may_be_space(b) {
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let len = rest.find(|c| !is_space(c)).unwrap_or(rest.len());
        if len == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let run = &rest[..len];
        let with = folded(run);
        if run != with {
            out.replace(at..at + len, with);
        }
        at += len;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_space_begins_otherwise() {
        for c in ('\0'..=char::MAX).filter(|&c| is_space(c)) {
            assert!(
                may_be_space(c.encode_utf8(&mut [0; 4]).as_bytes()[0]),
                "{c:?}"
            );
        }
    }

    #[test]
    fn runs_fold_and_lines_stay() {
        let run = |text: &str| step(text).map_or_else(|| text.to_owned(), |(t, _)| t);
        assert_eq!(
            run("a  b\u{a0}c\u{3000}\u{2003}d\te\u{2800}f"),
            "a b c d e f"
        );
        assert_eq!(run("a\r\n  b\r\n\r\n\r\nc\u{2028}d"), "a\nb\n\nc\nd");
        assert!(step("one two\nthree\n\nfour 漢字").is_none());
    }
}
