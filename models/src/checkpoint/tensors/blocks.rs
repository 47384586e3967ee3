//! Matrices in 4 bits: blocks of 32 values of a row with a scale each, as llama.cpp's `Q4_0` has them.

use crate::weights::Values;

/// Values that share a scale.
pub(super) const BLOCK: usize = 32;

/// Bytes of a block: value `i` is in the lower half of byte `i`, value `16 + i` in the upper one, both plus 8.
const BYTES: usize = BLOCK / 2;

/// The same numbers in 8 bits with a scale a row, rounded to the nearest, halves to even: what kernels run, and what
/// is trained on. `scales` has one number a block.
pub(super) fn to_int8(packed: &[u8], scales: &[f32], columns: usize) -> Values {
    let blocks = columns / BLOCK;
    let mut values = Vec::with_capacity(packed.len() * 2);
    let mut factors = Vec::with_capacity(scales.len() / blocks);
    let mut row = Vec::with_capacity(columns);
    let rows = packed.chunks_exact(blocks * BYTES);
    for (packed, scales) in rows.zip(scales.chunks_exact(blocks)) {
        row.clear();
        for (block, scale) in packed.chunks_exact(BYTES).zip(scales) {
            let number = |half: u8| (f32::from(half) - 8.0) * scale;
            row.extend(block.iter().map(|byte| number(byte & 15)));
            row.extend(block.iter().map(|byte| number(byte >> 4)));
        }
        let peak = row
            .iter()
            .fold(0.0_f32, |peak, value| peak.max(value.abs()));
        let factor = if peak > 0.0 { peak / 127.0 } else { 1.0 };
        // `as` saturates, and the largest is 127 by construction.
        values.extend(
            row.iter()
                .map(|value| (value / factor).round_ties_even() as i8),
        );
        factors.push(factor);
    }
    Values::Int8 {
        values,
        scales: factors,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_a_byte_are_sixteen_apart() {
        // Row 0: value 0 is 7 * 0.5, value 16 is -8 * 0.5, the rest 0; row 1: nothing but zeros.
        let mut packed = vec![0x88; 2 * BYTES];
        packed[0] = 0x0f;
        let Values::Int8 { values, scales } = to_int8(&packed, &[0.5, 3.0], BLOCK) else {
            panic!("not 8 bits");
        };
        assert_eq!(scales, [4.0 / 127.0, 1.0]);
        let mut wanted = vec![0; 2 * BLOCK];
        (wanted[0], wanted[16]) = (111, -127);
        assert_eq!(values, wanted);
    }

    #[test]
    fn each_block_has_its_own_scale() {
        let mut packed = vec![0x88; 2 * BYTES];
        (packed[0], packed[BYTES]) = (0x89, 0x89);
        let Values::Int8 { values, scales } = to_int8(&packed, &[1.0, 2.0], 2 * BLOCK) else {
            panic!("not 8 bits");
        };
        assert_eq!(scales, [2.0 / 127.0]);
        // 63.5 is rounded to the even neighbour.
        assert_eq!((values[0], values[BLOCK]), (64, 127));
    }
}
