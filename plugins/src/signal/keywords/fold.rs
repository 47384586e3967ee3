//! Texts as keywords are compared: one case, and every run of white space one blank.

use std::borrow::Cow;

use crate::ascii;

/// `text` with each run of white space as one blank, so that `credit card` is found across a line's end; and, with
/// `case`, in one case. Borrowed where that changes nothing.
pub(super) fn fold(text: &str, case: bool) -> Cow<'_, str> {
    let mut folded = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (ascii, others) = rest.split_at(ascii::prefix(rest.as_bytes()));
        push_ascii(&mut folded, ascii.as_bytes(), case);
        let mut chars = others.chars();
        rest = others;
        while let Some(c) = chars.next().filter(|c| !c.is_ascii()) {
            let c = match c {
                white if white.is_whitespace() => ' ',
                other if case => fold_char(other),
                other => other,
            };
            folded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = chars.as_str();
        }
    }
    if memchr::memmem::find(&folded, b"  ").is_some() {
        folded = in_one_blank(&folded);
    }
    if folded == text.as_bytes() {
        return Cow::Borrowed(text);
    }
    // It is made of whole characters.
    String::from_utf8(folded).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Each byte by itself, without a branch, so that the compiler vectorises it.
fn push_ascii(to: &mut Vec<u8>, text: &[u8], case: bool) {
    let start = to.len();
    to.extend_from_slice(text);
    let added = &mut to[start..];
    if case {
        added.make_ascii_lowercase();
    }
    for byte in added {
        // In ASCII these are what `char::is_whitespace` knows besides the blank.
        *byte = if (b'\t'..=b'\r').contains(byte) {
            b' '
        } else {
            *byte
        };
    }
}

/// Runs of blanks become one.
fn in_one_blank(mut text: &[u8]) -> Vec<u8> {
    let mut one = Vec::with_capacity(text.len());
    while let Some(at) = memchr::memmem::find(text, b"  ") {
        one.extend_from_slice(&text[..=at]);
        let more = text[at..].iter().position(|&b| b != b' ');
        text = more.map_or(&[], |more| &text[at + more..]);
    }
    one.extend_from_slice(text);
    one
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

    proptest::proptest! {
        #[test]
        fn is_what_it_says_of_each_character(text in "([ -~]{0,40}|[ \t\n\u{a0}\u{85}ÄßçéıǅΣ日本a]{0,12}|\\PC{0,5}){0,4}", case: bool) {
            let mut plain = String::new();
            for c in text.chars() {
                match (c.is_whitespace(), case) {
                    (true, _) if plain.ends_with(' ') => {}
                    (true, _) => plain.push(' '),
                    (false, true) => plain.push(fold_char(c)),
                    (false, false) => plain.push(c),
                }
            }
            proptest::prop_assert_eq!(fold(&text, case), plain);
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
