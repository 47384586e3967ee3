//! Street addresses of strong form, and postal codes.

use std::ops::Range;

use super::Kind;
use super::lexicon::{Hit, Words};
use super::page::{Found, Page, Sink, run};

/// Where the name stands relative to the street's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// "Hauptstraße 12".
    NameFirst,
    /// "12 rue de la Paix", "Calle Mayor 5", "Via Roma 3".
    KindFirst,
    /// "P.O. Box 12".
    Box,
}

/// Kinds of streets in other languages than English, which starts from the house number.
pub(super) const STREETS: &[(&str, Order)] = &[
    ("straße", Order::NameFirst),
    ("strasse", Order::NameFirst),
    ("allee", Order::NameFirst),
    ("gasse", Order::NameFirst),
    ("rue de", Order::KindFirst),
    ("rue du", Order::KindFirst),
    ("rue", Order::KindFirst),
    ("avenue de", Order::KindFirst),
    ("calle", Order::KindFirst),
    ("avenida", Order::KindFirst),
    ("via", Order::KindFirst),
    ("rua", Order::KindFirst),
    ("p.o. box", Order::Box),
    ("po box", Order::Box),
];

const KINDS: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "av",
    "road",
    "rd",
    "boulevard",
    "blvd",
    "lane",
    "ln",
    "drive",
    "dr",
    "court",
    "ct",
    "way",
    "place",
    "pl",
    "terrace",
    "ter",
    "parkway",
    "pkwy",
    "highway",
    "hwy",
    "square",
    "sq",
    "circle",
    "cir",
    "crescent",
    "close",
    "trail",
    "trl",
    "alley",
    "plaza",
    "loop",
    "row",
    "mews",
    "gardens",
    "grove",
    "walk",
    "run",
    "pike",
    "turnpike",
    "crossing",
    "ridge",
    "hill",
    "causeway",
];

const STATES: &str = " AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC \
                      ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC PR ";

/// The next word at `at`: letters, digits, apostrophes.
fn word<'t>(page: &Page<'t>, at: usize) -> &'t str {
    let rest = page.text.get(at..).unwrap_or_default();
    let length: usize = rest
        .chars()
        .take(24)
        .take_while(|c| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-'))
        .map(char::len_utf8)
        .sum();
    &rest[..length]
}

/// An English address whose house number begins at `start`: a number, capitalised words, a kind of street.
pub(super) fn street(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    let digits = run(&page.bytes()[start..], 7, |b| b.is_ascii_digit());
    let mut at = start + digits;
    at += usize::from(page.at(at).is_ascii_alphabetic() && page.at(at + 1) == b' ');
    let before = page.before(start);
    if digits == 0
        || digits > 6
        || page.at(at) != b' '
        || !(before == 0 || b" \n\t\"'(:,;".contains(&before))
    {
        return;
    }
    at += 1;
    for count in 0..6 {
        let next = word(page, at);
        let capital = next
            .chars()
            .next()
            .is_some_and(|c| c.is_uppercase() || c.is_ascii_digit());
        // "5th" is a street's name, "4711" the next number of a table.
        if !capital || next.bytes().all(|b| b.is_ascii_digit()) {
            return;
        }
        let end = at + next.len();
        let is_kind = count > 0 && KINDS.iter().any(|k| next.eq_ignore_ascii_case(k));
        let goes_on = page.at(end) == b' '
            && KINDS
                .iter()
                .any(|k| word(page, end + 1).eq_ignore_ascii_case(k))
            && word(page, end + 1).starts_with(char::is_uppercase);
        if is_kind && !goes_on {
            // A dot belongs to the address only where something follows that belongs to it too.
            let end = unit(page, end).unwrap_or(end);
            out.add(Kind::StreetAddress, start..end, 0.85);
            return;
        }
        let dot = usize::from(page.at(end) == b'.' && next.len() <= 2);
        at = end + dot;
        if page.at(at) != b' ' {
            return;
        }
        at += 1;
    }
}

