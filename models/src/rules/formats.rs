//! Numbers with a written form: what stands in the text is reduced to a signature (`123-45-6789` to `999-99-9999`),
//! which is looked up in a tree of all forms; a check then looks at the characters.

use std::ops::Range;
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
        forms: &[
            ("999999999", Need::Context(0.99)),
            ("9999-9999-9", Need::Context(0.99)),
        ],
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
    area != b"000"
        && area != b"666"
        && area[0] != b'9'
        && group != b"00"
        && serial != b"0000"
        && !same
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
    format: &'static Format,
    need: Need,
}

/// All forms as a tree over the characters of signatures, so that a text that has no form is left at once.
struct Forms {
    nodes: Vec<Node>,
    /// The forms `*N`, by N.
    mixed: [Vec<Entry>; LONGEST],
}

#[derive(Default)]
struct Node {
    /// By the class of the next character; 0 where none goes on.
    next: [u16; CLASSES],
    entries: Vec<Entry>,
}

/// Digit, letter and five separators.
const CLASSES: usize = 7;

/// The class of a character of a text or of a signature.
fn class(byte: u8) -> Option<usize> {
    match byte {
        b'0'..=b'9' => Some(0),
        b'A'..=b'Z' | b'a'..=b'z' => Some(1),
        b' ' => Some(2),
        b'-' => Some(3),
        b'.' => Some(4),
        b'/' => Some(5),
        b'+' => Some(6),
        _ => None,
    }
}

static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let mut forms = Forms {
        nodes: vec![Node::default()],
        mixed: std::array::from_fn(|_| Vec::new()),
    };
    for format in FORMATS
        .iter()
        .chain(national::FORMATS.iter())
        .chain(date::FORMATS)
    {
        for &(signature, need) in format.forms {
            let entry = Entry { format, need };
            if let Some(length) = signature.strip_prefix('*') {
                let length: usize = length.parse().unwrap_or(0);
                if let Some(list) = forms.mixed.get_mut(length) {
                    list.push(entry);
                }
                continue;
            }
            let mut node = 0;
            for class in signature.bytes().filter_map(class) {
                if forms.nodes[node].next[class] == 0 {
                    forms.nodes[node].next[class] = forms.nodes.len() as u16;
                    forms.nodes.push(Node::default());
                }
                node = usize::from(forms.nodes[node].next[class]);
            }
            forms.nodes[node].entries.push(entry);
        }
    }
    forms
});

/// Finds the numbers that begin at `start`, the beginning of a word that ends at `word_end`.
pub(super) fn find(page: &Page<'_>, start: usize, word_end: usize, out: &mut impl Sink) {
    let forms = &*FORMS;
    let mut characters = [0u8; LONGEST];
    let (mut at, mut kept, mut node) = (start, 0, 0);
    while at < start + LONGEST {
        let byte = page.at(at);
        let next = class(byte).map_or(0, |class| usize::from(forms.nodes[node].next[class]));
        if next == 0 {
            break;
        }
        node = next;
        at += 1;
        if byte.is_ascii_alphanumeric() {
            characters[kept] = byte.to_ascii_uppercase();
            kept += 1;
            let entries = &forms.nodes[node].entries;
            if !entries.is_empty() && !page.at(at).is_ascii_alphanumeric() {
                judge(page, start..at, entries, &characters[..kept], out);
            }
        }
    }
    let word = &page.bytes()[start..word_end];
    if let Some(entries) = forms.mixed.get(word.len()).filter(|e| !e.is_empty())
        && word.iter().any(u8::is_ascii_digit)
        && word.iter().any(u8::is_ascii_alphabetic)
    {
        judge(
            page,
            start..word_end,
            entries,
            &word.to_ascii_uppercase(),
            out,
        );
    }
}

fn judge(
    page: &Page<'_>,
    range: Range<usize>,
    entries: &[Entry],
    characters: &[u8],
    out: &mut impl Sink,
) {
    let timed = page.at(range.end) == b':' && characters.contains(&b'T');
    if !(page.left_is_free(&range) && (timed || page.right_is_free(&range))) {
        return;
    }
    let listed = page.bytes()[range.clone()].contains(&b' ') && page.in_number_list(&range);
    for entry in entries {
        if !(entry.format.check)(characters) || (timed && entry.format.kind != Kind::DateTime) {
            continue;
        }
        let near = || page.near(&range, entry.format.words) || is_citizen(page, &range, entry);
        let score = match entry.need {
            Need::Alone(_, with) if near() => with,
            Need::Alone(without, _) if !listed && !is_named_otherwise(page, &range, entry) => {
                without
            }
            Need::Context(with) if near() => with,
            _ => continue,
        };
        out.add(entry.format.kind, range.clone(), score);
    }
}

/// "part number 118-22-0457": what stands right before says whose number it is, and it is no person's.
fn is_named_otherwise(page: &Page<'_>, range: &Range<usize>, entry: &Entry) -> bool {
    matches!(entry.format.kind, Kind::UsSsn | Kind::NationalId) && page.is_number_of_thing(range)
}

fn is_citizen(page: &Page<'_>, range: &Range<usize>, entry: &Entry) -> bool {
    entry.format.kind == Kind::NationalId && page.near(range, Words::CITIZEN)
}
