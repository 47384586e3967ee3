//! Telephone numbers: E.164 and national forms (ITU-T E.123), with context words where digits alone say little.

use std::ops::Range;

use super::Kind;
use super::lexicon::Words;
use super::page::{Page, Sink, run};

/// The longest number, in digits: fifteen of E.164 and an international prefix.
const LONGEST: usize = 18;
/// The most groups.
const GROUPS: usize = 8;

#[derive(Debug, Default)]
struct Number {
    digits: [u8; LONGEST],
    count: usize,
    widths: [usize; GROUPS],
    groups: usize,
    end: usize,
    separators: u8,
}

const SPACE: u8 = 1;
const DASH: u8 = 2;
const DOT: u8 = 4;
const SLASH: u8 = 8;
const PAREN: u8 = 16;

/// A number whose first digit is at `start`.
pub(super) fn find(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    let mut first = start;
    let open = page.before(first) == b'(';
    first -= usize::from(open);
    let plus = page.before(first) == b'+' || (!open && page.before(start) == b'+');
    first -= usize::from(plus);
    if plus && page.before(first) == b'(' {
        first -= 1;
    }
    let Some(number) = read(page, start, open) else {
        return;
    };
    let range = first..number.end;
    if !free(page, &range, plus || open) {
        return;
    }
    let near = page.near_within(&range, Words::PHONE, 32, 16);
    // "serial 0047-7719-3320" would be a number in Norway; the form of an American one says more.
    let thing = page.near_within(&range, Words::THING, 12, 0);
    let listed = thing || page.in_number_list(&range);
    // A plus makes it a telephone whatever stands before.
    if thing && !near && !plus && page.is_number_of_thing(&range) {
        return;
    }
    if let Some(score) = judge(&number, plus, open, near, listed) {
        let end = extension(page, number.end);
        out.add(Kind::PhoneNumber, range.start..end, score);
    }
}

fn free(page: &Page<'_>, range: &Range<usize>, marked: bool) -> bool {
    let before = page.before(range.start);
    let second = range.start.checked_sub(2).map_or(0, |i| page.at(i));
    let left = match before {
        b'-' | b'/' | b'.' | b'=' | b'*' | b'#' => {
            marked && !second.is_ascii_alphanumeric() && before != b'.'
        }
        b'$' | b'_' | b'%' | b'^' | b'@' | b'+' | b'\\' | b'&' => false,
        b',' | b':' => !second.is_ascii_digit(),
        b => !b.is_ascii_alphanumeric() && b != b')',
    };
    let after = page.at(range.end);
    let next = page.at(range.end + 1);
    let right = match after {
        b'.' | b'-' | b'/' | b',' | b':' => !next.is_ascii_digit(),
        b'%' | b'_' | b'^' | b'*' | b'=' | b'@' => false,
        b'x' => next.is_ascii_digit(),
        b => !b.is_ascii_alphanumeric(),
    };
    left && right && !page.text[..range.start].ends_with(['€', '£', '¥'])
}

fn read(page: &Page<'_>, start: usize, open: bool) -> Option<Number> {
    let mut number = Number::default();
    let mut at = start;
    let mut unclosed = open;
    loop {
        let group = at;
        while page.at(at).is_ascii_digit() {
            if number.count == LONGEST {
                return None;
            }
            number.digits[number.count] = page.at(at) - b'0';
            (number.count, at) = (number.count + 1, at + 1);
        }
        if at > group {
            if number.groups == GROUPS {
                return None;
            }
            number.widths[number.groups] = at - group;
            number.groups += 1;
            number.end = at;
        }
        let gap = run(page.bytes().get(at..).unwrap_or_default(), 3, |b| {
            matches!(b, b' ' | b'-' | b'.' | b'/' | b'(' | b')')
        });
        let separators = &page.bytes()[at..at + gap];
        let opens = separators.contains(&b'(');
        let closes = separators.contains(&b')');
        let regular = match gap {
            0 => false,
            1 => separators != b"(" && (separators != b")" || unclosed),
            2 | 3 => opens || (closes && unclosed),
            _ => false,
        };
        if !regular
            || (opens && unclosed)
            || !page.at(at + gap).is_ascii_digit()
            || separators == b"--"
        {
            break;
        }
        for separator in separators {
            number.separators |= match separator {
                b' ' => SPACE,
                b'-' => DASH,
                b'.' => DOT,
                b'/' => SLASH,
                _ => PAREN,
            };
        }
        unclosed = (unclosed || opens) && !closes;
        at += gap;
    }
    (number.count >= 7 && !unclosed).then_some(number)
}

