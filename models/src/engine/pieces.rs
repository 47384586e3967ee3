//! Cutting a long text where no tokenizer would notice.

use std::ops::Range;

/// Cuts `text` into pieces of about `target` bytes, never more than that plus one character.
///
/// The best place is in front of a single space between two words: tokenizers that see words alone (BERT), that keep
/// the space with the word behind it (byte-level BPE), and that turn it into a mark (SentencePiece) all give the same
/// tokens for the pieces as for the whole. Where the second half of a piece has no such place, any white space will
/// do, then any place that is not inside a word, then any character.
pub(crate) fn cut(text: &str, target: usize) -> Vec<Range<usize>> {
    let target = target.max(16);
    let mut pieces = Vec::with_capacity(text.len() / target + 1);
    let mut start = 0;
    while text.len() - start > target {
        let end = place(text, start, start + target);
        pieces.push(start..end);
        start = end;
    }
    pieces.push(start..text.len());
    pieces
}

/// Where to cut between the middle of `start..limit` and `limit`; after `start` in any case.
fn place(text: &str, start: usize, limit: usize) -> usize {
    let limit = floor_char(text, limit);
    let middle = floor_char(text, start + (limit - start) / 2).max(start + 1);
    let (mut space, mut outside) = (None, None);
    let mut behind = text[limit..].chars().next();
    for (at, here) in text[start..limit].char_indices().rev() {
        let at = start + at;
        if at < middle || at <= start {
            break;
        }
        let before = text[start..at].chars().next_back();
        let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
        if here == ' ' && !is_space(before) && !is_space(behind) {
            return at;
        }
        if here.is_whitespace() && !is_space(before) {
            space = space.or(Some(at));
        }
        if !here.is_alphanumeric() && before.is_some_and(|c| c.is_alphanumeric()) && here.is_ascii()
        {
            outside = outside.or(Some(at));
        }
        behind = Some(here);
    }
    space.or(outside).unwrap_or(if limit > start {
        limit
    } else {
        ceil_char(text, start + 1)
    })
}

/// The last character boundary at or before `at`.
pub(crate) fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first character boundary at or after `at`.
pub(crate) fn ceil_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // One piece is what is meant.
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_texts_stay_whole() {
        assert_eq!(cut("", 100), [0..0]);
        assert_eq!(cut("two words", 100), [0..9]);
    }

    #[test]
    fn the_space_goes_with_the_word_behind_it() {
        let text = "alpha beta gamma delta epsilon";
        let parts: Vec<&str> = cut(text, 16).into_iter().map(|p| &text[p]).collect();
        assert_eq!(parts, ["alpha beta", " gamma delta", " epsilon"]);
    }

    #[test]
    fn without_white_space_a_text_is_cut_between_characters() {
        let text = "語".repeat(100);
        let parts = cut(&text, 16);
        assert!(parts.len() >= 20);
        assert!(parts.iter().all(|p| text.get(p.clone()).is_some()));
    }

    proptest! {
        #[test]
        fn pieces_lie_side_by_side_and_are_bounded(text in "\\PC{0,300}", target in 16usize..64) {
            let pieces = cut(&text, target);
            let mut next = 0;
            for piece in &pieces {
                prop_assert_eq!(piece.start, next);
                prop_assert!(text.is_char_boundary(piece.end));
                prop_assert!(piece.len() <= target);
                prop_assert!(text.is_empty() || !piece.is_empty());
                next = piece.end;
            }
            prop_assert_eq!(next, text.len());
        }
    }
}
