//! Takes stacked and overlaid combining marks ("zalgo", struck-out letters) off their letters.
//!
//! Runs after NFKC, which has composed what real spelling needs. Only the generic combining blocks are touched;
//! marks of Hebrew, Arabic, Indic or Thai writing are other characters and stay.

use super::offsets::Layer;
use super::rewrite::Rewriter;

/// Generic combining marks (script Inherited): the blocks of diacritical marks and half marks, Cyrillic's enclosing ones.
fn is_generic_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Strokes, underlines and enclosures, which no alphabet puts on a Latin letter this way.
fn is_overlay(c: char) -> bool {
    matches!(c, '\u{305}' | '\u{332}'..='\u{338}' | '\u{33f}' | '\u{488}' | '\u{489}' | '\u{20d0}'..='\u{20ff}')
}

/// On a Latin letter two left over after composition are one too many, on another three.
fn is_stack(base: char, marks: &str) -> bool {
    let limit = if base.is_ascii() { 2 } else { 3 };
    marks.chars().nth(limit - 1).is_some()
        || (base.is_ascii_alphabetic() && marks.chars().any(is_overlay))
}

pub(super) fn step(text: &str) -> Option<(String, Layer)> {
    if text.is_ascii() {
        return None;
    }
    let mut out = Rewriter::new(text);
    let mut base = (0, ' '); // where its marks would begin
    for (at, c) in text.char_indices() {
        if is_generic_mark(c) {
            continue;
        }
        if base.0 < at && is_stack(base.1, &text[base.0..at]) {
            out.remove(base.0..at);
        }
        base = (at + c.len_utf8(), c);
    }
    if base.0 < text.len() && is_stack(base.1, &text[base.0..]) {
        out.remove(base.0..text.len());
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_and_strokes_go_and_spelling_stays() {
        let run = |text: &str| step(text).map_or_else(|| text.to_owned(), |(t, _)| t);
        assert_eq!(
            run("i\u{316}\u{317}\u{310}g\u{301}\u{302}\u{303}n\u{336}o\u{336}re"),
            "ignore"
        );
        for text in [
            "n\u{308}andu",
            "ọ\u{300}rọ\u{300}",
            "שָׁלוֹם",
            "لغةٌ عَرَبِيَّة",
            "ภาษาไทยที่นี่",
            "क्षत्रिय",
            "1\u{fe0f}\u{20e3}",
            "и\u{301}",
        ] {
            assert!(step(text).is_none(), "{text}");
        }
    }
}
