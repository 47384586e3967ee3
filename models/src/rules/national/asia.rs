//! Numbers of countries in Asia, Africa and Oceania.

use super::{ALONE, BARE, Id, NEAR, RARE, number};
use crate::rules::checksum::{is_day, luhn, verhoeff, weighted};
use crate::rules::formats::values;

pub(super) static IDS: &[Id] = &[
    // China: resident identity number, GB 11643-1999, ISO 7064 MOD 11-2.
    Id {
        words: &[
            "身份证",
            "身份證",
            "resident identity",
            "shenfenzheng",
            "resident id",
        ],
        forms: &[("999999999999999999", ALONE), ("99999999999999999A", ALONE)],
        check: |c| {
            let d = values(&c[..17]);
            let sum = weighted(&d, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
            (11..=82).contains(&number(&d, 0, 2))
                && (1900..2100).contains(&number(&d, 6, 4))
                && is_day(number(&d, 10, 2), number(&d, 12, 2))
                && b"10X98765432"[(sum % 11) as usize] == c[17]
        },
    },
    // India: Aadhaar, Verhoeff; never begins with 0 or 1.
    Id {
        words: &["aadhaar", "aadhar", "uidai", "आधार"],
        forms: &[
            ("9999 9999 9999", NEAR),
            ("999999999999", NEAR),
            ("9999-9999-9999", NEAR),
        ],
        check: |c| c[0] > b'1' && verhoeff(&values(c)),
    },
    // India: permanent account number; the fourth letter tells the kind of holder.
    Id {
        words: &["pan", "pan card", "pan number", "permanent account number"],
        forms: &[("AAAAA9999A", BARE)],
        check: |c| b"ABCFGHLJPTK".contains(&c[3]),
    },
    // Korea: resident registration number, weights 2..9 2..5 modulo 11 (not for numbers given out since 2020).
    Id {
        words: &["rrn", "주민등록번호", "주민번호", "resident registration"],
        forms: &[("999999-9999999", RARE), ("9999999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let sum = weighted(&d, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
            is_day(number(&d, 2, 2), number(&d, 4, 2))
                && (1..=8).contains(&d[6])
                && (11 - sum % 11) % 10 == u32::from(d[12])
        },
    },
    // Japan: My Number, weights 6 5 4 3 2 7 6 5 4 3 2 modulo 11.
    Id {
        words: &["my number", "mynumber", "マイナンバー", "個人番号"],
        forms: &[
            ("999999999999", NEAR),
            ("9999 9999 9999", NEAR),
            ("9999-9999-9999", NEAR),
        ],
        check: |c| {
            let d = values(c);
            let rest = weighted(&d, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
            u32::from(d[11]) == if rest <= 1 { 0 } else { 11 - rest }
        },
    },
    // Singapore: NRIC and FIN.
    Id {
        words: &["nric", "fin", "nric/fin", "singapore id"],
        forms: &[("A9999999A", RARE)],
        check: nric,
    },
    // Taiwan: national identification number; the letter as two digits.
    Id {
        words: &["身分證", "身分證字號", "taiwan id"],
        forms: &[("A999999999", NEAR)],
        check: taiwan,
    },
    // Thailand: citizen number, weights 13..2 modulo 11.
    Id {
        words: &[
            "thai id",
            "thai national",
            "เลขประจำตัวประชาชน",
            "บัตรประชาชน",
        ],
        forms: &[("9-9999-99999-99-9", ALONE), ("9999999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let sum = weighted(&d, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
            d[0] > 0 && (11 - sum % 11) % 10 == u32::from(d[12])
        },
    },
    // Malaysia: MyKad; a date, no check digit.
    Id {
        words: &["mykad", "nric", "kad pengenalan", "ic number", "no. kp"],
        forms: &[("999999-99-9999", BARE), ("999999999999", BARE)],
        check: |c| {
            let d = values(c);
            is_day(number(&d, 2, 2), number(&d, 4, 2))
        },
    },
    // Israel: teudat zehut, Luhn over nine digits.
    Id {
        words: &["teudat zehut", "תעודת זהות", "ת.ז.", "ת\"ז", "israeli id"],
        forms: &[("999999999", NEAR), ("99999999-9", NEAR)],
        check: |c| {
            let d = values(c);
            number(&d, 0, 9) > 0 && luhn(&d)
        },
    },
    // South Africa: identity number; a date and Luhn.
    Id {
        words: &[
            "south african id",
            "rsa id",
            "sa id",
            "sa id number",
            "south africa id",
        ],
        forms: &[
            ("9999999999999", NEAR),
            ("999999 9999 999", NEAR),
            ("999999 9999 99 9", NEAR),
        ],
        check: |c| {
            let d = values(c);
            is_day(number(&d, 2, 2), number(&d, 4, 2)) && d[10] <= 2 && luhn(&d)
        },
    },
    // Australia: tax file number, weights 1 4 3 7 5 8 6 9 10 modulo 11.
    Id {
        words: &["tfn", "tax file number", "tax file"],
        forms: &[
            ("999999999", NEAR),
            ("999 999 999", NEAR),
            ("999-999-999", NEAR),
        ],
        check: |c| {
            let d = values(c);
            number(&d, 0, 9) > 0 && weighted(&d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11)
        },
    },
    // Australia: Medicare card, weights 1 3 7 9 1 3 7 9 modulo 10; begins with 2 to 6.
    Id {
        words: &["medicare", "medicare number", "medicare card"],
        forms: &[
            ("9999 99999 9", NEAR),
            ("9999999999", NEAR),
            ("9999-99999-9", NEAR),
            ("9999 99999 9/9", NEAR),
        ],
        check: |c| {
            let d = values(c);
            (2..=6).contains(&d[0])
                && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(d[8])
        },
    },
];

fn nric(c: &[u8]) -> bool {
    let sum = weighted(&values(&c[1..8]), &[2, 7, 6, 5, 4, 3, 2]);
    let (letters, offset) = match c[0] {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"KLJNPQRTUWX", 3),
        _ => return false,
    };
    let rest = ((sum + offset) % 11) as usize;
    // The M series counts its letters from the other end.
    let place = if c[0] == b'M' { 10 - rest } else { rest };
    letters[place] == c[8]
}

fn taiwan(c: &[u8]) -> bool {
    // Letters by the value they stand for, 10 to 35.
    let Some(place) = b"ABCDEFGHJKLMNPQRSTUVXYWZIO"
        .iter()
        .position(|l| *l == c[0])
    else {
        return false;
    };
    let letter = place as u32 + 10;
    let rest = weighted(&values(&c[1..]), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(c[1], b'1' | b'2' | b'8' | b'9')
        && (letter / 10 + letter % 10 * 9 + rest).is_multiple_of(10)
}
