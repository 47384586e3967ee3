//! Private keys in PEM (RFC 7468, RFC 1421, RFC 4880 armour): the whole block.

use super::Kind;
use super::lexicon::{Cue, Hit};
use super::page::{Page, Sink, run};

/// The longest block, in bytes; an RSA key of 16384 bits takes 13 KiB.
const LONGEST: usize = 32 << 10;
/// Less base64 than this is no key.
const LEAST: usize = 40;

/// A block that begins at `hits[index]`; says where it ends, so that its inside is not looked at again.
pub(super) fn find(page: &Page<'_>, index: usize, out: &mut impl Sink) -> Option<usize> {
    let hit: &Hit = page.hits.get(index)?;
    let rest = page.bytes().get(hit.end..)?;
    let label = run(rest, 40, |b| {
        b.is_ascii_uppercase() || b == b' ' || b.is_ascii_digit()
    });
    let name = &page.text[hit.end..hit.end + label];
    if !name.contains("PRIVATE KEY") || !rest[label..].starts_with(b"-----") {
        return None;
    }
    let body = hit.end + label + 5;
    let end_hit = page.hits[index + 1..]
        .iter()
        .take_while(|h| h.start < body + LONGEST)
        .find(|h| matches!(h.cue, Cue::PemEnd | Cue::PemBegin));
    let (inner_end, end) = match end_hit.filter(|h| h.cue == Cue::PemEnd) {
        Some(h) => {
            let tail = run(&page.bytes()[h.end..], 48, |b| {
                b.is_ascii_uppercase() || b == b' ' || b.is_ascii_digit()
            });
            (
                h.start,
                h.end + tail + run(&page.bytes()[h.end + tail..], 5, |b| b == b'-'),
            )
        }
        // Cut off: the base64 there is.
        None => {
            let length = run(&page.bytes()[body..], LONGEST, |b| {
                is_base64(b) || matches!(b, b'\n' | b'\r' | b'\\')
            });
            (body + length, body + length)
        }
    };
    let base64 = page.bytes()[body..inner_end]
        .iter()
        .filter(|b| is_base64(**b))
        .count();
    let varied = super::secret::entropy(&page.bytes()[body..inner_end]) > 3.0;
    let elided = page.text[body..inner_end].contains("...");
    if base64 < LEAST || !varied || (elided && base64 < 120) {
        return Some(body);
    }
    out.add(Kind::PrivateKey, hit.start..end, 0.999);
    Some(end)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
