//! Numbers with a written form: what stands in the text is reduced to a signature (`123-45-6789` to `999-99-9999`),
//! which is looked up in a table of all forms; a check then looks at the characters.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::lexicon::Words;
use super::page::{Page, Sink};
use super::{Kind, bank, checksum, date, national, vehicle};

/// The longest signature, in bytes.
const LONGEST: usize = 32;

/// What a form needs beside its check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Need {
    /// Nothing: the score without a context word, and the one with it.
    Alone(f32, f32),
    /// A context word; the score.
    Context(f32),
}

/// One kind of number and the forms in which it is written. In a form `9` stands for a digit, `A` for an ASCII letter,
/// `*N` for a single word of N letters and digits mixed.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) kind: Kind,
    /// The words that may stand near.
    pub(super) words: Words,
    /// Forms with what they need.
    pub(super) forms: &'static [(&'static str, Need)],
    /// Judges the letters and digits, upper-cased, without separators.
    pub(super) check: fn(&[u8]) -> bool,
}

/// The built-in kinds that are not national numbers.
static FORMATS: &[Format] = &[
    Format {
        kind: Kind::UsSsn,
        words: Words::SSN,
        forms: &[
            ("999-99-9999", Need::Alone(0.9, 0.99)),
            ("999 99 9999", Need::Context(0.95)),
            ("999.99.9999", Need::Context(0.95)),
            ("999999999", Need::Context(0.9)),
            ("999-999999", Need::Context(0.9)),
        ],
        check: is_ssn,
    },
    Format {
        kind: Kind::UsDriverLicense,
        words: Words::LICENSE,
        forms: LICENSE_FORMS,
        check: |_| true,
    },
    Format {
        kind: Kind::Passport,
        words: Words::PASSPORT,
        forms: &[
            ("999999999", Need::Context(0.9)),
            ("99999999", Need::Context(0.9)),
            ("A9999999", Need::Context(0.9)),
            ("A99999999", Need::Context(0.9)),
            ("AA999999", Need::Context(0.9)),
            ("AA9999999", Need::Context(0.9)),
            ("99AA99999", Need::Context(0.9)),
            ("AAA999999", Need::Context(0.9)),
            ("99 99 999999", Need::Context(0.9)),
            ("99 9999999", Need::Context(0.9)),
            ("*9", Need::Context(0.9)),
        ],
        check: |c| c.iter().filter(|b| b.is_ascii_digit()).count() >= 4,
    },
    Format {
        kind: Kind::BankAccount,
        words: Words::ROUTING,
        forms: &[("999999999", Need::Context(0.99)), ("9999-9999-9", Need::Context(0.99))],
        check: bank::is_routing,
    },
    Format {
        kind: Kind::BankAccount,
        words: Words::SORT_CODE,
        forms: &[
            ("99-99-99", Need::Context(0.9)),
            ("99 99 99", Need::Context(0.9)),
            ("999999", Need::Context(0.9)),
        ],
        check: |_| true,
    },
    Format {
        kind: Kind::BankAccount,
        words: Words::ACCOUNT,
        forms: &[
            ("99999999", Need::Context(0.85)),
            ("999999999", Need::Context(0.85)),
            ("9999999999", Need::Context(0.85)),
            ("99999999999", Need::Context(0.85)),
            ("999999999999", Need::Context(0.85)),
        ],
        check: |_| true,
    },
    Format {
        kind: Kind::Imei,
        words: Words::IMEI,
        forms: &[
            ("999999999999999", Need::Context(0.99)),
            ("99-999999-999999-9", Need::Context(0.99)),
            ("99 999999 999999 9", Need::Context(0.99)),
        ],
        check: |c| checksum::luhn(&values(c)),
    },
    Format {
        kind: Kind::Vin,
        words: Words::VIN,
        forms: &[("*17", Need::Alone(0.8, 0.99))],
        check: vehicle::is_vin,
    },
    Format {
        kind: Kind::Vin,
        words: Words::VIN,
        forms: &[("*17", Need::Context(0.9))],
        check: vehicle::looks_like_vin,
    },
];

