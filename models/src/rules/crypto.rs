//! Addresses of cryptocurrencies, by their checksums.

use std::ops::Range;

use sha3::{Digest, Keccak256};

use super::Kind;
use super::lexicon::Words;
use super::page::{Page, Sink};

/// A word that may be an address.
pub(super) fn find(page: &Page<'_>, word: Range<usize>, out: &mut impl Sink) {
    let text = &page.text[word.clone()];
    let proof = match text.as_bytes() {
        [b'0', b'x', hex @ ..] if hex.len() == 40 => ethereum(hex),
        [b'b' | b't', b'c' | b'b', b'1', ..] | [b'l', b't', b'c', b'1', ..] => bech32(text),
        [b'1' | b'3' | b'L' | b'M' | b'D' | b'T' | b'A' | b'9', ..] => base58(text),
        _ => None,
    };
    let Some(proof) = proof else { return };
    let score = match proof {
        Proof::Checksum => 0.99,
        Proof::Shape if page.near(&word, Words::CRYPTO) => 0.9,
        Proof::Shape => 0.6,
    };
    out.add(Kind::CryptoAddress, word, score);
}

enum Proof {
    Checksum,
    Shape,
}

/// EIP-55: capital letters follow the Keccak-256 of the small ones. One case only carries no checksum.
fn ethereum(hex: &[u8]) -> Option<Proof> {
    if !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let lower = hex.to_ascii_lowercase();
    if lower == hex || hex.to_ascii_uppercase() == hex {
        let distinct = (b'0'..=b'f').filter(|b| lower.contains(b)).count();
        return (distinct > 5).then_some(Proof::Shape);
    }
    let hash = Keccak256::digest(&lower);
    let matches = hex.iter().enumerate().all(|(i, b)| {
        let nibble = (hash[i / 2] >> (4 * (1 - i % 2))) & 15;
        b.is_ascii_digit() || b.is_ascii_uppercase() == (nibble > 7)
    });
    matches.then_some(Proof::Checksum)
}

/// BIP 173 and BIP 350.
fn bech32(text: &str) -> Option<Proof> {
    let long_enough = (26..=90).contains(&text.len());
    let (hrp, _, _) = long_enough
        .then(|| bech32::segwit::decode(text).ok())
        .flatten()?;
    ["bc", "tb", "ltc"]
        .contains(&hrp.to_lowercase().as_str())
        .then_some(Proof::Checksum)
}

/// Base58Check with the version bytes of Bitcoin, Litecoin, Dogecoin and Tron.
fn base58(text: &str) -> Option<Proof> {
    if !(26..=35).contains(&text.len()) {
        return None;
    }
    let bytes = bs58::decode(text).with_check(None).into_vec().ok()?;
    let known = bytes.len() == 21 && matches!(bytes[0], 0 | 5 | 0x30 | 0x32 | 0x1e | 0x16 | 0x41);
    known.then_some(Proof::Checksum)
}
