//! Vehicle identification numbers: ISO 3779; the check digit of 49 CFR 565.15 (North America).

/// Seventeen characters without I, O, Q, of which the ninth checks the others.
pub(super) fn is_vin(c: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    if !looks_like_vin(c) {
        return false;
    }
    let sum: u32 = c.iter().zip(WEIGHTS).map(|(&b, w)| value(b) * w).sum();
    let expected = match sum % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    };
    c[8] == expected
        && c[..3].iter().any(u8::is_ascii_alphabetic)
        && c[13..].iter().all(u8::is_ascii_digit)
}

/// The shape alone: European numbers carry no check digit.
pub(super) fn looks_like_vin(c: &[u8]) -> bool {
    let digits = c.iter().filter(|b| b.is_ascii_digit()).count();
    c.len() == 17
        && (4..=15).contains(&digits)
        && !c.iter().any(|b| matches!(b, b'I' | b'O' | b'Q'))
}

fn value(byte: u8) -> u32 {
    let value = match byte {
        b'0'..=b'9' => byte - b'0',
        b'A'..=b'H' => byte - b'A' + 1,
        b'J'..=b'R' => byte - b'J' + 1,
        b'S'..=b'Z' => byte - b'S' + 2,
        _ => 0,
    };
    u32::from(value)
}
