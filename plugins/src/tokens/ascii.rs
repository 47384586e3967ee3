//! The estimate for ASCII text. A run's cost depends on few neighbours of each byte only, so whole blocks are counted at
//! once instead of run by run.

use super::{PER_DIGIT_OR_MARK, PER_LETTER, UNIT};

/// Bytes that are looked at together; their counts fit a byte.
const BLOCK: usize = 128;

/// Bytes before a block that matter for it.
const BACK: usize = 7;

/// For each byte of a block and some before it: 1 where it is of a class, else 0.
type Flags = [u8; BACK + BLOCK];

#[derive(Clone)]
struct Classes {
    letters: Flags,
    digits: Flags,
    blanks: Flags,
    breaks: Flags,
    marks: Flags,
}

/// What the text costs, in parts of a token.
pub(super) fn units(text: &[u8]) -> usize {
    const NONE: Flags = [0; BACK + BLOCK];
    let mut classes = Classes {
        letters: NONE,
        digits: NONE,
        blanks: NONE,
        breaks: NONE,
        marks: NONE,
    };
    let mut units = 0;
    for block in text.chunks(BLOCK) {
        classes.read(block);
        units += classes.units();
        classes.step();
    }
    units
}

impl Classes {
    fn read(&mut self, block: &[u8]) {
        // What a short last block does not fill is of no class.
        let mut bytes = [0xFF; BLOCK];
        bytes[..block.len()].copy_from_slice(block);
        for (at, b) in bytes.into_iter().enumerate() {
            let letter = u8::from((b | 0x20).wrapping_sub(b'a') < 26);
            let digit = u8::from(b.wrapping_sub(b'0') < 10);
            let blank = u8::from(b == b' ') | u8::from(b == b'\t');
            let line = u8::from(b == b'\n') | u8::from(b == b'\r');
            self.letters[BACK + at] = letter;
            self.digits[BACK + at] = digit;
            self.blanks[BACK + at] = blank;
            self.breaks[BACK + at] = line;
            self.marks[BACK + at] = u8::from(b < 0x80) & (1 ^ (letter | digit | blank | line));
        }
    }

    /// See `cost` for what each class costs.
    fn units(&self) -> usize {
        let words = count(|at| self.letters[at] & !self.letters[at - 1])
            + count(|at| self.digits[at] & !self.digits[at - 1])
            + count(|at| self.marks[at] & !self.marks[at - 1])
            + count(|at| self.blanks[at] & self.blanks[at - 1] & !self.blanks[at - 2])
            + count(|at| self.breaks[at] & !self.breaks[at - 1] & !self.marks[at - 1]);
        let long = count_eight(&self.letters);
        let many = count_four(&self.digits) + count_four(&self.marks);
        words * UNIT + long * PER_LETTER + many * PER_DIGIT_OR_MARK
    }

    /// The block's end becomes what is before the next one.
    fn step(&mut self) {
        for flags in [
            &mut self.letters,
            &mut self.digits,
            &mut self.blanks,
            &mut self.breaks,
            &mut self.marks,
        ] {
            flags.copy_within(BLOCK.., 0);
        }
    }
}

/// The number of places of the block where `f` is 1.
fn count(f: impl Fn(usize) -> u8) -> usize {
    let sum = (BACK..BACK + BLOCK).fold(0_u8, |sum, at| sum.wrapping_add(f(at) & 1));
    usize::from(sum)
}

/// The number of places where at least four in a row end.
fn count_four(flags: &Flags) -> usize {
    count(|at| flags[at] & flags[at - 1] & flags[at - 2] & flags[at - 3])
}

/// The number of places where at least eight in a row end.
fn count_eight(flags: &Flags) -> usize {
    let mut two = [0; BACK + BLOCK];
    let mut four = [0; BACK + BLOCK];
    for at in 1..BACK + BLOCK {
        two[at] = flags[at] & flags[at - 1];
    }
    for at in 3..BACK + BLOCK {
        four[at] = two[at] & two[at - 2];
    }
    count(|at| four[at] & four[at - 4])
}
