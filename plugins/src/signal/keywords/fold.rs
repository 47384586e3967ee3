//! Texts as keywords are compared: one case, and every run of white space one blank.

use std::borrow::Cow;

/// `text` with each run of white space as one blank, so that `credit card` is found across a line's end; and, with
/// `case`, in one case. Borrowed where that changes nothing.
pub(super) fn fold(text: &str, case: bool) -> Cow<'_, str> {
    if text.is_ascii() && !has_white_runs(text.as_bytes()) {
        // Nearly all prompts in English: no character needs a look of its own.
        return match case && text.bytes().any(|b| b.is_ascii_uppercase()) {
            true => Cow::Owned(text.to_ascii_lowercase()),
            false => Cow::Borrowed(text),
        };
    }
    let mut blank = false;
    let same = text.chars().all(|c| {
        let again = blank && c == ' ';
        blank = c == ' ';
        !again && (c == ' ' || !c.is_whitespace()) && (!case || fold_char(c) == c)
    });
    if same {
        return Cow::Borrowed(text);
    }
    let mut folded = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.chars() {
        let white = c.is_whitespace();
        if white && !blank {
            folded.push(' ');
        } else if !white {
            folded.push(if case { fold_char(c) } else { c });
        }
        blank = white;
    }
    Cow::Owned(folded)
}

/// Is there white space in ASCII text other than single blanks? Both loops are without an early exit inside a chunk, so
/// that the compiler vectorises them.
fn has_white_runs(text: &[u8]) -> bool {
    let is_other_white = |b: u8| matches!(b, b'\t'..=b'\r');
    text.chunks(1024).any(|chunk| {
        chunk
            .iter()
            .fold(false, |found, &b| found | is_other_white(b))
    }) || memchr::memmem::find(text, b"  ").is_some()
}

/// Unicode's simple case folding, up to the choice of the representative: two characters are folded to the same one
/// exactly where Unicode (CaseFolding.txt, statuses C and S) folds them to the same one. A test compares the two.
pub(super) fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    match c {
        // The dotless i is its own fold, though its upper case is `I`.
        'ı' => return c,
        // Equal to a character of the same look, though neither has a simple upper case.
        '\u{1FD3}' => return '\u{0390}',
        '\u{1FE3}' => return '\u{03B0}',
        '\u{FB05}' => return '\u{FB06}',
        _ => {}
    }
    let upper = single(c.to_uppercase()).unwrap_or(c);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// The only character of an iterator; `None` where there are several: these are full foldings, not simple ones.
fn single(mut chars: impl Iterator<Item = char>) -> Option<char> {
    let first = chars.next();
    match chars.next() {
        None => first,
        Some(_) => None,
    }
}

/// Is there a boundary between these neighbours (`None`: the text's end)?
pub(super) fn boundary(before: Option<char>, after: Option<char>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            !(regex_syntax::is_word_character(before) && regex_syntax::is_word_character(after))
                || is_unspaced(before)
                || is_unspaced(after)
        }
        _ => true,
    }
}

/// Does the character belong to a script that writes no spaces between words, or glues particles to them?
/// The main blocks of Unicode 16: Thai and Lao, Burmese, Hangul Jamo, Khmer, Kana and Han, Hangul, and the
/// ideographs of the supplementary planes.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF
        | 0x1000..=0x109F
        | 0x1100..=0x11FF
        | 0x1780..=0x17FF
        | 0x2E80..=0x2FDF
        | 0x3005..=0x3007
        | 0x3040..=0x318F
        | 0x31A0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xA960..=0xA97F
        | 0xA9E0..=0xA9FF
        | 0xAA60..=0xAA7F
        | 0xAC00..=0xD7FF
        | 0xF900..=0xFAFF
        | 0xFF66..=0xFFDC
        | 0x20000..=0x3FFFF)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

    use super::*;

    #[test]
    fn folds_exactly_what_unicode_folds() {
        // The standard library may know a newer Unicode than the tables that this compares with.
        let unassigned = regex::Regex::new(r"\p{Cn}").unwrap();
        for c in ('\0'..=char::MAX).filter(|c| !unassigned.is_match(c.encode_utf8(&mut [0; 4]))) {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
            class.case_fold_simple();
            let mut size = 0_usize;
            for range in class.ranges() {
                for other in range.start()..=range.end() {
                    size += 1;
                    assert_eq!(fold_char(other), fold_char(c), "{c:?} and {other:?}");
                }
            }
            // A fold outside the class would make `c` equal to strangers.
            let folded = fold_char(c);
            let inside = (class.ranges().iter()).any(|r| r.start() <= folded && folded <= r.end());
            assert!(inside, "{c:?} folds to {folded:?}, class of {size}");
        }
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in '\0'..=char::MAX {
            assert_eq!(fold_char(fold_char(c)), fold_char(c), "{c:?}");
        }
    }

    #[test]
    fn white_space_becomes_one_blank() {
        assert_eq!(fold("a\u{a0}\n\t b  C", true), "a b c");
        assert_eq!(fold("a\u{a0}\n\t b  C", false), "a b C");
        assert!(matches!(fold("no change", true), Cow::Borrowed(_)));
        assert!(matches!(fold("No Change", false), Cow::Borrowed(_)));
        assert_eq!(fold("two  blanks", false), "two blanks");
        assert_eq!(fold("", true), "");
    }
}
