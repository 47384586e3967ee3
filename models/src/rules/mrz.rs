//! Machine-readable zones of travel documents (ICAO 9303 parts 4 to 6), by their check digits.

use super::Kind;
use super::checksum::icao;
use super::lexicon::Hit;
use super::page::{Page, Sink, run};

/// The zone with a filler at `hit`; says where it ends.
pub(super) fn find(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) -> Option<usize> {
    let back = page.bytes()[..hit.start]
        .iter()
        .rev()
        .take(45)
        .take_while(|b| in_zone(**b))
        .count();
    let start = hit.start - back;
    let first = line(page, start);
    let second = next_line(page, start + first)?;
    let length = line(page, second);
    let upper = &page.bytes()[second..second + length];
    match first {
        44 | 36 if length == first && names_and_dates(upper) => {
            let passport = page.at(start) == b'P';
            let kind = if passport {
                Kind::Passport
            } else {
                Kind::NationalId
            };
            out.add(kind, start..second + length, 0.999);
            Some(second + length)
        }
        30 if length == 30 => {
            let document = checked(&page.bytes()[start..start + first], 5..14);
            let dates = checked(upper, 0..6) && checked(upper, 8..14);
            let third = next_line(page, second + length)?;
            let end = third + line(page, third);
            if !(document && dates && end - third == 30) {
                return None;
            }
            out.add(Kind::NationalId, start..end, 0.999);
            Some(end)
        }
        _ => None,
    }
}

/// The second line of passports and of cards in two lines: number, birth and expiry with their check digits.
fn names_and_dates(line: &[u8]) -> bool {
    checked(line, 0..9) && checked(line, 13..19) && checked(line, 21..27)
}

fn checked(line: &[u8], range: std::ops::Range<usize>) -> bool {
    let check = line.get(range.end).copied().unwrap_or(0);
    line.get(range)
        .is_some_and(|field| check == b'0' + icao(field) && field.iter().any(u8::is_ascii_digit))
}

fn line(page: &Page<'_>, start: usize) -> usize {
    run(&page.bytes()[start..], 45, in_zone)
}

/// The start of the next line: after a line break, written or escaped, and spaces.
fn next_line(page: &Page<'_>, end: usize) -> Option<usize> {
    let rest = page.bytes().get(end..)?;
    let escaped = if rest.starts_with(b"\\n") { 2 } else { 0 };
    let gap = escaped + run(&rest[escaped..], 12, |b| b.is_ascii_whitespace());
    (gap > 0).then_some(end + gap)
}

fn in_zone(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'<'
}
