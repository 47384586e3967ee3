//! Where a text was changed, so that what points into it can follow.

use std::ops::Range;

use super::Mask;

/// Where a piece of a text stands after it was changed, in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here.
    At(Range<usize>),
    /// It was replaced, or cut in two.
    Gone,
    /// Nobody knows yet.
    Held,
}

/// What was replaced in a text, in characters.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// So many have passed.
    taken: usize,
    /// Ranges of the text as it came, and how long what took their place is.
    list: Vec<(Range<usize>, usize)>,
    /// Nothing more passes.
    pub(super) stopped: bool,
}

impl Changes {
    pub(super) fn note(&mut self, text: &str, masks: &[Mask<'_>]) {
        let mut at = 0;
        for (range, with) in masks {
            self.taken += chars(text, at..range.start);
            let start = self.taken;
            self.taken += chars(text, range.clone());
            self.list.push((start..self.taken, with.chars().count()));
            at = range.end;
        }
        self.taken += chars(text, at..text.len());
    }

    pub(super) fn place(&self, piece: &Range<usize>) -> Place {
        if piece.end > self.taken {
            return match self.stopped {
                true => Place::Gone,
                false => Place::Held,
            };
        }
        let (mut start, mut end) = (piece.start, piece.end);
        for (from, to) in &self.list {
            if from.start >= piece.end {
                break;
            }
            let inside = from.start <= piece.start && piece.end <= from.end;
            let before = from.end <= piece.start;
            let around = piece.start <= from.start && from.end <= piece.end;
            if !before && (inside || !around) {
                return Place::Gone;
            }
            if before {
                start = start + to - from.len();
            }
            end = end + to - from.len();
        }
        Place::At(start..end)
    }
}

fn chars(text: &str, range: Range<usize>) -> usize {
    text.get(range).unwrap_or_default().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_follow_the_text_or_are_gone() {
        let mut changes = Changes::default();
        // "\u{e9} secret, Ana said": the second and the fourth word are replaced, in two goes.
        changes.note("\u{e9} secret, ", &[(3..9, "[WORD]!!".into())]);
        changes.note("Ana said", &[(0..3, "X".into())]);
        assert_eq!(changes.place(&(0..1)), Place::At(0..1));
        assert_eq!(changes.place(&(0..8)), Place::At(0..10));
        assert_eq!(changes.place(&(14..18)), Place::At(14..18));
        assert_eq!(changes.place(&(9..18)), Place::At(11..18));
        assert_eq!(changes.place(&(13..14)), Place::At(13..14));
        for inside in [2..8, 3..5, 0..4, 7..9, 10..13] {
            assert_eq!(changes.place(&inside), Place::Gone, "{inside:?}");
        }
        assert_eq!(changes.place(&(14..19)), Place::Held);
        changes.stopped = true;
        assert_eq!(changes.place(&(14..19)), Place::Gone);
    }
}
