//! Dates and times: ISO 8601, numeric dates, dates with a month's name in six languages, times of day.

use std::ops::Range;

use super::Kind;
use super::checksum::is_day;
use super::formats::{Format, Need, values};
use super::lexicon::{Hit, Words};
use super::page::{Page, Sink, floor, run};

/// Names of months in English, German, French, Spanish, Italian and Portuguese.
pub(super) const MONTHS: &[(&str, u8)] = &[
    ("january", 1),
    ("jan", 1),
    ("januar", 1),
    ("jänner", 1),
    ("janvier", 1),
    ("janv", 1),
    ("enero", 1),
    ("gennaio", 1),
    ("janeiro", 1),
    ("february", 2),
    ("feb", 2),
    ("februar", 2),
    ("février", 2),
    ("fevrier", 2),
    ("févr", 2),
    ("febrero", 2),
    ("febbraio", 2),
    ("fevereiro", 2),
    ("march", 3),
    ("mar", 3),
    ("märz", 3),
    ("maerz", 3),
    ("mars", 3),
    ("marzo", 3),
    ("março", 3),
    ("april", 4),
    ("apr", 4),
    ("avril", 4),
    ("abril", 4),
    ("aprile", 4),
    ("may", 5),
    ("mai", 5),
    ("mayo", 5),
    ("maggio", 5),
    ("maio", 5),
    ("june", 6),
    ("jun", 6),
    ("juni", 6),
    ("juin", 6),
    ("junio", 6),
    ("giugno", 6),
    ("junho", 6),
    ("july", 7),
    ("jul", 7),
    ("juli", 7),
    ("juillet", 7),
    ("julio", 7),
    ("luglio", 7),
    ("julho", 7),
    ("august", 8),
    ("aug", 8),
    ("août", 8),
    ("aout", 8),
    ("agosto", 8),
    ("september", 9),
    ("sep", 9),
    ("sept", 9),
    ("septembre", 9),
    ("septiembre", 9),
    ("settembre", 9),
    ("setembro", 9),
    ("october", 10),
    ("oct", 10),
    ("oktober", 10),
    ("okt", 10),
    ("octobre", 10),
    ("octubre", 10),
    ("ottobre", 10),
    ("outubro", 10),
    ("november", 11),
    ("nov", 11),
    ("novembre", 11),
    ("noviembre", 11),
    ("novembro", 11),
    ("december", 12),
    ("dec", 12),
    ("dezember", 12),
    ("dez", 12),
    ("décembre", 12),
    ("decembre", 12),
    ("diciembre", 12),
    ("dicembre", 12),
    ("dezembro", 12),
];

const FULL: Need = Need::Alone(0.85, 0.9);
const SHORT: Need = Need::Alone(0.6, 0.7);

/// Numeric dates.
pub(super) static FORMATS: &[Format] = &[
    Format {
        kind: Kind::DateTime,
        words: Words::CLOCK,
        forms: &[
            ("9999-99-99", FULL),
            ("9999/99/99", FULL),
            ("9999.99.99", FULL),
            ("9999/9/99", FULL),
            ("9999/9/9", FULL),
            ("9999/99/9", FULL),
            ("9999-9-9", FULL),
            ("9999-9-99", FULL),
            ("9999-99-9", FULL),
            // The digits before the `T` of a full ISO time run into the letter.
            ("9999-99-99A99", FULL),
        ],
        check: is_year_first,
    },
    Format {
        kind: Kind::DateTime,
        words: Words::CLOCK,
        forms: &[
            ("99/99/9999", FULL),
            ("9/99/9999", FULL),
            ("99/9/9999", FULL),
            ("9/9/9999", FULL),
            ("99.99.9999", FULL),
            ("9.99.9999", FULL),
            ("99.9.9999", FULL),
            ("9.9.9999", FULL),
            ("99-99-9999", FULL),
            ("9-9-9999", FULL),
            ("99-9-9999", FULL),
            ("9-99-9999", FULL),
            ("99/99/99", SHORT),
            ("9/99/99", SHORT),
            ("9/9/99", SHORT),
            ("99/9/99", SHORT),
            ("99.99.99", SHORT),
        ],
        check: |c| c.len() > 3 && is_year_last(c),
    },
];

