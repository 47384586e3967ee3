//! Addresses of machines: IPv4, IPv6, MAC.

use std::net::Ipv6Addr;

use super::Kind;
use super::lexicon::Words;
use super::page::{Page, Sink, run};

/// Dotted decimal that begins at `start`: strict, and not a version or a section.
pub(super) fn ipv4(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    let before = page.before(start);
    if before.is_ascii_alphanumeric() || matches!(before, b'.' | b'_' | b'-' | b'+' | b'$') {
        return;
    }
    let (mut at, mut small) = (start, true);
    for octet in 0..4 {
        let digits = run(&page.bytes()[at.min(page.text.len())..], 4, |b| {
            b.is_ascii_digit()
        });
        let padded = digits > 1 && page.at(at) == b'0';
        let Ok(value) = page.text[at..at + digits].parse::<u16>() else {
            return;
        };
        if padded || value > 255 {
            return;
        }
        small &= value < 32;
        at += digits;
        if octet < 3 {
            if page.at(at) != b'.' {
                return;
            }
            at += 1;
        }
    }
    let range = start..at;
    let next = page.at(at);
    let goes_on = next.is_ascii_alphanumeric()
        || matches!(next, b'_' | b'+' | b'%')
        || (matches!(next, b'.' | b'-') && page.at(at + 1).is_ascii_alphanumeric());
    if goes_on || page.near_within(&range, Words::VERSION, 14, 0) {
        return;
    }
    match (page.near_within(&range, Words::IP, 40, 16), small) {
        (true, _) => out.add(Kind::IpAddress, range, 0.95),
        (false, false) => out.add(Kind::IpAddress, range, 0.9),
        // Four small numbers are a version or a section unless something says otherwise, or 10.x.
        (false, true) if page.text[range.clone()].starts_with("10.") => {
            out.add(Kind::IpAddress, range, 0.7)
        }
        (false, true) => {}
    }
}

/// Hexadecimal groups with colons (RFC 4291, EUI-48) whose first group begins at `start`.
pub(super) fn colons(page: &Page<'_>, start: usize, out: &mut impl Sink) {
    if mac(page, start, b':', out) {
        return;
    }
    let start = match page.bytes()[..start].ends_with(b"::") {
        true => start - 2,
        false => start,
    };
    let before = page.before(start);
    if before.is_ascii_alphanumeric() || matches!(before, b':' | b'_' | b'.' | b'>') {
        return;
    }
    let rest = &page.bytes()[start..];
    let mut length = run(rest, 46, |b| {
        b.is_ascii_hexdigit() || matches!(b, b':' | b'.')
    });
    while length > 0
        && (rest[length - 1] == b'.'
            || (rest[length - 1] == b':' && !rest[..length].ends_with(b"::")))
    {
        length -= 1;
    }
    let next = rest.get(length).copied().unwrap_or(0);
    let text = &page.text[start..start + length];
    let colons = text.bytes().filter(|b| *b == b':').count();
    // "a::b" is an address to the RFC and a path to a compiler.
    let has_long_group = text
        .split(':')
        .any(|g| g.len() >= 3 && g.bytes().any(|b| b.is_ascii_digit()));
    if next.is_ascii_alphanumeric()
        || next == b'_'
        || colons < 2
        || text.parse::<Ipv6Addr>().is_err()
    {
        return;
    }
    if text == "::1" || (has_long_group && colons >= 2) || colons >= 5 {
        out.add(Kind::IpAddress, start..start + length, 0.95);
    }
}

/// Six pairs with one separator; says whether there was one.
pub(super) fn mac(page: &Page<'_>, start: usize, separator: u8, out: &mut impl Sink) -> bool {
    let Some(bytes) = page.bytes().get(start..start + 17) else {
        return false;
    };
    let shaped = bytes.iter().enumerate().all(|(i, b)| match i % 3 {
        2 => *b == separator,
        _ => b.is_ascii_hexdigit(),
    });
    let around = [page.before(start), page.at(start + 17)];
    let free = around
        .iter()
        .all(|b| !b.is_ascii_alphanumeric() && *b != separator && *b != b'_');
    let plain = bytes.iter().all(|b| *b == separator || b.is_ascii_digit());
    // "12-10-11-09-08-07" may be anything; colons are not used that way.
    let found = shaped && free && !(plain && separator == b'-');
    if found {
        out.add(Kind::MacAddress, start..start + 17, 0.95);
    }
    found
}
