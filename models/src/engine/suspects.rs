//! The windows of a text in which a guard sees most of what it looks for, and where to look again.

use std::ops::Range;

use super::again::LOOKS;
use super::combine;
use super::head::Head;
use super::tokens::Tokens;
use super::windows::Window;

/// A window, as suspicious as the labels of [`Combine::Max`](super::Combine::Max) are likely there.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// The probability of those labels together.
    pub score: f32,
    /// Pieces of the text that lie a little before and behind, in bytes; each fits into one window. None where that is
    /// the whole text.
    pub around: Vec<Range<usize>>,
}

/// So many windows are kept, the most suspicious first: those that are looked at again, and the next, which then may be
/// the worst.
const KEPT: usize = LOOKS + 1;

/// Where a piece begins that lies around a window, in sixteenths of a window from the window's begin.
const SHIFTS: [isize; 4] = [-6, -3, 3, 6];

/// Tokens that a piece has less than a window: cut out of its text, it may have a few more than within it.
const SLACK: usize = 4;

/// The most suspicious windows of a text, the worst first.
pub(crate) fn suspects(
    head: &Head,
    columns: &[usize],
    windows: &[Window],
    rows: &[&[f32]],
    (text, tokens): (&str, &Tokens),
) -> Vec<Suspect> {
    let mut one = Vec::new();
    let scored = windows.iter().zip(rows).map(|(window, row)| {
        combine::probabilities(row, head.temperature, &mut one);
        (combine::sum(&one, columns), window)
    });
    let mut scored: Vec<(f32, &Window)> = scored.collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(KEPT);
    let suspect = |(score, window): (f32, &Window)| Suspect {
        score,
        around: around(window, windows, text, tokens),
    };
    scored.into_iter().map(suspect).collect()
}

fn around(window: &Window, windows: &[Window], text: &str, tokens: &Tokens) -> Vec<Range<usize>> {
    if windows.len() < 2 {
        return Vec::new();
    }
    // The last window may be shorter than the others.
    let size = windows.first().map_or(0, |first| first.tokens.len());
    let length = size.saturating_sub(SLACK).max(1);
    let last = windows.last().map_or(0, |last| last.tokens.end);
    let piece = |shift: isize| {
        let by = size as isize * shift / 16;
        let start =
            (window.tokens.start.saturating_add_signed(by)).min(last.saturating_sub(length));
        let end = last.min(start + length);
        let (from, to) = (tokens.bytes(text, start), tokens.bytes(text, end - 1));
        from.start..to.end.max(from.start)
    };
    SHIFTS.into_iter().map(piece).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::head::tests_support::labelled;
    use crate::engine::options::Combine;
    use crate::engine::windows;

    fn guard() -> Head {
        labelled(Combine::Max(vec!["bad".to_owned()]), 1.0)
    }

    /// A text of one letter a token.
    fn letters(count: usize) -> (String, Tokens) {
        let ranges: Vec<Range<usize>> = (0..count).map(|at| at..at + 1).collect();
        ("a".repeat(count), Tokens::with_ranges(&ranges))
    }

    #[test]
    fn the_worst_windows_come_first_and_not_all_of_them() {
        let (text, tokens) = letters(340);
        let windows = windows::cut(340, 64, 16, 99);
        let logits: Vec<[f32; 2]> = (0..windows.len())
            .map(|at| [0.0, (at as f32 * 7.0) % 5.0 - 2.0])
            .collect();
        let rows: Vec<&[f32]> = logits.iter().map(<[f32; 2]>::as_slice).collect();
        let found = suspects(&guard(), &[1], &windows, &rows, (&text, &tokens));
        assert_eq!(windows.len(), 7);
        assert_eq!(found.len(), KEPT);
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
        let highest = logits.iter().map(|row| row[1]).fold(f32::MIN, f32::max);
        assert!((found[0].score - 1.0 / (1.0 + (-highest).exp())).abs() < 1e-6);
    }

    #[test]
    fn pieces_lie_around_their_window_and_within_the_text() {
        let (text, tokens) = letters(300);
        let windows = windows::cut(300, 64, 16, 99);
        let around = |index: usize| around(&windows[index], &windows, &text, &tokens);
        assert_eq!(windows[2].tokens, 96..160);
        assert_eq!(around(2), [72..132, 84..144, 108..168, 120..180]);
        assert_eq!(around(0), [0..60, 0..60, 12..72, 24..84]);
        assert_eq!(windows[5].tokens, 240..300);
        assert_eq!(around(5), [216..276, 228..288, 240..300, 240..300]);
    }

    #[test]
    fn a_text_of_one_window_has_no_surroundings() {
        let (text, tokens) = letters(20);
        let windows = windows::cut(20, 64, 16, 99);
        let rows: [&[f32]; 1] = [&[0.0, 9.0]];
        let found = suspects(&guard(), &[1], &windows, &rows, (&text, &tokens));
        assert_eq!(found.len(), 1);
        assert!(found[0].score > 0.99 && found[0].around.is_empty());
    }
}
