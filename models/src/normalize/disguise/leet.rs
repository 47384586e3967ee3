//! Digits and symbols for letters.
//!
//! A token counts where undoing it gives a word of the vocabulary; tokens near one that counts, and as mixed, are undone
//! with it. `GPT-4o`, `B2B`, `mp3`, versions, units and hashes give no word; a digit or `!` at the end (`item5`,
//! `hello!`) and a symbol at the start (`@all`, `$end`) are no evidence.

use std::ops::Range;

use super::super::offsets::Runs;
use super::super::words::{Verdict, is_known};
use super::{Edit, Edits, GAP};

/// So many tokens are judged together at most.
const GROUP: usize = 1024;
/// Longer tokens are identifiers or data.
const LONGEST: usize = 24;

/// The letter that a digit or symbol stands for; `1` may also be an `l`.
pub(super) fn letter(b: u8) -> u8 {
    match b {
        b'0' => b'o',
        b'1' | b'!' => b'i',
        b'2' => b'z',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'6' | b'9' => b'g',
        b'7' | b'+' => b't',
        b'8' => b'b',
        b'|' => b'l',
        _ => b,
    }
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'@' | b'$' | b'!' | b'+' | b'|')
}

/// An undone token.
struct Word {
    span: Range<usize>,
    text: String,
    known: bool,
}

pub(super) fn find(text: &str, edits: &mut Edits) {
    let bytes = text.as_bytes();
    let mut group: Vec<Word> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let mut mixed = false;
        while at < bytes.len() && is_token(bytes[at]) {
            mixed |= !bytes[at].is_ascii_alphabetic();
            at += 1;
        }
        if !mixed || !(3..=LONGEST).contains(&(at - start)) || !stands_alone(bytes, start..at) {
            at += usize::from(at == start);
            continue;
        }
        let Some(word) = undo(text, start..at) else {
            continue;
        };
        if group
            .last()
            .is_some_and(|last| start - last.span.end > GAP || group.len() == GROUP)
            && !flush(&mut group, edits)
        {
            return;
        }
        group.push(word);
    }
    flush(&mut group, edits);
}

/// Not a part of a path, an address, an escape, a colour or a number.
fn stands_alone(bytes: &[u8], span: Range<usize>) -> bool {
    let before = span.start.checked_sub(1).map(|i| bytes[i]);
    let after = bytes.get(span.end).copied();
    let outside = |b: Option<u8>| {
        b.is_none_or(|b| b < 0x80 && !matches!(b, b'/' | b'=' | b'%' | b'\\' | b'#' | b'&'))
    };
    let address = bytes[span.clone()].contains(&b'@')
        && after == Some(b'.')
        && bytes.get(span.end + 1).is_some_and(u8::is_ascii_alphabetic);
    outside(before) && outside(after) && !address && !bytes[span.start..].starts_with(b"0x")
}

/// A number: with a unit or of things (`10s`, `4WAY`; `1gnore` is long enough to be a word), or hexadecimal (`1E55`).
fn is_number(token: &str) -> bool {
    let rest = token.trim_start_matches(|c: char| c.is_ascii_digit());
    let counted = rest.len() < token.len()
        && rest.bytes().all(|b| b.is_ascii_alphabetic())
        && (token.len() - rest.len() > 1 || token.len() < 5);
    counted || token.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What the token says, if it mixes as words do not.
fn undo(text: &str, span: Range<usize>) -> Option<Word> {
    let whole = &text[span.clone()];
    let token = whole.trim_end_matches(['!', '|', '+']);
    let last_letter = token.bytes().rposition(|b| b.is_ascii_alphabetic())?;
    let evidence = token
        .bytes()
        .take(last_letter)
        .enumerate()
        .filter(|&(i, b)| b.is_ascii_digit() || (i > 0 && matches!(b, b'@' | b'$' | b'!')))
        .count();
    if evidence == 0 {
        return None;
    }
    let span = span.start..span.start + token.len();
    let ones: Vec<usize> = token
        .bytes()
        .enumerate()
        .filter(|&(_, b)| b == b'1')
        .map(|(i, _)| i)
        .take(3)
        .collect();
    let number = is_number(token); // a word only among other words
    let upper = !token.bytes().any(|b| b.is_ascii_lowercase());
    let case = |b: u8| if upper { b.to_ascii_uppercase() } else { b };
    let plain: Vec<u8> = token.bytes().map(|b| case(letter(b))).collect();
    for choice in 0..1 << ones.len() {
        let mut word = plain.clone();
        for (bit, &i) in ones.iter().enumerate() {
            if choice >> bit & 1 == 1 {
                word[i] = case(b'l');
            }
        }
        let word = String::from_utf8(word).ok()?;
        if is_known(&word) {
            return Some(Word {
                span,
                text: word,
                known: !number,
            });
        }
    }
    let letters = token.bytes().filter(u8::is_ascii_alphabetic).count();
    let vowels = plain.iter().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    // As mixed as a word in leetspeak, and it could be said aloud.
    let plausible = !number
        && token.len() >= 4
        && evidence >= 2
        && letters >= 2
        && vowels * 5 >= token.len()
        && vowels * 3 <= token.len() * 2;
    plausible
        .then(|| String::from_utf8(plain).ok())
        .flatten()
        .map(|text| Word {
            span,
            text,
            known: false,
        })
}

/// Hands over the words of a group if enough of them are words.
fn flush(group: &mut Vec<Word>, edits: &mut Edits) -> bool {
    let long = group
        .iter()
        .filter(|w| w.known && w.text.len() >= 4)
        .count();
    let known = group
        .iter()
        .filter(|w| w.known && w.text.len() >= 3)
        .count();
    let enough = (long >= 1 || known >= 2) && known * 3 >= group.len();
    for word in group.drain(..) {
        let mut runs = Runs::default();
        runs.copy(word.span.clone());
        if enough
            && !edits.push(Edit {
                span: word.span,
                text: word.text,
                runs,
                verdict: Verdict::Prose,
            })
        {
            return false;
        }
    }
    true
}