/// ", Apt 4B", " Suite 200", " #12" after a street.
fn unit(page: &Page<'_>, end: usize) -> Option<usize> {
    let rest = &page.bytes()[end..];
    let at = end + run(rest, 3, |b| matches!(b, b' ' | b',' | b'.'));
    let name = word(page, at);
    let is_unit = ["apt", "apartment", "suite", "ste", "unit", "floor", "room"]
        .iter()
        .any(|u| name.eq_ignore_ascii_case(u));
    let mut at = match (is_unit, page.at(at)) {
        (true, _) => at + name.len(),
        (false, b'#') => at,
        _ => return None,
    };
    at += run(&page.bytes()[at..], 3, |b| matches!(b, b' ' | b'.' | b'#'));
    let number = run(&page.bytes()[at..], 6, |b| {
        b.is_ascii_alphanumeric() || b == b'-'
    });
    (number > 0).then_some(at + number)
}

/// An address around a kind of street.
pub(super) fn around(page: &Page<'_>, hit: &Hit, order: Order, out: &mut impl Sink) {
    let house = |at: usize| {
        let digits = run(&page.bytes()[at..], 4, |b| b.is_ascii_digit());
        let end =
            at + digits + usize::from(digits > 0 && page.at(at + digits).is_ascii_lowercase());
        (digits > 0 && !page.at(end).is_ascii_alphanumeric()).then_some(end)
    };
    match order {
        Order::Box => {
            let at = hit.end + usize::from(page.at(hit.end) == b' ');
            if let Some(end) = house(at)
                && !page.before(hit.start).is_ascii_alphanumeric()
            {
                out.add(Kind::StreetAddress, hit.start..end, 0.9);
            }
        }
        Order::NameFirst => {
            let name: usize = page.text[..hit.start]
                .chars()
                .rev()
                .take(30)
                .take_while(|c| c.is_alphabetic() || *c == '-')
                .map(char::len_utf8)
                .sum();
            let start = hit.start - name;
            let capital = page.text[start..].starts_with(char::is_uppercase);
            if page.at(hit.end) == b' '
                && capital
                && let Some(end) = house(hit.end + 1)
            {
                out.add(Kind::StreetAddress, start..end, 0.85);
            }
        }
        Order::KindFirst => kind_first(page, hit, out),
    }
}

fn kind_first(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    if page.before(hit.start).is_ascii_alphanumeric() || page.at(hit.end) != b' ' {
        return;
    }
    let mut at = hit.end;
    let mut capitals = 0;
    for _ in 0..5 {
        let next = word(page, at + 1);
        let small = matches!(
            next,
            "de" | "la" | "du" | "des" | "del" | "le" | "las" | "los" | "da" | "do" | "dos" | "l"
        );
        let capital = next.starts_with(char::is_uppercase)
            || next.starts_with("d'")
            || next.starts_with("l'");
        if page.at(at) != b' ' || !(small || capital) {
            break;
        }
        capitals += usize::from(capital);
        at += 1 + next.len();
    }
    if capitals == 0 {
        return;
    }
    let digits_before = page.bytes()[..hit.start.saturating_sub(1)]
        .iter()
        .rev()
        .take(4)
        .take_while(|b| b.is_ascii_digit())
        .count();
    let start = hit.start.saturating_sub(1 + digits_before);
    if digits_before > 0
        && page.before(hit.start) == b' '
        && !page.before(start).is_ascii_alphanumeric()
    {
        out.add(Kind::StreetAddress, start..at, 0.85);
        return;
    }
    let gap = run(&page.bytes()[at..], 2, |b| b == b' ' || b == b',');
    let digits = run(&page.bytes()[at + gap..], 4, |b| b.is_ascii_digit());
    let capital = page.at(hit.start).is_ascii_uppercase();
    if capital
        && gap > 0
        && (1..4).contains(&digits)
        && !page.at(at + gap + digits).is_ascii_alphanumeric()
    {
        out.add(Kind::StreetAddress, hit.start..at + gap + digits, 0.8);
    }
}

