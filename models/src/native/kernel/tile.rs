//! The register tile: a few rows of activations times two registers of columns.

use super::{Dot, Simd, TILE_REGISTERS};

/// The sums of a tile.
pub(crate) type Sums<D, const ROWS: usize> = [[<D as Dot>::Sum; TILE_REGISTERS]; ROWS];

/// Memory to be fetched while a tile is computed: each step asks for what lies `step` bytes further.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    /// What the first step asks for. Any address will do: nothing is read.
    pub(crate) from: *const u8,
    /// Bytes from one step's address to the next one's; 0 to ask for nothing.
    pub(crate) step: usize,
}

impl Ahead {
    /// Nothing is fetched.
    pub(crate) const NOTHING: Self = Self {
        from: std::ptr::null(),
        step: 0,
    };
}

/// Adds `groups` steps to the sums; with `FETCH`, asks for what lies `ahead`.
///
/// # Safety
/// Row `i < ROWS` of the activations lies at `left + i * left_stride` and is readable for `groups` words. Step `g` of
/// the weights lies at `right + g * right_stride` and is readable for `2 * LANES * GROUP` elements.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn tile<D: Dot, const ROWS: usize, const FETCH: bool>(
    dot: D,
    mut sums: Sums<D, ROWS>,
    left: *const u32,
    left_stride: usize,
    right: *const D::Element,
    right_stride: usize,
    groups: usize,
    ahead: Ahead,
) -> Sums<D, ROWS> {
    for group in 0..groups {
        if FETCH {
            let from = ahead.from.wrapping_add(group * ahead.step);
            dot.simd().prefetch(from);
        }
        // SAFETY: `group < groups`, and the caller promises what is read.
        unsafe {
            let right = right.add(group * right_stride);
            let first = dot.load(right);
            let second = dot.load(right.add(<D::Simd as Simd>::LANES * D::GROUP));
            for (row, sums) in sums.iter_mut().enumerate() {
                let word = dot.word(left.add(row * left_stride + group).read());
                sums[0] = dot.dot(sums[0], word, first);
                sums[1] = dot.dot(sums[1], word, second);
            }
        }
    }
    sums
}

/// Calls `$call::<.., ROWS>` with the number of rows as a constant; more than the instruction set's tile has is an
/// error of the caller and does nothing.
macro_rules! with_rows {
    (@one $call:ident, ($($generic:ty),*), $arguments:tt, $count:literal) => {
        $call::<$($generic,)* $count> $arguments
    };
    (@match $most:expr, $rows:expr, $call:ident, $generics:tt, $arguments:tt, $($count:literal)*) => {
        match $rows {
            $($count if $count <= $most => with_rows!(@one $call, $generics, $arguments, $count),)*
            _ => {}
        }
    };
    ($most:expr, $rows:expr, $call:ident :: <$generic:ident> $arguments:tt) => {
        with_rows!(@match $most, $rows, $call, ($generic), $arguments, 1 2 3 4 5 6 7 8 9 10 11 12)
    };
}
pub(crate) use with_rows;

/// Cuts `rows` into tiles of at most `most` that differ by one at most: `(tiles, rows of the short ones, how many have
/// one more)`.
pub(crate) fn even(rows: usize, most: usize) -> (usize, usize, usize) {
    let tiles = rows.div_ceil(most).max(1);
    (tiles, rows / tiles, rows % tiles)
}
