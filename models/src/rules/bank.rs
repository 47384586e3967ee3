//! Bank routing numbers and BIC.

use super::Kind;
use super::checksum::weighted;
use super::formats::values;
use super::lexicon::Hit;
use super::page::{Page, Sink, run};

/// ABA routing transit number: prefixes of the Federal Reserve, weights 3 7 1.
pub(super) fn is_routing(c: &[u8]) -> bool {
    let d = values(c);
    let prefix = d[0] * 10 + d[1];
    matches!(prefix, 0..=12 | 21..=32 | 61..=72 | 80)
        && weighted(&d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && d.iter().any(|d| *d > 0)
}

/// ISO 3166 codes of countries whose banks are met most; the rest of the world has BICs too, but words look like them.
const COUNTRIES: &str = " AD AE AR AT AU BA BE BG BH BR CA CH CL CN CO CY CZ DE DK EE EG ES FI FR GB GI GR HK HR HU ID IE IL \
                         IN IS IT JP KE KR KW LI LT LU LV MA MC MT MX MY NG NL NO NZ PE PH PK PL PT QA RO RS RU SA SE SG SI \
                         SK SM TH TN TR TW UA US UY VN ZA ";

/// ISO 9362: four letters, a country, two characters, perhaps three more; after its context word.
pub(super) fn bic(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) {
    let start = page.value_after(hit.end);
    let rest = page.bytes().get(start..).unwrap_or_default();
    let length = run(rest, 12, |b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let next = rest.get(length).copied().unwrap_or(0);
    if !matches!(length, 8 | 11) || next.is_ascii_alphanumeric() || next == b'_' {
        return;
    }
    let country = &page.text[start + 4..start + 6];
    let letters = rest[..6].iter().all(u8::is_ascii_uppercase);
    let known = COUNTRIES.split(' ').any(|c| c == country);
    if letters && known {
        out.add(Kind::BankAccount, start..start + length, 0.9);
    }
}
