//! Check-digit algorithms that several kinds share. Digits are values, 0 to 9.

/// Luhn, ISO/IEC 7812-1 annex B.
pub(crate) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, &d)| match i % 2 {
            0 => u32::from(d),
            _ if d > 4 => u32::from(d) * 2 - 9,
            _ => u32::from(d) * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The number as an integer modulo `modulus`.
pub(super) fn modulo(digits: &[u8], modulus: u32) -> u32 {
    digits
        .iter()
        .fold(0, |rest, &d| (rest * 10 + u32::from(d)) % modulus)
}

/// The sum of digits times weights; the shorter of both decides how many.
pub(super) fn weighted(digits: &[u8], weights: &[u8]) -> u32 {
    digits
        .iter()
        .zip(weights)
        .map(|(&d, &w)| u32::from(d) * u32::from(w))
        .sum()
}

/// ISO/IEC 7064 MOD 11,10 (German tax number, Croatian OIB): the last digit checks the others.
pub(super) fn mod_11_10(digits: &[u8]) -> bool {
    let Some((&check, rest)) = digits.split_last() else {
        return false;
    };
    let product = rest.iter().fold(10, |product, &d| {
        let sum = match (u32::from(d) + product) % 10 {
            0 => 10,
            s => s,
        };
        (sum * 2) % 11
    });
    (11 - product) % 10 == u32::from(check)
}

/// ISO/IEC 7064 MOD 97-10 over letters and digits, letters as 10 to 35 (IBAN).
pub(super) fn mod_97(characters: impl Iterator<Item = u8>) -> u32 {
    characters.fold(0, |rest, c| match c {
        b'0'..=b'9' => (rest * 10 + u32::from(c - b'0')) % 97,
        c => (rest * 100 + u32::from(c.to_ascii_uppercase().wrapping_sub(b'A')) + 10) % 97,
    })
}

/// ICAO 9303 part 3: weights 7, 3, 1; letters as 10 to 35, `<` as 0. The sum modulo 10.
pub(super) fn icao(characters: &[u8]) -> u8 {
    let sum: u32 = characters
        .iter()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(&c, weight)| {
            let value = match c {
                b'0'..=b'9' => c - b'0',
                b'A'..=b'Z' => c - b'A' + 10,
                _ => 0,
            };
            u32::from(value) * weight
        })
        .sum();
    (sum % 10) as u8
}

/// Verhoeff's dihedral check (Aadhaar). J. Verhoeff, "Error Detecting Decimal Codes", 1969.
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let check = digits.iter().rev().enumerate().fold(0u8, |check, (i, &d)| {
        let permuted = (0..i % 8).fold(d, |d, _| PERMUTATION[usize::from(d % 10)]);
        dihedral(check, permuted)
    });
    check == 0
}

/// The product in the dihedral group of order ten.
fn dihedral(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b - 5) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// Whether this can be a day of a year; 29 February always can.
pub(super) fn is_day(month: u32, day: u32) -> bool {
    let last = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}