/// Postal codes: after a state ("CA 94105"), ZIP+4, British and Canadian forms, any with a context word.
pub(super) fn zip(page: &Page<'_>, start: usize, end: usize, out: &mut impl Sink) {
    let bytes = &page.bytes()[start..end];
    let digits = bytes.iter().all(u8::is_ascii_digit);
    if digits && bytes.len() == 5 {
        let plus = page.at(end) == b'-'
            && run(&page.bytes()[end + 1..], 5, |b| b.is_ascii_alphanumeric()) == 4
            && page.bytes()[end + 1..]
                .iter()
                .take(4)
                .all(u8::is_ascii_digit);
        let range = start..if plus { end + 5 } else { end };
        if !page.stands_alone(&range) {
            return;
        }
        if after_state(page, start) || page.near_within(&range, Words::ZIP, 24, 0) {
            out.add(Kind::ZipCode, range, 0.9);
        } else if plus {
            out.add(Kind::ZipCode, range, 0.7);
        }
        return;
    }
    if digits && (4..=6).contains(&bytes.len()) {
        let range = start..end;
        if page.stands_alone(&range) && page.near_within(&range, Words::ZIP, 16, 0) {
            out.add(Kind::ZipCode, range, 0.85);
        }
        return;
    }
    two_words(page, start, end, out);
}

fn after_state(page: &Page<'_>, start: usize) -> bool {
    let state = start.checked_sub(4).and_then(|at| page.text.get(at..start));
    state.is_some_and(|s| {
        // The first byte first: in the middle of a character there is no text to look at.
        matches!(s.as_bytes(), [b' ' | b',', a, b, b' '] if a.is_ascii_uppercase() && b.is_ascii_uppercase())
            && STATES.contains(&s[1..3])
    })
}

/// "SW1A 1AA" (Royal Mail) and "K1A 0B1" (Canada Post).
fn two_words(page: &Page<'_>, start: usize, end: usize, out: &mut impl Sink) {
    if page.at(end) != b' ' || !(2..=4).contains(&(end - start)) {
        return;
    }
    let stop = end + 1 + run(&page.bytes()[end + 1..], 4, |b| b.is_ascii_alphanumeric());
    let shape: String = page.bytes()[start..stop]
        .iter()
        .map(|b| match b {
            b'0'..=b'9' => '9',
            b'A'..=b'Z' => 'A',
            b' ' => ' ',
            _ => 'a',
        })
        .collect();
    let british = matches!(
        shape.as_str(),
        "A9 9AA" | "A99 9AA" | "AA9 9AA" | "AA99 9AA" | "A9A 9AA" | "AA9A 9AA"
    );
    let canadian = shape == "A9A 9A9";
    if (british || canadian) && page.stands_alone(&(start..stop)) {
        out.add(Kind::ZipCode, start..stop, 0.85);
    }
}

/// Five digits that close an address: within 48 bytes after a street.
pub(super) fn zips_after_streets(page: &Page<'_>, found: &mut Vec<Found>) {
    let ends: Vec<usize> = found
        .iter()
        .filter(|f| f.kind == Kind::StreetAddress)
        .map(|f| f.range.end)
        .collect();
    for end in ends {
        if let Some(range) = closing_digits(page, end) {
            found.add(Kind::ZipCode, range, 0.8);
        }
    }
}

fn closing_digits(page: &Page<'_>, end: usize) -> Option<Range<usize>> {
    let rest = page.bytes().get(end..)?;
    let window = &rest[..rest.len().min(48)];
    let at = window.iter().position(u8::is_ascii_digit)?;
    let length = run(&window[at..], 6, |b| b.is_ascii_digit());
    let range = end + at..end + at + length;
    let line = window[..at].iter().filter(|b| **b == b'\n').count() <= 1;
    (length == 5 && line && page.before(range.start) == b' ' && page.stands_alone(&range))
        .then_some(range)
}
