//! Where a piece of a string's text stands among the string's bytes.

use std::ops::Range;

/// The bytes of `raw` (a valid JSON string, quotes included) behind a range of its decoded text. `None` where the range
/// does not begin and end between characters, or reaches beyond the text.
#[must_use]
pub fn decoded_range(raw: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let inner = raw.get(1..raw.len().checked_sub(1)?)?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        inner.get(range.clone())?;
        return Some(range.start + 1..range.end + 1);
    }
    let (mut start, mut text_at) = (None, 0);
    let mut at = 0;
    loop {
        if text_at == range.start && start.is_none() {
            start = Some(at);
        }
        if text_at >= range.end {
            let start = start.filter(|_| text_at == range.end)?;
            return Some(start + 1..at + 1);
        }
        let (raw_length, text_length) = character(inner.get(at..)?)?;
        at += raw_length;
        text_at += text_length;
    }
}

/// The length of the first character as it is written, and as it is meant.
fn character(raw: &str) -> Option<(usize, usize)> {
    let first = raw.chars().next()?;
    if first != '\\' {
        return Some((first.len_utf8(), first.len_utf8()));
    }
    if raw.as_bytes().get(1) != Some(&b'u') {
        return Some((2, 1));
    }
    let unit = |at: usize| u32::from_str_radix(raw.get(at..at + 4)?, 16).ok();
    let high = unit(2)?;
    match char::from_u32(high) {
        Some(character) => Some((6, character.len_utf8())),
        // A surrogate pair: the document's scanner lets no lone one through.
        None => {
            let low = unit(8)?;
            let code = 0x1_0000 + ((high.checked_sub(0xD800)?) << 10) + low.checked_sub(0xDC00)?;
            Some((12, char::from_u32(code)?.len_utf8()))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_pieces_between_escapes() {
        let raw = r#""a\n\u00e9 \ud83d\ude00 ssn\t1""#;
        let text: String = serde_json::from_str(raw).unwrap();
        let at = text.find("ssn").unwrap();
        let found = decoded_range(raw, &(at..at + 3)).unwrap();
        assert_eq!(&raw[found], "ssn");
        let at = text.find('\u{1f600}').unwrap();
        let found = decoded_range(raw, &(at..at + 4)).unwrap();
        assert_eq!(&raw[found], r"\ud83d\ude00");
        assert_eq!(decoded_range(raw, &(at..at + 2)), None);
        assert_eq!(decoded_range(raw, &(0..text.len() + 1)), None);
    }

    proptest! {
        /// The bytes found, put between quotes, are the piece.
        #[test]
        fn the_bytes_found_mean_the_piece(text in "(?s).{0,12}", ascii: bool, a: prop::sample::Index, b: prop::sample::Index) {
            let raw = match ascii {
                true => escaped(&text),
                false => serde_json::to_string(&text).unwrap(),
            };
            let borders: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (a, b) = (*a.get(&borders), *b.get(&borders));
            let range = a.min(b)..a.max(b);
            let found = decoded_range(&raw, &range).unwrap();
            let piece: String = serde_json::from_str(&format!("\"{}\"", &raw[found])).unwrap();
            prop_assert_eq!(piece, &text[range]);
        }
    }

    /// Every character as `\uXXXX`.
    fn escaped(text: &str) -> String {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    }
}
