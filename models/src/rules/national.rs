//! National identity, tax and insurance numbers, each with its check digits.
//!
//! A number with a distinctive written form and a check stands alone; plain digits need a context word, since one in
//! ten random numbers passes a single check digit.

mod america;
mod asia;
mod europe;

use super::Kind;
use super::formats::{Format, Need};
use super::lexicon::Words;

/// A form that is proof enough together with its check.
const ALONE: Need = Need::Alone(0.99, 0.995);
/// A form whose check is weak, but whose shape is rare.
const RARE: Need = Need::Alone(0.95, 0.99);
/// A form that many other numbers have too.
const NEAR: Need = Need::Context(0.99);
/// A form without any check digit.
const BARE: Need = Need::Context(0.9);

/// A national number.
#[derive(Debug)]
struct Id {
    /// Its words, in small letters.
    words: &'static [&'static str],
    forms: &'static [(&'static str, Need)],
    check: fn(&[u8]) -> bool,
}

/// The forms of all national numbers.
pub(super) static FORMATS: std::sync::LazyLock<Vec<Format>> = std::sync::LazyLock::new(|| {
    ids()
        .enumerate()
        .map(|(index, id)| Format {
            kind: Kind::NationalId,
            words: group(index),
            forms: id.forms,
            check: id.check,
        })
        .collect()
});

/// The context words of all national numbers.
pub(super) fn words() -> impl Iterator<Item = (Words, &'static [&'static str])> {
    ids()
        .enumerate()
        .map(|(index, id)| (group(index), id.words))
}

fn ids() -> impl Iterator<Item = &'static Id> {
    europe::IDS.iter().chain(asia::IDS).chain(america::IDS)
}

fn group(index: usize) -> Words {
    Words(Words::NATIONAL.saturating_add(index as u8))
}

/// Reads `digits[from..from + length]` as a number.
fn number(digits: &[u8], from: usize, length: usize) -> u32 {
    digits
        .iter()
        .skip(from)
        .take(length)
        .fold(0, |n, &d| n * 10 + u32::from(d))
}
