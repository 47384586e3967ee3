//! Cutting the tokens of a text into overlapping windows.

use std::ops::Range;

/// A piece of a text's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// The tokens that the encoder sees.
    pub(crate) tokens: Range<usize>,
    /// Those among them that are further from the edge here than in any other window. The `owned` ranges of a text's
    /// windows lie side by side and cover what the windows cover.
    pub(crate) owned: Range<usize>,
}

/// Cuts `length` tokens into at most `max_windows` windows of `size` tokens, each sharing `overlap` tokens with the one
/// before. Without any token there is one empty window, for what the special tokens alone say.
pub(crate) fn cut(length: usize, size: usize, overlap: usize, max_windows: usize) -> Vec<Window> {
    let size = size.max(1);
    let step = step(size, overlap);
    let mut windows: Vec<Window> = Vec::with_capacity(length.div_ceil(step).min(max_windows));
    let mut start = 0;
    loop {
        let end = length.min(start + size);
        let mut owned_start = start;
        if let Some(before) = windows.last_mut() {
            owned_start = start + (before.tokens.end - start) / 2;
            before.owned.end = owned_start;
        }
        windows.push(Window {
            tokens: start..end,
            owned: owned_start..end,
        });
        if end == length || windows.len() >= max_windows.max(1) {
            return windows;
        }
        start += step;
    }
}

/// The tokens that `max_windows` windows cover: more of a text need not be tokenised.
pub(crate) fn reach(size: usize, overlap: usize, max_windows: usize) -> usize {
    let size = size.max(1);
    step(size, overlap)
        .saturating_mul(max_windows.max(1) - 1)
        .saturating_add(size)
}

/// From a window's start to the next one's; at least one token, whatever the overlap.
fn step(size: usize, overlap: usize) -> usize {
    size.saturating_sub(overlap).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_tokens_are_one_empty_window() {
        assert_eq!(
            cut(0, 10, 2, 5),
            [Window {
                tokens: 0..0,
                owned: 0..0
            }]
        );
    }

    #[test]
    fn an_overlap_is_shared_in_its_middle() {
        let windows = cut(16, 10, 4, 9);
        assert_eq!(
            windows,
            [
                Window {
                    tokens: 0..10,
                    owned: 0..8
                },
                Window {
                    tokens: 6..16,
                    owned: 8..16
                }
            ]
        );
    }

    #[test]
    fn a_cap_ends_the_list_and_the_reach_says_where() {
        let windows = cut(1000, 10, 4, 3);
        assert_eq!(windows.len(), 3);
        assert_eq!(windows[2].tokens.end, reach(10, 4, 3));
    }

    proptest! {
        #[test]
        fn every_token_is_owned_once_and_by_the_window_where_it_is_furthest_from_an_edge(
            length in 1usize..400, size in 1usize..60, overlap in 0usize..80,
        ) {
            let windows = cut(length, size, overlap, usize::MAX);
            let mut next = 0;
            for window in &windows {
                prop_assert_eq!(window.owned.start, next);
                prop_assert!(window.tokens.start <= window.owned.start);
                prop_assert!(window.owned.end <= window.tokens.end);
                prop_assert!(window.tokens.len() <= size);
                next = window.owned.end;
            }
            prop_assert_eq!(next, length);
            if overlap * 2 <= size {
                let edge = |w: &Window, token: usize| {
                    let left = if w.tokens.start == 0 { usize::MAX } else { token - w.tokens.start };
                    let right = if w.tokens.end == length { usize::MAX } else { w.tokens.end - 1 - token };
                    left.min(right)
                };
                for owner in &windows {
                    for token in owner.owned.clone() {
                        for other in windows.iter().filter(|w| w.tokens.contains(&token)) {
                            prop_assert!(edge(owner, token).saturating_add(1) >= edge(other, token));
                        }
                    }
                }
            }
        }
    }
}