fn judge(number: &Number, plus: bool, open: bool, near: bool, listed: bool) -> Option<f32> {
    let digits = &number.digits[..number.count];
    let widths = &number.widths[..number.groups];
    let is_date = matches!(
        widths,
        [2, 2, 4] | [4, 2, 2] | [1, 2, 4] | [2, 1, 4] | [1, 1, 4]
    );
    if plus {
        return ((8..=16).contains(&digits.len()) && digits[0] != 0).then_some(0.95);
    }
    if is_date
        || digits.iter().all(|d| *d == digits[0])
        || widths[0] == digits.len() && widths[0] > 15
    {
        return None;
    }
    if american(digits, widths, number.separators, open) {
        let spaced = number.separators == SPACE;
        return match (near, spaced && listed) {
            (true, _) => Some(0.95),
            (false, true) => None,
            (false, false) if spaced => Some(0.7),
            (false, false) => Some(0.85),
        };
    }
    if near && (7..=15).contains(&digits.len()) {
        return Some(0.9);
    }
    let grouped = number.groups >= 2 && number.separators & DOT == 0;
    let international =
        digits.starts_with(&[0, 0]) && digits[2] != 0 && (11..=17).contains(&digits.len());
    if grouped && international && widths[0] >= 2 && !listed {
        return Some(0.8);
    }
    if grouped && !listed && national(digits, widths, open) {
        return Some(if number.separators & DASH != 0 {
            0.55
        } else {
            0.65
        });
    }
    None
}

/// North American Numbering Plan: area and exchange begin with 2 to 9.
fn american(digits: &[u8], widths: &[usize], separators: u8, open: bool) -> bool {
    let (ten, widths) = match (digits, widths) {
        ([1, rest @ ..], [1, widths @ ..]) if rest.len() == 10 => (rest, widths),
        ([0, 0, 1, rest @ ..], [3, widths @ ..]) if rest.len() == 10 => (rest, widths),
        _ => (digits, widths),
    };
    let planned = ten.len() == 10 && ten[0] > 1 && ten[3] > 1 && ten[1] != 9;
    planned && separators & SLASH == 0 && (widths == [3, 3, 4] || (open && widths == [3, 7]))
}

/// A trunk prefix 0, an area and a subscriber: Europe, Australia, Japan.
fn national(digits: &[u8], widths: &[usize], open: bool) -> bool {
    let french = widths == [2, 2, 2, 2, 2];
    digits[0] == 0
        && digits[1] != 0
        && (9..=12).contains(&digits.len())
        && (french || widths[0] >= 3 || (open && widths[0] >= 2) || widths == [2, 4, 4])
        && widths.iter().all(|w| *w >= 2)
        && widths[0] <= 6
}

/// " ext. 123", "x123".
fn extension(page: &Page<'_>, end: usize) -> usize {
    let rest = page.text.get(end..).unwrap_or_default();
    let gap = run(rest.as_bytes(), 2, |b| b == b' ' || b == b',');
    let word = ["extension", "ext.", "ext", "x"]
        .into_iter()
        .find(|w| rest[gap..].starts_with(w));
    let Some(word) = word else { return end };
    let at = end + gap + word.len();
    let at = at + run(&page.bytes()[at..], 1, |b| b == b' ');
    let digits = run(&page.bytes()[at..], 7, |b| b.is_ascii_digit());
    match digits {
        1..=6 => at + digits,
        _ => end,
    }
}
