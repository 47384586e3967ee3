//! Numbers of countries in the Americas.

use super::{ALONE, Id, NEAR, number};
use crate::rules::checksum::{is_day, luhn, weighted};
use crate::rules::formats::{Need, values};

pub(super) static IDS: &[Id] = &[
    // United States: ITIN, an SSN-like number with area 9xx and the groups the IRS uses.
    Id {
        words: &["itin", "individual taxpayer"],
        forms: &[
            ("999-99-9999", Need::Context(0.95)),
            ("999999999", Need::Context(0.9)),
        ],
        check: |c| {
            let group = number(&values(c), 3, 2);
            c[0] == b'9' && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
        },
    },
    // Canada: social insurance number, Luhn.
    Id {
        words: &[
            "sin",
            "social insurance",
            "social insurance number",
            "numéro d'assurance sociale",
        ],
        forms: &[
            ("999 999 999", NEAR),
            ("999-999-999", NEAR),
            ("999999999", NEAR),
        ],
        check: |c| c[0] != b'8' && luhn(&values(c)),
    },
    // Mexico: CURP.
    Id {
        words: &["curp", "clave única de registro"],
        forms: &[("AAAA999999AAAAAA99", ALONE), ("AAAA999999AAAAAAA9", ALONE)],
        check: curp,
    },
    // Brazil: CPF, two check digits modulo 11.
    Id {
        words: &["cpf", "cadastro de pessoas"],
        forms: &[
            ("999.999.999-99", ALONE),
            ("99999999999", NEAR),
            ("999999999-99", NEAR),
        ],
        check: |c| {
            let d = values(c);
            let same = d.iter().all(|x| *x == d[0]);
            !same
                && brazilian(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2], 9)
                && brazilian(&d, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 10)
        },
    },
    // Brazil: CNPJ, the same for companies and sole traders.
    Id {
        words: &["cnpj"],
        forms: &[("99.999.999/9999-99", ALONE), ("99999999999999", NEAR)],
        check: |c| {
            let d = values(c);
            number(&d, 0, 8) > 0
                && brazilian(&d, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 12)
                && brazilian(&d, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], 13)
        },
    },
    // Argentina: CUIT and CUIL, weights 5 4 3 2 7 6 5 4 3 2 modulo 11.
    Id {
        words: &["cuit", "cuil"],
        forms: &[("99-99999999-9", ALONE), ("99999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let rest = weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            matches!(number(&d, 0, 2), 20 | 23 | 24 | 27 | 30 | 33 | 34)
                && (11 - rest) % 11 == u32::from(d[10])
        },
    },
    // Chile: RUT, weights 2..7 from the right modulo 11, 10 becomes K.
    Id {
        words: &["rut", "run"],
        forms: &[
            ("99.999.999-9", ALONE),
            ("99.999.999-A", ALONE),
            ("9.999.999-9", ALONE),
            ("9.999.999-A", ALONE),
            ("99999999-9", NEAR),
            ("99999999-A", NEAR),
            ("9999999-9", NEAR),
            ("9999999-A", NEAR),
        ],
        check: rut,
    },
    // Ecuador: cédula, a province and Luhn.
    Id {
        words: &["cédula", "cedula", "cédula de identidad"],
        forms: &[("9999999999", NEAR)],
        check: |c| {
            let d = values(c);
            matches!(number(&d, 0, 2), 1..=24 | 30) && d[2] < 6 && luhn(&d)
        },
    },
];

fn brazilian(digits: &[u8], weights: &[u8], at: usize) -> bool {
    let rest = weighted(digits, weights) % 11;
    u32::from(digits[at]) == if rest < 2 { 0 } else { 11 - rest }
}

fn curp(c: &[u8]) -> bool {
    // The alphabet is Spanish: Ñ stands between N and O and counts.
    let value = |b: u8| match b {
        b'0'..=b'9' => u32::from(b - b'0'),
        b'A'..=b'N' => u32::from(b - b'A') + 10,
        _ => u32::from(b.wrapping_sub(b'A')) + 11,
    };
    let sum: u32 = c[..17]
        .iter()
        .zip((2..=18).rev())
        .map(|(&b, weight)| value(b) * weight)
        .sum();
    let date = values(&c[4..10]);
    matches!(c[10], b'H' | b'M' | b'X')
        && is_day(number(&date, 2, 2), number(&date, 4, 2))
        && (10 - sum % 10) % 10 == u32::from(c[17].wrapping_sub(b'0'))
}

fn rut(c: &[u8]) -> bool {
    let Some((&check, body)) = c.split_last() else {
        return false;
    };
    let sum: u32 = body
        .iter()
        .rev()
        .zip((2..=7).cycle())
        .map(|(&b, weight)| u32::from(b.wrapping_sub(b'0')) * weight)
        .sum();
    let expected = match 11 - sum % 11 {
        11 => b'0',
        10 => b'K',
        digit => b'0' + digit as u8,
    };
    check == expected
}
