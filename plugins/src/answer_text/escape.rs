//! Replacing pieces of a text that is JSON itself, so that it stays JSON.

use std::ops::Range;

/// Where a JSON text stands behind what has been seen of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct JsonState {
    string: bool,
}

/// A piece of JSON that cannot be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A character of a string, escaped or not.
    Character,
    /// A number.
    Number,
    /// Anything else: quotes, commas, spaces, words.
    Other,
}

/// Cuts JSON text into units.
struct Units<'a> {
    text: &'a str,
    at: usize,
    string: bool,
}

impl Iterator for Units<'_> {
    type Item = (Range<usize>, Unit, bool);

    /// The unit's range, what it is, and whether it may go on behind the text's end.
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let (length, unit, open) = match (self.string, first) {
            (true, '\\') => {
                let wanted = match rest.as_bytes() {
                    // Two halves of one character.
                    [
                        _,
                        b'u',
                        b'd' | b'D',
                        b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
                        ..,
                    ] => 12,
                    [_, b'u', ..] => 6,
                    _ => 2,
                };
                let taken: usize = rest.chars().take(wanted).map(char::len_utf8).sum();
                let open = rest.chars().take(wanted).count() < wanted;
                (taken, Unit::Character, open)
            }
            (true, '"') => {
                self.string = false;
                (1, Unit::Other, false)
            }
            (true, other) => (other.len_utf8(), Unit::Character, false),
            (false, '"') => {
                self.string = true;
                (1, Unit::Other, false)
            }
            (false, '-' | '0'..='9') => {
                let number = |c: char| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
                let length = rest.find(|c| !number(c)).unwrap_or(rest.len());
                (length, Unit::Number, length == rest.len())
            }
            (false, other) => (other.len_utf8(), Unit::Other, false),
        };
        let range = self.at..self.at + length;
        self.at += length;
        Some((range, unit, open))
    }
}

impl JsonState {
    fn units(self, text: &str) -> Units<'_> {
        Units {
            text,
            at: 0,
            string: self.string,
        }
    }

    /// The last place up to `cut` where the text may be cut.
    pub(super) fn safe_cut(self, text: &str, cut: usize) -> usize {
        let mut safe = 0;
        for (range, _, open) in self.units(text) {
            if open || range.end > cut {
                return safe.max(range.start.min(cut));
            }
            safe = range.end;
        }
        safe
    }

    /// The state behind `text`, which [`JsonState::safe_cut`] has cut.
    pub(super) fn behind(self, text: &str) -> Self {
        let mut units = self.units(text);
        units.by_ref().for_each(drop);
        Self {
            string: units.string,
        }
    }

    /// Replaces ranges, in order and not overlapping, of `text`: the characters of strings by the mask, numbers by the
    /// mask as a string. What lies between (quotes, commas) stays.
    fn replace(self, text: &str, masks: &[(Range<usize>, String)]) -> String {
        let mut out = String::with_capacity(text.len());
        // The mask that the last character was replaced by, as long as its piece goes on.
        let mut masked: Option<usize> = None;
        let mut first = 0;
        for (range, unit, _) in self.units(text) {
            while masks
                .get(first)
                .is_some_and(|(mask, _)| mask.end <= range.start)
            {
                first += 1;
            }
            let hit = masks.get(first).filter(|(mask, _)| mask.start < range.end);
            match (hit, unit) {
                (Some((_, with)), Unit::Character) => {
                    if masked != Some(first) {
                        out.push_str(with);
                    }
                    masked = Some(first);
                }
                (Some((_, with)), Unit::Number) => {
                    out.push('"');
                    out.push_str(with);
                    out.push('"');
                    masked = None;
                }
                _ => {
                    out.push_str(&text[range]);
                    masked = None;
                }
            }
        }
        out
    }
}

/// Replaces ranges, in order and not overlapping, of a text; with a state where the text is JSON. A mask must not need
/// escapes.
pub(super) fn replace(
    text: &str,
    json: Option<JsonState>,
    masks: &[(Range<usize>, String)],
) -> String {
    if masks.is_empty() {
        return text.to_owned();
    }
    if let Some(json) = json {
        return json.replace(text, masks);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, with) in masks {
        out.push_str(text.get(at..range.start).unwrap_or_default());
        out.push_str(with);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn masked(text: &str, piece: &str) -> String {
        let at = text.find(piece).unwrap();
        let masks = [(at..at + piece.len(), "[X]".to_owned())];
        replace(text, Some(JsonState::default()), &masks)
    }

    #[test]
    fn strings_and_numbers_stay_json() {
        let text = r#"{"a":"ssn 123-45-6789.","b":123456789,"c":"\u00e9\n"}"#;
        assert_eq!(
            masked(text, "123-45-6789"),
            r#"{"a":"ssn [X].","b":123456789,"c":"\u00e9\n"}"#
        );
        assert_eq!(
            masked(text, "3456789,"),
            r#"{"a":"ssn 123-45-6789.","b":"[X]","c":"\u00e9\n"}"#
        );
        // From one string into the next, beginning and ending in the middle of an escape.
        let across = masked(r#"["\u0041na","B\u0042"]"#, r#"41na","B\u00"#);
        assert_eq!(across, r#"["[X]","[X]"]"#);
    }

    #[test]
    fn nothing_is_cut_in_two() {
        let start = JsonState::default();
        let text = r#"{"a":"x\u0041","b":1234"#;
        assert_eq!(start.safe_cut(text, 9), 7);
        assert_eq!(start.safe_cut(text, 13), 13);
        assert_eq!(start.safe_cut(text, text.len()), text.len() - 4);
        assert!(start.behind(&text[..7]).string);
        assert_eq!(start.safe_cut(r#""a\"#, 3), 2);
    }

    proptest! {
        #[test]
        fn whatever_is_replaced_the_rest_is_json(key in "\\PC{0,6}", text in "\\PC{0,10}", number: i64, a in 0..60usize, length in 0..30usize) {
            let value = json!({key.clone(): text, "n": number, "l": [1.5e3, true, null, "z"]});
            let whole = value.to_string();
            let mut start = a.min(whole.len());
            let mut end = (a + length).min(whole.len());
            while !whole.is_char_boundary(start) { start -= 1; }
            while !whole.is_char_boundary(end) { end -= 1; }
            let out = replace(&whole, Some(JsonState::default()), &[(start..end.max(start), "[X]".to_owned())]);
            prop_assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
        }
    }
}
