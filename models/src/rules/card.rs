//! Payment cards: issuer ranges, lengths and Luhn (ISO/IEC 7812-1).

use super::Kind;
use super::checksum::luhn;
use super::lexicon::Words;
use super::page::{Page, Sink};

/// The longest card number, in digits.
const LONGEST: usize = 19;

/// A card number whose first group begins at `start`.
pub(super) fn find(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    let mut digits = [0u8; LONGEST];
    let (mut count, mut at, mut separator) = (0, start, 0u8);
    let (mut end, mut groups) = (start, 0usize);
    let mut widths = [0usize; LONGEST];
    loop {
        let group = at;
        while page.at(at).is_ascii_digit() {
            if count == LONGEST {
                return;
            }
            digits[count] = page.at(at) - b'0';
            (count, at) = (count + 1, at + 1);
        }
        if at == group || page.at(at).is_ascii_alphabetic() || page.at(at) == b'_' {
            break;
        }
        (end, widths[groups]) = (at, at - group);
        groups += 1;
        let next = page.at(at);
        if !matches!(next, b' ' | b'-' | b'.') || (separator != 0 && next != separator) {
            break;
        }
        // "4111 1111 1111 1111 12/26" and "... 123": what follows a whole card is not its fifth group.
        if count >= 15 && is_card(&digits[..count], &widths[..groups]) {
            break;
        }
        separator = next;
        at += 1;
    }
    let count: usize = widths[..groups].iter().sum();
    let range = start..end;
    if !is_card(&digits[..count], &widths[..groups]) || !page.stands_alone(&range) {
        return;
    }
    let near = page.near(&range, Words::CARD);
    let before_digit =
        page.before(start) == b' ' && start > 1 && page.at(start - 2).is_ascii_digit();
    let after_four = page.at(end) == b' ' && (1..5).all(|i| page.at(end + i).is_ascii_digit());
    let listed = groups > 1 && separator == b' ' && (before_digit || after_four);
    // Dotted digits are versions and object identifiers more often than cards.
    if (listed || separator == b'.') && !near {
        return;
    }
    // A long plain number passes issuer and Luhn by chance about once in 25: longer prefixes weigh more.
    let strong = groups > 1 || count == 16 || (count == 15 && digits[0] == 3);
    let score = match (near, strong) {
        (true, _) => 0.999,
        (false, true) => 0.99,
        (false, false) => 0.4,
    };
    out.add(Kind::CreditCard, range, score);
}

fn is_card(digits: &[u8], widths: &[usize]) -> bool {
    let grouped = matches!(
        widths,
        [_] | [4, 6, 5]
            | [4, 6, 4]
            | [4, 4, 4, 4]
            | [4, 4, 4, 4, 3]
            | [4, 4, 4, 3]
            | [4, 4, 4, 1]
            | [6, 13]
            | [8, 8]
    );
    grouped && issued(digits) && luhn(digits) && digits[4..].iter().any(|d| *d > 0)
}

/// The ranges of the schemes, after their published BIN tables.
fn issued(digits: &[u8]) -> bool {
    if digits.len() < 13 {
        return false;
    }
    let prefix = |n: usize| digits[..n].iter().fold(0u32, |p, &d| p * 10 + u32::from(d));
    match digits.len() {
        13 => digits[0] == 4,
        14 => matches!(prefix(2), 36 | 38 | 39) || matches!(prefix(3), 300..=305 | 309),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            digits[0] == 4
                || matches!(prefix(2), 51..=55 | 62 | 65 | 81 | 82)
                || matches!(prefix(4), 2200..=2204 | 2221..=2720 | 3528..=3589 | 6011 | 6304 | 6759 | 6761..=6763 | 5018 | 5020 | 5038 | 5893)
                || matches!(prefix(3), 644..=649)
        }
        17 | 18 => matches!(prefix(2), 62) || matches!(prefix(4), 6759 | 6304),
        19 => digits[0] == 4 || matches!(prefix(2), 62 | 65) || matches!(prefix(4), 6011 | 6759),
        _ => false,
    }
}
