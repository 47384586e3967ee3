//! The two walks over a text: the words that hold digits, and the cues of the lexicon.

use super::lexicon::{Cue, Words};
use super::page::{Found, Page};
use super::{
    Kind, address, age, assign, bank, card, crypto, date, formats, iban, jwt, mrz, net, pem, phone,
    provider, title,
};

const ALNUM: u8 = 1;
const DIGIT: u8 = 2;
/// A letter that no hexadecimal number has.
const NOT_HEX: u8 = 4;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() {
            table[byte] |= ALNUM;
        }
        if b.is_ascii_digit() {
            table[byte] |= DIGIT;
        } else if !b.is_ascii_hexdigit() {
            table[byte] |= NOT_HEX;
        }
        byte += 1;
    }
    table
}

/// Visits the words of a text that may begin something.
pub(super) fn words(page: &Page<'_>, out: &mut Vec<Found>) {
    let bytes = page.bytes();
    let mut at = 0;
    // The word before, when it is short and one space away: "AB 12 34 56 C".
    let mut short: Option<(usize, usize)> = None;
    while at < bytes.len() {
        if CLASSES[usize::from(bytes[at])] & ALNUM == 0 {
            at += 1;
            continue;
        }
        let start = at;
        let mut class = 0;
        while at < bytes.len() && CLASSES[usize::from(bytes[at])] & ALNUM != 0 {
            class |= CLASSES[usize::from(bytes[at])];
            at += 1;
        }
        if class & DIGIT != 0 {
            if let Some((first, end)) = short
                && end + 1 == start
            {
                formats::find(page, first, end, out);
            }
            with_digit(page, start, at, out);
        }
        let colon = bytes.get(at) == Some(&b':') || bytes[..start].ends_with(b"::");
        if colon && class & NOT_HEX == 0 && at - start <= 4 {
            net::colons(page, start, out);
        }
        if at - start == 2 && class & NOT_HEX == 0 && bytes.get(at) == Some(&b'-') {
            net::mac(page, start, b'-', out);
        }
        short = (class & DIGIT == 0 && at - start <= 2).then_some((start, at));
    }
}

fn with_digit(page: &Page<'_>, start: usize, end: usize, out: &mut Vec<Found>) {
    let first = page.at(start);
    let before = out.len();
    formats::find(page, start, end, out);
    for found in &mut out[before..] {
        if found.kind == Kind::DateTime {
            found.range = date::with_time(page, found.range.clone());
        }
    }
    if first.is_ascii_digit() {
        card::find(page, start, out);
        phone::find(page, start, out);
        address::street(page, start, out);
        if page.at(end) == b'.' && end - start <= 3 {
            net::ipv4(page, start, out);
        }
        if end - start <= 4 {
            date::time(page, start, out);
        }
    } else if end - start >= 4 {
        iban::find(page, start, out);
    }
    address::zip(page, start, end, out);
    if end - start >= 26 {
        crypto::find(page, start..end, out);
    }
}

/// Follows the cues.
pub(super) fn cues(page: &Page<'_>, out: &mut Vec<Found>) {
    // The inside of a block that was found, or read in vain, is not read again.
    let (mut pem_end, mut jwt_end, mut mrz_end) = (0, 0, 0);
    for (index, hit) in page.hits.iter().enumerate() {
        match hit.cue {
            Cue::Context(Words::BIC) => bank::bic(page, hit, out),
            Cue::Context(_) | Cue::PemEnd => {}
            Cue::Month(_) => date::around_month(page, hit, out),
            Cue::Age(form) => age::beside(page, hit, form, out),
            Cue::Title => title::before_name(page, hit, out),
            Cue::Street(order) => address::around(page, hit, order, out),
            Cue::Provider(index) => provider::find(page, hit, index, out),
            Cue::Assigned(named) => assign::find(page, hit, named, out),
            Cue::PemBegin if hit.start >= pem_end => {
                pem_end = pem::find(page, index, out).unwrap_or(pem_end)
            }
            Cue::Jwt if hit.start >= jwt_end => {
                jwt_end = jwt::find(page, hit, out).unwrap_or(jwt_end)
            }
            Cue::Mrz if hit.start >= mrz_end => {
                mrz_end = mrz::find(page, hit, out).unwrap_or(mrz_end)
            }
            Cue::Bearer => assign::bearer(page, hit, out),
            Cue::Basic => assign::basic(page, hit, out),
            Cue::Url => assign::userinfo(page, hit, out),
            Cue::PemBegin | Cue::Jwt | Cue::Mrz => {}
        }
    }
}
