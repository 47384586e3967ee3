//! Numbers of European countries.

use super::{ALONE, BARE, Id, NEAR, RARE, number};
use crate::rules::checksum::{icao, is_day, luhn, mod_11_10, modulo, weighted};
use crate::rules::formats::values;

pub(super) static IDS: &[Id] = &[
    // Germany: Steuer-Identifikationsnummer, § 139b AO; ISO 7064 MOD 11,10.
    Id {
        words: &[
            "steuer-id",
            "steuer id",
            "steueridentifikationsnummer",
            "steuer-identifikationsnummer",
            "idnr",
            "steuernummer",
            "identifikationsnummer",
            "steuer-idnr",
        ],
        forms: &[("99999999999", NEAR), ("99 999 999 999", NEAR)],
        check: steuer_id,
    },
    // Germany: Personalausweis, ICAO 9303 check digit over nine characters.
    Id {
        words: &[
            "personalausweis",
            "ausweisnummer",
            "personalausweisnummer",
            "ausweis",
            "ausweisnr",
        ],
        forms: &[("*10", NEAR), ("9999999999", NEAR)],
        check: |c| icao(&c[..9]) == c[9].wrapping_sub(b'0'),
    },
    // Germany: Rentenversicherungsnummer, § 147 SGB VI: the letter as two digits, weights 2 1 2 5 7 1 2 1 2 1 2 1.
    Id {
        words: &[
            "rentenversicherungsnummer",
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "rvnr",
            "sv-nummer",
            "svnr",
        ],
        forms: &[("99999999A999", NEAR), ("99 999999 A 999", RARE)],
        check: rentenversicherung,
    },
    // Austria: Sozialversicherungsnummer, weights 3 7 9 - 5 8 4 2 1 6 modulo 11.
    Id {
        words: &[
            "sozialversicherungsnummer",
            "svnr",
            "sv-nummer",
            "versicherungsnummer",
        ],
        forms: &[("9999 999999", NEAR), ("9999999999", NEAR)],
        check: |c| {
            let d = values(c);
            weighted(&d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11 == u32::from(d[3])
        },
    },
    // Switzerland: AHV number, EAN-13 with prefix 756.
    Id {
        words: &["ahv", "avs", "ahv-nummer", "ahv-nr", "numéro avs"],
        forms: &[("999.9999.9999.99", ALONE), ("9999999999999", NEAR)],
        check: |c| {
            c.starts_with(b"756")
                && weighted(&values(c), &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
        },
    },
    // France: numéro d'inscription au répertoire (INSEE), key 97 - n mod 97; 2A and 2B are Corsica.
    Id {
        words: &[
            "nir",
            "insee",
            "sécurité sociale",
            "securite sociale",
            "numéro de sécu",
            "numéro de sécurité sociale",
            "sécu",
            "carte vitale",
        ],
        forms: &[
            ("999999999999999", ALONE),
            ("9 99 99 99 999 999 99", ALONE),
            ("9 99 99 9A 999 999 99", ALONE),
            ("999999A99999999", ALONE),
        ],
        check: nir,
    },
    // Italy: codice fiscale, D.M. 23 December 1976.
    Id {
        words: &["codice fiscale", "cod. fisc.", "codicefiscale"],
        forms: &[("AAAAAA99A99A999A", ALONE)],
        check: codice_fiscale,
    },
    // Spain: DNI, letter from the number modulo 23.
    Id {
        words: &["dni", "nif", "documento nacional"],
        forms: &[
            ("99999999A", NEAR),
            ("99999999-A", RARE),
            ("99.999.999-A", ALONE),
            ("99 999 999 A", NEAR),
        ],
        check: |c| spanish(number(&values(&c[..8]), 0, 8), c[8]),
    },
    // Spain: NIE, X, Y, Z stand for 0, 1, 2.
    Id {
        words: &["nie", "número de identidad de extranjero", "extranjero"],
        forms: &[
            ("A9999999A", NEAR),
            ("A-9999999-A", ALONE),
            ("A9999999-A", RARE),
        ],
        check: |c| {
            matches!(c[0], b'X'..=b'Z')
                && spanish(
                    u32::from(c[0] - b'X') * 10_000_000 + number(&values(&c[1..8]), 0, 7),
                    c[8],
                )
        },
    },
    // Portugal: NIF, weights 9..2 modulo 11.
    Id {
        words: &[
            "nif",
            "contribuinte",
            "número de contribuinte",
            "número fiscal",
        ],
        forms: &[("999999999", NEAR), ("999 999 999", NEAR)],
        check: |c| {
            let d = values(c);
            let rest = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
            matches!(d[0], 1 | 2 | 3 | 5 | 6 | 8 | 9)
                && u32::from(d[8]) == if rest < 2 { 0 } else { 11 - rest }
        },
    },
    // Poland: PESEL, weights 1 3 7 9.
    Id {
        words: &["pesel", "numer pesel"],
        forms: &[("99999999999", NEAR)],
        check: |c| {
            let d = values(c);
            is_day(number(&d, 2, 2) % 20, number(&d, 4, 2))
                && weighted(&d, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
        },
    },
    // Netherlands: BSN, the eleven test.
    Id {
        words: &[
            "bsn",
            "burgerservicenummer",
            "sofinummer",
            "burger service nummer",
        ],
        forms: &[
            ("999999999", NEAR),
            ("9999.99.999", NEAR),
            ("9999 99 999", NEAR),
            ("999 999 999", NEAR),
        ],
        check: |c| {
            let d = values(c);
            let sum = weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2]);
            number(&d, 0, 9) > 0 && sum % 11 == u32::from(d[8]) && sum > 0
        },
    },
    // Belgium: national register number, 97 - n mod 97, with a 2 in front for those born since 2000.
    Id {
        words: &[
            "rijksregisternummer",
            "registre national",
            "numéro national",
            "rijksregister",
            "insz",
            "niss",
            "nationalnummer",
        ],
        forms: &[
            ("99.99.99-999.99", ALONE),
            ("99999999999", NEAR),
            ("999999-999-99", ALONE),
        ],
        check: |c| {
            let d = values(c);
            let check = number(&d, 9, 2);
            let day = is_day(number(&d, 2, 2) % 20, number(&d, 4, 2));
            let before = 97 - modulo(&d[..9], 97);
            let since =
                97 - (2 * modulo(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0], 97) + modulo(&d[..9], 97)) % 97;
            day && (check == before || check == since)
        },
    },
    // Sweden: personnummer, Luhn over the last ten digits.
    Id {
        words: &["personnummer", "samordningsnummer", "personnr", "pnr"],
        forms: &[
            ("999999-9999", NEAR),
            ("999999+9999", NEAR),
            ("99999999-9999", NEAR),
            ("9999999999", NEAR),
            ("999999999999", NEAR),
        ],
        check: |c| {
            let d = values(&c[c.len() - 10..]);
            let day = number(&d, 4, 2);
            is_day(number(&d, 2, 2), if day > 60 { day - 60 } else { day }) && luhn(&d)
        },
    },
    // Finland: henkilötunnus, modulo 31; the sign tells the century.
    Id {
        words: &["henkilötunnus", "hetu", "henkilotunnus", "personbeteckning"],
        forms: &[
            ("999999-999A", ALONE),
            ("999999A999A", RARE),
            ("999999+999A", ALONE),
            ("999999-9999", NEAR),
            ("999999A9999", NEAR),
        ],
        check: hetu,
    },
    // Denmark: CPR number; no check digit since 2007.
    Id {
        words: &["cpr", "cpr-nummer", "cpr-nr", "cpr nummer", "personnummer"],
        forms: &[("999999-9999", BARE), ("9999999999", BARE)],
        check: |c| {
            let d = values(c);
            is_day(number(&d, 2, 2), number(&d, 0, 2))
        },
    },
    // Norway: fødselsnummer, two check digits modulo 11.
    Id {
        words: &[
            "fødselsnummer",
            "fodselsnummer",
            "personnummer",
            "fnr",
            "d-nummer",
        ],
        forms: &[("99999999999", NEAR), ("999999 99999", NEAR)],
        check: |c| {
            let d = values(c);
            let day = number(&d, 0, 2);
            is_day(number(&d, 2, 2), if day > 40 { day - 40 } else { day })
                && weighted(&d, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
                && weighted(&d, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
        },
    },
    // Czechia and Slovakia: rodné číslo, a multiple of 11; women's months plus 50, overflow plus 20.
    Id {
        words: &["rodné číslo", "rodne cislo", "rč", "r.č."],
        forms: &[
            ("999999/9999", ALONE),
            ("9999999999", NEAR),
            ("999999/999", NEAR),
        ],
        check: |c| {
            let d = values(c);
            let month = number(&d, 2, 2) % 50;
            is_day(
                if month > 20 { month - 20 } else { month },
                number(&d, 4, 2),
            ) && (d.len() == 9 || modulo(&d, 11) == 0 || (modulo(&d[..9], 11) == 10 && d[9] == 0))
        },
    },
    // Romania: CNP, weights 279146358279 modulo 11, 10 becomes 1.
    Id {
        words: &["cnp", "cod numeric personal"],
        forms: &[("9999999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let rest = weighted(&d, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
            d[0] > 0
                && is_day(number(&d, 3, 2), number(&d, 5, 2))
                && u32::from(d[12]) == if rest == 10 { 1 } else { rest }
        },
    },
    // Bulgaria: EGN, weights 2 4 8 5 10 9 7 3 6 modulo 11, 10 becomes 0.
    Id {
        words: &["egn", "егн", "ЕГН"],
        forms: &[("9999999999", NEAR)],
        check: |c| {
            let d = values(c);
            is_day(number(&d, 2, 2) % 20, number(&d, 4, 2))
                && weighted(&d, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == u32::from(d[9])
        },
    },
    // Croatia: OIB, ISO 7064 MOD 11,10.
    Id {
        words: &["oib", "osobni identifikacijski broj"],
        forms: &[("99999999999", NEAR)],
        check: |c| mod_11_10(&values(c)),
    },
    // Greece: AFM, powers of two modulo 11.
    Id {
        words: &["afm", "αφμ", "ΑΦΜ"],
        forms: &[("999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let sum: u32 = (0..8).map(|i| u32::from(d[i]) << (8 - i)).sum();
            sum > 0 && sum % 11 % 10 == u32::from(d[8])
        },
    },
    // Ireland: PPS number, weights 8..2 modulo 23, a second letter counts nine times.
    Id {
        words: &["pps", "ppsn", "pps number", "personal public service"],
        forms: &[("9999999A", NEAR), ("9999999AA", NEAR)],
        check: |c| {
            let second = c.get(8).map_or(0, |l| u32::from(l - b'A') + 1);
            let sum = weighted(&values(&c[..7]), &[8, 7, 6, 5, 4, 3, 2]) + second * 9;
            u32::from(c[7] - b'A') + 1 == if sum.is_multiple_of(23) { 23 } else { sum % 23 }
        },
    },
    // Estonia and Lithuania: isikukood and asmens kodas, two rounds of weights modulo 11.
    Id {
        words: &["isikukood", "asmens kodas"],
        forms: &[("99999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let check = match weighted(&d, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11 {
                10 => weighted(&d, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10,
                rest => rest,
            };
            is_day(number(&d, 3, 2), number(&d, 5, 2)) && check == u32::from(d[10])
        },
    },
    // United Kingdom: National Insurance number, HMRC NIM39110 (prefixes never given out).
    Id {
        words: &[
            "national insurance",
            "nino",
            "ni number",
            "national insurance number",
            "ni no",
        ],
        forms: &[
            ("AA999999A", BARE),
            ("AA 99 99 99 A", RARE),
            ("AA 999999 A", BARE),
            ("AA-99-99-99-A", RARE),
        ],
        check: |c| {
            let barred = [&b"BG"[..], b"GB", b"NK", b"KN", b"TN", b"NT", b"ZZ"];
            !b"DFIQUV".contains(&c[0])
                && !b"DFIOQUV".contains(&c[1])
                && !barred.contains(&&c[..2])
                && (b'A'..=b'D').contains(&c[8])
        },
    },
    // United Kingdom: NHS number, weights 10..2 modulo 11.
    Id {
        words: &["nhs", "nhs number", "nhs no"],
        forms: &[
            ("999 999 9999", NEAR),
            ("9999999999", NEAR),
            ("999-999-9999", NEAR),
        ],
        check: |c| {
            let d = values(c);
            let check = (11 - weighted(&d, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 11;
            number(&d, 0, 9) > 0 && check == u32::from(d[9])
        },
    },
    // Türkiye: T.C. kimlik numarası, two check digits.
    Id {
        words: &[
            "tckn",
            "t.c. kimlik",
            "tc kimlik",
            "kimlik no",
            "kimlik numarası",
            "tc no",
        ],
        forms: &[("99999999999", NEAR)],
        check: |c| {
            let d = values(c);
            let odd = weighted(&d, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
            let even = weighted(&d, &[0, 1, 0, 1, 0, 1, 0, 1]);
            let sum: u32 = d[..10].iter().map(|&d| u32::from(d)).sum();
            d[0] > 0
                && (odd * 7 + 90 - even) % 10 == u32::from(d[9])
                && sum % 10 == u32::from(d[10])
        },
    },
    // Russia: SNILS, weights 9..1 modulo 101.
    Id {
        words: &["snils", "снилс", "СНИЛС"],
        forms: &[("999-999-999 99", ALONE), ("99999999999", NEAR)],
        check: |c| {
            let d = values(c);
            number(&d, 0, 9) > 1_001_998
                && weighted(&d, &[9, 8, 7, 6, 5, 4, 3, 2, 1]) % 101 % 100 == number(&d, 9, 2)
        },
    },
    // Russia: INN of a person, two check digits modulo 11.
    Id {
        words: &["inn", "инн", "ИНН"],
        forms: &[("999999999999", NEAR)],
        check: |c| {
            let d = values(c);
            weighted(&d, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == u32::from(d[10])
                && weighted(&d, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10 == u32::from(d[11])
        },
    },
];

fn steuer_id(characters: &[u8]) -> bool {
    let digits = values(characters);
    let mut counts = [0u8; 10];
    for &digit in &digits[..10] {
        counts[usize::from(digit)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let repeated = counts.iter().filter(|c| **c > 1).count();
    digits[0] > 0 && (2..=3).contains(&most) && repeated == 1 && mod_11_10(&digits)
}

fn rentenversicherung(c: &[u8]) -> bool {
    let letter = c[8] - b'A' + 1;
    let mut digits = values(&c[..8]);
    digits.extend([letter / 10, letter % 10]);
    digits.extend(values(&c[9..11]));
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(&d, w)| u32::from(d) * w)
        .map(|product| product / 10 + product % 10)
        .sum();
    is_day(number(&digits, 4, 2), number(&digits, 2, 2)) && sum % 10 == u32::from(c[11] - b'0')
}

fn nir(characters: &[u8]) -> bool {
    let mut digits = characters.to_vec();
    let mut less = 0;
    if let Some(letter) = characters.iter().position(u8::is_ascii_alphabetic) {
        // The department 2A counts as 19, 2B as 18.
        if letter != 6 || characters[5] != b'2' {
            return false;
        }
        digits[5] = b'1';
        match characters[6] {
            b'A' => digits[6] = b'9',
            b'B' => digits[6] = b'8',
            _ => return false,
        }
        less = 1;
    }
    let digits = values(&digits);
    let month = number(&digits, 3, 2);
    let month_known = (1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50;
    matches!(digits[0], 1 | 2)
        && month_known
        && less < 2
        && 97 - modulo(&digits[..13], 97) == number(&digits, 13, 2)
}

fn codice_fiscale(c: &[u8]) -> bool {
    const ODD: [u8; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let place = |b: u8| {
        usize::from(if b.is_ascii_digit() {
            b - b'0'
        } else {
            b - b'A'
        })
    };
    let sum: usize = c[..15]
        .iter()
        .enumerate()
        .map(|(i, &b)| match i % 2 {
            0 => usize::from(ODD[place(b)]),
            _ => place(b),
        })
        .sum();
    let day = number(&values(&c[9..11]), 0, 2);
    b"ABCDEHLMPRST".contains(&c[8]) && matches!(day, 1..=31 | 41..=71) && sum % 26 == place(c[15])
}

fn spanish(number: u32, letter: u8) -> bool {
    b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize] == letter
}

fn hetu(c: &[u8]) -> bool {
    let digits: Vec<u8> = c.iter().copied().filter(u8::is_ascii_digit).collect();
    // The century sign, where it is a letter, stands between the date and the number.
    let (century, check) = match c.len() {
        11 => (Some(c[6]), c[10]),
        _ => (None, c[9]),
    };
    let sign_known = century.is_none_or(|s| b"ABCDEFYXWVU".contains(&s));
    let nine = values(&digits[..digits.len().min(9)]);
    nine.len() == 9
        && sign_known
        && is_day(number(&nine, 2, 2), number(&nine, 0, 2))
        && b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(number(&nine, 0, 9) % 31) as usize] == check
}