fn is_year_first(c: &[u8]) -> bool {
    let time = c.iter().position(|b| *b == b'T').unwrap_or(c.len());
    let d = values(&c[..time]);
    if d.len() < 6 || d.iter().any(|d| *d > 9) || !matches!(d[0], 1 | 2) {
        return false;
    }
    let year = d[..4].iter().fold(0, |n, &d| n * 10 + u32::from(d));
    (1000..2200).contains(&year) && splits(&d[4..]).any(|(month, day)| is_day(month, day))
}

fn is_year_last(c: &[u8]) -> bool {
    let d = values(c);
    // Six characters may be d/m/yyyy or dd/mm/yy: either reading will do, the form has fixed the separators.
    [4, 2].into_iter().any(|year| {
        let century = d.len() > year && (year == 2 || matches!(d[d.len() - 4], 1 | 2));
        century && splits(&d[..d.len() - year]).any(|(a, b)| is_day(a, b) || is_day(b, a))
    })
}

/// The ways to read up to four digits as two numbers.
fn splits(digits: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let number = |d: &[u8]| d.iter().fold(0, |n, &d| n * 10 + u32::from(d));
    (1..digits.len())
        .filter(|at| *at <= 2 && digits.len() - at <= 2)
        .map(move |at| (number(&digits[..at]), number(&digits[at..])))
}

/// A date around the name of a month: day or year must stand next to it.
pub(super) fn around_month(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    let mut start = hit.start;
    let mut end = hit.end;
    if page.at(end) == b'.' && hit.end - hit.start <= 5 {
        end += 1;
    }
    let day_before = day_before(page, hit.start);
    if let Some(at) = day_before {
        start = at;
    }
    let day_after = match day_before {
        None => day_after(page, end),
        Some(_) => None,
    };
    if let Some(at) = day_after {
        end = at;
    }
    let year = year_after(page, end);
    if let Some(at) = year {
        end = at;
    }
    // "may 12" and "march 5" are verbs as often as dates: a small letter needs the year too.
    let capital = !page.at(hit.start).is_ascii_lowercase();
    let is_date = match (day_before.is_some(), day_after.is_some(), year.is_some()) {
        (true, _, _) | (_, true, true) => true,
        (_, true, false) => capital,
        (_, false, true) => capital,
        _ => false,
    };
    if is_date {
        end = time_after(page, end).unwrap_or(end);
        out.add(Kind::DateTime, start..end, 0.9);
    }
}

/// "12 ", "12. ", "12th of ", "12 de ", "12-" before a month.
fn day_before(page: &Page<'_>, month: usize) -> Option<usize> {
    let before = &page.text[floor(page.text, month.saturating_sub(12))..month];
    let mut rest = before.trim_end_matches([' ', '-', '/', '\u{a0}']);
    for word in [
        " of", " de", " the", "st", "nd", "rd", "th", "er", "º", "ª", ".",
    ] {
        rest = rest.strip_suffix(word).unwrap_or(rest);
    }
    for word in ["st", "nd", "rd", "th"] {
        rest = rest.strip_suffix(word).unwrap_or(rest);
    }
    let digits = rest.bytes().rev().take_while(u8::is_ascii_digit).count();
    let day: u32 = rest[rest.len() - digits..].parse().ok()?;
    let start = month - before.len() + rest.len() - digits;
    let free = !page.before(start).is_ascii_alphanumeric() && page.before(start) != b'.';
    ((1..=2).contains(&digits) && (1..=31).contains(&day) && free).then_some(start)
}

/// " 12", " 12th" after a month.
fn day_after(page: &Page<'_>, end: usize) -> Option<usize> {
    let at = end + run(page.bytes().get(end..)?, 1, |b| b == b' ' || b == b'-');
    let rest = page.bytes().get(at..)?;
    let digits = run(rest, 3, |b| b.is_ascii_digit());
    let day: u32 = page.text.get(at..at + digits)?.parse().ok()?;
    let suffix = match rest.get(digits..digits + 2) {
        Some(b"st" | b"nd" | b"rd" | b"th") => 2,
        _ => 0,
    };
    let stop = at + digits + suffix;
    let fraction = page.at(stop) == b'.' && page.at(stop + 1).is_ascii_digit();
    let free = !page.at(stop).is_ascii_alphanumeric() && !fraction;
    (at > end && digits <= 2 && (1..=31).contains(&day) && free && page.at(stop) != b':')
        .then_some(stop)
}

