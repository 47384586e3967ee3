//! Words with only zero-width characters between them: `ignore|all`.
//!
//! Normalising takes the characters out and leaves one long word, which is right where they cut a word apart and wrong
//! where they stand for a space. Where most pieces are words, this gives them back their spaces.

use super::super::offsets::Runs;
use super::super::words::{Verdict, is_known};
use super::{Edit, Edits};

fn is_joint(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}' | '\u{180e}')
}

/// A piece of one letter is no word here.
fn is_word(piece: &str) -> bool {
    piece.len() > 1 && is_known(piece)
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    if text.is_ascii() {
        return;
    }
    let mut at = 0;
    while let Some(n) = text[at..].find(is_joint) {
        let outside = |c: char| !c.is_ascii_alphabetic() && !is_joint(c);
        let joint = at + n;
        let start = text[at..joint].rfind(outside).map_or(at, |i| {
            at + i + text[at + i..].chars().next().map_or(1, char::len_utf8)
        });
        let end = text[joint..]
            .find(outside)
            .map_or(text.len(), |n| joint + n);
        let end = end.min(super::super::floor(
            text,
            start.saturating_add(edits.reach()).max(joint + 4),
        ));
        at = end;
        let token = &text[start..end];
        let pieces = token.split(is_joint).filter(|p| !p.is_empty());
        let (all, words) = pieces.fold((0, 0), |(all, words), p| {
            (all + 1, words + usize::from(is_word(p)))
        });
        if words < 2 || words * 2 < all {
            continue;
        }
        let (mut out, mut runs) = (String::with_capacity(token.len()), Runs::default());
        for (i, c) in token.char_indices() {
            let source = start + i..start + i + c.len_utf8();
            if is_joint(c) {
                out.push(' ');
                runs.whole(source, 1);
            } else {
                out.push(c);
                runs.copy(source);
            }
        }
        if !edits.push(Edit {
            span: start..end,
            text: out,
            runs,
            verdict: Verdict::Prose,
        }) {
            return;
        }
    }
}
