//! JSON Web Tokens (RFC 7519): the header decodes to an object with `alg`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Kind;
use super::lexicon::Hit;
use super::page::{Page, Sink, run};

/// The longest header, in characters.
const HEADER: usize = 4 << 10;
/// The longest other part.
const PART: usize = 64 << 10;

/// A token that begins at `hit`; says where it ends.
pub(super) fn find(page: &Page<'_>, hit: &Hit, out: &mut impl Sink) -> Option<usize> {
    let before = page.before(hit.start);
    if is_url(before)
        || before == b'.'
        || page.at(hit.start) != b'e'
        || page.at(hit.start + 2) != b'J'
    {
        return None;
    }
    let bytes = page.bytes();
    let header = hit.start + run(&bytes[hit.start..], HEADER, is_url);
    let mut end = header;
    let mut parts = 1;
    while parts < 5 && page.at(end) == b'.' {
        let length = run(&bytes[end + 1..], PART, is_url);
        // An unsigned token ends with its dot; an encrypted one may have an empty second part.
        if length == 0 && parts != 2 && parts != 1 {
            break;
        }
        end += 1 + length;
        parts += 1;
    }
    let decoded = URL_SAFE_NO_PAD.decode(&bytes[hit.start..header]).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&decoded).ok()?;
    let signed = value.get("alg").is_some_and(serde_json::Value::is_string);
    if !signed || parts < 3 {
        return None;
    }
    out.add(Kind::Jwt, hit.start..end, 0.999);
    Some(end)
}

fn is_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
