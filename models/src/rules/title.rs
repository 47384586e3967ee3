//! Forms of address before a name.

use super::Kind;
use super::lexicon::Hit;
use super::page::{Page, Sink};

/// The forms, in small letters.
pub(super) const WORDS: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "mx",
    "miss",
    "dr",
    "prof",
    "professor",
    "sir",
    "madam",
    "doctor",
    "herr",
    "frau",
    "monsieur",
    "madame",
    "mademoiselle",
    "mme",
    "mlle",
    "señor",
    "señora",
    "señorita",
    "sr",
    "sra",
    "signor",
    "signora",
    "dott",
    "senhor",
    "senhora",
    "rev",
    "reverend",
    "captain",
    "capt",
    "sgt",
    "lt",
    "mister",
];

/// A form of address with a capital letter and a name after it.
pub(super) fn before_name(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    if !page.at(hit.start).is_ascii_uppercase() || page.before(hit.start) == b'.' {
        return;
    }
    let dot = usize::from(page.at(hit.end) == b'.');
    let end = hit.end + dot;
    let rest = &page.text[end..];
    let name = rest.trim_start_matches(' ');
    let gap = rest.len() - name.len();
    let first = name.chars().next().is_some_and(char::is_uppercase);
    let word = name
        .chars()
        .take(20)
        .take_while(|c| c.is_alphabetic())
        .count();
    // "Maple Dr Springfield": a street before it makes it a drive; that finding is longer and wins.
    if first && (1..=2).contains(&gap) && (word > 1 || name.as_bytes().get(word) == Some(&b'.')) {
        out.add(
            Kind::Title,
            hit.start..end,
            if dot == 1 { 0.9 } else { 0.8 },
        );
    }
}