/// Shapes of US driving licences, after the states' published formats: a letter and 7 to 12 digits (CA, FL, IL, ...),
/// 7 to 10 digits (TX, NY, PA, ...), two or three letters and digits (ID, VA, ...). Only ever with a context word.
const LICENSE_FORMS: &[(&str, Need)] = &[
    ("A9999999", Need::Context(0.9)),
    ("A99999999", Need::Context(0.9)),
    ("A999999999", Need::Context(0.9)),
    ("A999999999999", Need::Context(0.9)),
    ("A99999999999", Need::Context(0.9)),
    ("A999-999-99-999-9", Need::Context(0.9)),
    ("A999-9999-9999", Need::Context(0.9)),
    ("A999-999-999-999", Need::Context(0.9)),
    ("A9999-99999-99999", Need::Context(0.9)),
    ("A99999999999999", Need::Context(0.9)),
    ("A999999", Need::Context(0.9)),
    ("AA999999", Need::Context(0.9)),
    ("AA9999999", Need::Context(0.9)),
    ("AA999999A", Need::Context(0.9)),
    ("AAA999999", Need::Context(0.9)),
    ("AA-99-99-99", Need::Context(0.9)),
    ("A99-99-9999", Need::Context(0.9)),
    ("999 999 999", Need::Context(0.9)),
    ("99 999 999", Need::Context(0.9)),
    ("9999999", Need::Context(0.9)),
    ("99999999", Need::Context(0.9)),
    ("999999999", Need::Context(0.9)),
    ("9999999999", Need::Context(0.9)),
    ("99-999-9999", Need::Context(0.9)),
    ("99AAA9999", Need::Context(0.9)),
];

/// SSA: no area 000, 666 or 9xx, no group 00, no serial 0000. Numbers of advertisements (078-05-1120) stay findings.
fn is_ssn(characters: &[u8]) -> bool {
    let (area, group, serial) = (&characters[..3], &characters[3..5], &characters[5..]);
    let same = characters.iter().all(|c| *c == characters[0]);
    area != b"000" && area != b"666" && area[0] != b'9' && group != b"00" && serial != b"0000" && !same
}

/// Digit characters as values; letters keep their byte.
pub(super) fn values(characters: &[u8]) -> Vec<u8> {
    characters
        .iter()
        .map(|c| match c {
            b'0'..=b'9' => c - b'0',
            c => *c,
        })
        .collect()
}

struct Entry {
    signature: &'static str,
    format: &'static Format,
    need: Need,
}

static TABLE: LazyLock<HashMap<&'static [u8], Vec<Entry>>> = LazyLock::new(|| {
    let mut table: HashMap<&'static [u8], Vec<Entry>> = HashMap::new();
    for format in FORMATS.iter().chain(national::FORMATS.iter()).chain(date::FORMATS) {
        for &(signature, need) in format.forms {
            table
                .entry(signature.as_bytes())
                .or_default()
                .push(Entry { signature, format, need });
        }
    }
    table
});

/// Finds the numbers that begin at `start`, the beginning of a word.
pub(super) fn find(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    let mut signature = [0u8; LONGEST];
    let mut characters = [0u8; LONGEST];
    let (mut at, mut length, mut kept) = (start, 0, 0);
    loop {
        let word = at;
        let (mut digits, mut letters) = (false, false);
        while page.at(at).is_ascii_alphanumeric() {
            if length == LONGEST {
                return;
            }
            let byte = page.at(at);
            digits |= byte.is_ascii_digit();
            letters |= byte.is_ascii_alphabetic();
            signature[length] = if byte.is_ascii_digit() { b'9' } else { b'A' };
            characters[kept] = byte.to_ascii_uppercase();
            (at, length, kept) = (at + 1, length + 1, kept + 1);
        }
        if at == word {
            return;
        }
        if length > 3 {
            look_up(page, start..at, &signature[..length], &characters[..kept], out);
            if word == start && letters && digits && (8..=17).contains(&length) {
                let mixed = [b'*', b'0' + length as u8 / 10, b'0' + length as u8 % 10];
                let mixed = if length < 10 { [b'*', mixed[2], 0] } else { mixed };
                let mixed = if length < 10 { &mixed[..2] } else { &mixed[..] };
                look_up(page, start..at, mixed, &characters[..kept], out);
            }
        }
        if length == LONGEST || !matches!(page.at(at), b' ' | b'-' | b'.' | b'/' | b'+') {
            return;
        }
        signature[length] = page.at(at);
        (at, length) = (at + 1, length + 1);
    }
}

fn look_up(
    page: &Page<'_>,
    range: std::ops::Range<usize>,
    signature: &[u8],
    characters: &[u8],
    out: &mut impl Sink,
) {
    let Some(entries) = TABLE.get(signature) else {
        return;
    };
    if !page.stands_alone(&range) {
        return;
    }
    let listed = signature.contains(&b' ') && page.in_number_list(&range);
    for entry in entries {
        if !(entry.format.check)(characters) {
            continue;
        }
        let near = || page.near(&range, entry.format.words) || is_citizen(page, &range, entry);
        let score = match entry.need {
            Need::Alone(_, with) if near() => with,
            Need::Alone(without, _) if !listed => without,
            Need::Context(with) if near() => with,
            _ => continue,
        };
        debug_assert!(entry.signature.len() <= LONGEST);
        out.add(entry.format.kind, range.clone(), score);
    }
}

fn is_citizen(page: &Page<'_>, range: &std::ops::Range<usize>, entry: &Entry) -> bool {
    entry.format.kind == Kind::NationalId && page.near(range, Words::CITIZEN)
}
