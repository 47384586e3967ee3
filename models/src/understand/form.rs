//! The least that a piece of text must have to be data of a type. The model reads words and is now and then sure that a
//! version is an address; what cannot be one is no finding.

use crate::normalize::normalize;
use crate::rules::checksum::luhn;

/// Can this be data of the type? Types that are words can be anything.
pub(super) fn possible(label: &str, text: &str) -> bool {
    // Wide digits and dots are digits and dots; characters without width do not count.
    let plain = normalize(text);
    let text = &*plain.text;
    let digits = || text.chars().filter(|c| c.is_numeric()).count();
    match label {
        "CREDIT_CARD" => is_card(text),
        "DOMAIN_NAME" => text.contains('.') || text.contains("dot"),
        "EMAIL_ADDRESS" => text.contains('@') || text.contains("at"),
        // Country, check digits and at least eleven characters (ISO 13616).
        "IBAN_CODE" => text.chars().filter(|c| c.is_alphanumeric()).count() >= 15,
        "IP_ADDRESS" => is_ip(text),
        // Within a town five digits may do.
        "PHONE_NUMBER" => digits() >= 5,
        "US_DRIVER_LICENSE" => digits() >= 4,
        "US_SSN" => digits() == 9,
        "ZIP_CODE" => digits() >= 2,
        _ => true,
    }
}

/// The shortest card numbers have 12 digits (ISO/IEC 7812-1 allows 8 to 19; issuers use 12 and more), of which the last is
/// Luhn's.
fn is_card(text: &str) -> bool {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(10))
        .filter_map(|d| u8::try_from(d).ok())
        .collect();
    digits.len() >= 12 && luhn(&digits)
}

/// Version 4 with four numbers below 256, each of which may be hidden (`10.0.x.*`); version 6 with at least two colons.
/// A mask or port behind it does not matter.
fn is_ip(text: &str) -> bool {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != ':' && c != '*');
    let address = text.split(['/', '%']).next().unwrap_or_default();
    if address.matches(':').count() >= 2 {
        return address
            .chars()
            .all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']'));
    }
    let parts: Vec<&str> = address
        .split(':')
        .next()
        .unwrap_or_default()
        .split('.')
        .map(str::trim)
        .collect();
    let hidden = |part: &str| matches!(part, "x" | "xx" | "xxx" | "X" | "XX" | "XXX" | "*");
    parts.len() == 4
        && parts
            .iter()
            .all(|part| hidden(part) || part.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_the_form_is_possible() {
        for (label, text) in [
            ("CREDIT_CARD", "4111 1111 1111 1111"),
            ("CREDIT_CARD", "５５００ 0000 0000 0004"),
            ("EMAIL_ADDRESS", "jo＠mail.example"),
            ("IP_ADDRESS", "１０．0\u{200b}.0.１"),
            ("DOMAIN_NAME", "shop.example.net"),
            ("EMAIL_ADDRESS", "jo at mail dot example"),
            ("IBAN_CODE", "NO93 8601 1117 947"),
            ("IP_ADDRESS", "10.0.0.255"),
            ("IP_ADDRESS", "192.168.x.*"),
            ("IP_ADDRESS", "10.1.2.0/24"),
            ("IP_ADDRESS", "172.16.0.9:8080"),
            ("IP_ADDRESS", "fe80::1%eth0"),
            ("IP_ADDRESS", "[2001:db8::8a2e:370:7334]"),
            ("IP_ADDRESS", "::ffff:10.0.0.1"),
            ("PHONE_NUMBER", "55-123"),
            ("US_DRIVER_LICENSE", "S 310 428 733 651"),
            ("US_SSN", "078 05 1120"),
            ("ZIP_CODE", "YO1 9XA"),
            ("PERSON", "7"),
        ] {
            assert!(possible(label, text), "{label} {text}");
        }
    }

    #[test]
    fn what_lacks_it_is_not() {
        for (label, text) in [
            ("CREDIT_CARD", "ending in 4410"),
            ("CREDIT_CARD", "4539 8941 2120 4217"),
            ("DOMAIN_NAME", "localhost"),
            ("EMAIL_ADDRESS", "jo"),
            ("IBAN_CODE", "DE02"),
            ("IP_ADDRESS", "3.14.159"),
            ("IP_ADDRESS", "1.2.3.456"),
            ("IP_ADDRESS", "12:30"),
            ("IP_ADDRESS", "10:30:xx"),
            ("PHONE_NUMBER", "ext. 12"),
            ("US_DRIVER_LICENSE", "class C"),
            ("US_SSN", "1120"),
            ("ZIP_CODE", "Leeds"),
        ] {
            assert!(!possible(label, text), "{label} {text}");
        }
    }
}