/// " 2024", ", 2024", " de 2024", "-24" after a day and month.
fn year_after(page: &Page<'_>, end: usize) -> Option<usize> {
    let rest = page.text.get(end..)?;
    let skipped = [", ", " de ", " of ", " del ", " ", "-", "/", ","]
        .into_iter()
        .find(|s| rest.starts_with(s))?;
    let at = end + skipped.len();
    let digits = run(page.bytes().get(at..)?, 5, |b| b.is_ascii_digit());
    let known = digits == 4 && matches!(page.at(at), b'1' | b'2');
    (known && !page.at(at + 4).is_ascii_alphanumeric()).then_some(at + 4)
}

/// " 10:15", "T10:15:00Z", " at 10:15 pm" after a date.
fn time_after(page: &Page<'_>, end: usize) -> Option<usize> {
    let rest = page.text.get(end..)?;
    let skipped = [" at ", ", ", " um ", " à ", " ", "T"]
        .into_iter()
        .find(|s| rest.starts_with(s))?;
    clock(page, end + skipped.len()).map(|(range, _)| range.end)
}

/// Extends the ISO form whose time runs on after a colon.
pub(super) fn with_time(page: &Page<'_>, range: Range<usize>) -> Range<usize> {
    let hour = range.end - 2.min(range.len());
    let end = match page.at(range.end) {
        b':' => clock(page, hour).map(|(r, _)| r.end),
        _ => time_after(page, range.end),
    };
    range.start..end.unwrap_or(range.end)
}

/// A time of day at `start`: its range, and whether its form is distinctive (a.m., seconds).
fn clock(page: &Page<'_>, start: usize) -> Option<(Range<usize>, bool)> {
    let two = |at: usize| {
        run(page.bytes().get(at..).unwrap_or_default(), 3, |b| {
            b.is_ascii_digit()
        })
    };
    let value =
        |from: usize, to: usize| page.text.get(from..to).and_then(|t| t.parse::<u32>().ok());
    let hours = two(start);
    if !(1..=2).contains(&hours) || value(start, start + hours)? > 24 {
        return None;
    }
    let mut end = start + hours;
    let mut distinct = false;
    let mut minutes = false;
    if page.at(end) == b':' && two(end + 1) == 2 && value(end + 1, end + 3)? < 60 {
        (end, minutes) = (end + 3, true);
        if page.at(end) == b':' && two(end + 1) == 2 && value(end + 1, end + 3)? < 61 {
            (end, distinct) = (end + 3, hours == 2);
            if matches!(page.at(end), b'.' | b',') && page.at(end + 1).is_ascii_digit() {
                end += 1 + run(&page.bytes()[end + 1..], 9, |b| b.is_ascii_digit());
            }
        }
    }
    let rest = page.text.get(end..)?;
    let meridiem = [
        " a.m.", " p.m.", " am", " pm", " AM", " PM", "am", "pm", "AM", "PM", " o'clock", " Uhr",
    ]
    .into_iter()
    .find(|s| rest.starts_with(s) && !page.at(end + s.len()).is_ascii_alphanumeric());
    if let Some(suffix) = meridiem {
        return Some((start..end + suffix.len(), true));
    }
    if minutes && page.at(end) == b'Z' {
        return Some((start..end + 1, true));
    }
    if minutes
        && matches!(page.at(end), b'+' | b'-')
        && two(end + 1) == 2
        && page.at(end + 3) == b':'
        && two(end + 4) == 2
    {
        return Some((start..end + 6, true));
    }
    let free = !page.at(end).is_ascii_alphanumeric() && page.at(end) != b':';
    (minutes && free).then_some((start..end, distinct))
}

/// A time of day of its own.
pub(super) fn time(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    if matches!(
        page.before(start),
        b':' | b'.' | b'-' | b'/' | b'$' | b'_' | b'#'
    ) {
        return;
    }
    let Some((range, distinct)) = clock(page, start) else {
        return;
    };
    let near = || page.near_within(&range, Words::CLOCK, 3, 0);
    let two_digits = page.at(start + 2) == b':';
    if distinct {
        out.add(Kind::DateTime, range, 0.85);
    } else if two_digits && near() {
        out.add(Kind::DateTime, range, 0.7);
    } else if near() {
        out.add(Kind::DateTime, range, 0.6);
    }
}
