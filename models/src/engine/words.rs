//! Which tokens make a word.
//!
//! Pre-tokenizers disagree: for some, punctuation is a word of its own, for others everything between two spaces is
//! one word, a whole Chinese sentence too. So the text decides, in the same way for every tokenizer.

use std::ops::Range;

use super::pieces::floor_char;

/// `bytes` of `text` without white space at its ends.
pub(crate) fn trimmed(text: &str, bytes: Range<usize>) -> Range<usize> {
    let Some(inside) = text.get(bytes.clone()) else {
        return bytes.start..bytes.start;
    };
    let start = bytes.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}

/// Whether the token at `next` goes on with the word at `word`: it is a part of the same character, or nothing lies
/// between two letters or digits of a script that puts spaces between its words.
pub(crate) fn joined(text: &str, word: &Range<usize>, next: &Range<usize>) -> bool {
    if next.start < word.end {
        return true;
    }
    if next.start > word.end {
        return false;
    }
    let at = floor_char(text, next.start);
    let before = text[..at].chars().next_back();
    let behind = text[at..].chars().next();
    before.is_some_and(in_word) && behind.is_some_and(in_word)
}

/// Letters, digits and marks of scripts with spaces.
fn in_word(c: char) -> bool {
    (c.is_alphanumeric() || is_mark(c)) && !without_spaces(c)
}

/// Combining marks in the blocks of that name; other scripts' vowel signs are alphanumeric already or rare.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, Kana, Han.
fn without_spaces(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}'
        | '\u{1000}'..='\u{109f}'
        | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_at_punctuation_space_and_between_han() {
        let joins = |text: &str, at: usize| joined(text, &(0..at), &(at..text.len()));
        assert!(joins("abcd", 2));
        assert!(joins("été", 2));
        assert!(joins("서울", 3));
        assert!(!joins("a.b", 1));
        assert!(!joins("北京", 3));
        assert!(!joined("a b", &(0..1), &(2..3)));
        // Two tokens of one character.
        assert!(joined("€", &(0..3), &(0..3)));
    }

    #[test]
    fn trimming_leaves_nothing_of_blanks() {
        assert_eq!(trimmed(" ab ", 0..4), 1..3);
        assert!(trimmed("a \u{a0}b", 1..4).is_empty());
    }
}
