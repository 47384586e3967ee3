//! The way back of `redact`: placeholders become what they stand for.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;

use super::plain::{Mask, Plain};
use super::{Filtered, Place, TextFilter};
use crate::guard::{GuardError, Placeholders};

/// Replaces the placeholders of a request, as they are written there. Holds back only what may still become one.
pub struct Restore {
    /// Placeholder and value.
    names: Arc<[(String, String)]>,
    plain: Plain,
    /// What may still become a placeholder, as it reads.
    held: String,
}

impl Restore {
    /// What [`Restore::new`] needs, from a request's placeholders.
    #[must_use]
    pub fn names(placeholders: &Placeholders) -> Arc<[(String, String)]> {
        let pairs = placeholders.iter();
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// A filter for one channel; `json` where its text is JSON, whose strings escape what the values hold.
    #[must_use]
    pub fn new(names: Arc<[(String, String)]>, json: bool) -> Self {
        Self {
            names,
            plain: Plain::new(json),
            held: String::new(),
        }
    }

    /// Takes what may pass out of `held`.
    fn pass(&mut self, last: bool) -> String {
        let names = Arc::clone(&self.names);
        let mut masks: Vec<Mask<'_>> = Vec::new();
        let mut at = 0;
        while let Some(next) = memchr::memchr(b'<', &self.held.as_bytes()[at..]) {
            at += next;
            let rest = &self.held[at..];
            if let Some((name, value)) = names.iter().find(|(name, _)| rest.starts_with(name)) {
                masks.push((at..at + name.len(), value.into()));
                at += name.len();
            } else if !last && names.iter().any(|(name, _)| name.starts_with(rest)) {
                break;
            } else {
                at += 1;
            }
        }
        let open = memchr::memchr(b'<', &self.held.as_bytes()[at..]);
        let end = open.map_or(self.held.len(), |next| at + next);
        let rest = self.held.split_off(end);
        let passed = std::mem::replace(&mut self.held, rest);
        self.plain.take(&passed, &masks)
    }
}

#[async_trait]
impl TextFilter for Restore {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        if self.names.is_empty() {
            return Ok(Filtered::text(text));
        }
        let text = self.plain.push(text);
        self.held.push_str(&text);
        Ok(Filtered::text(self.pass(false)))
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        let rest = self.plain.rest();
        self.held.push_str(&rest);
        let text = self.pass(true);
        self.plain.end(false);
        Ok(Filtered::text(text))
    }

    fn place(&self, piece: &Range<usize>) -> Place {
        match self.names.is_empty() {
            true => Place::At(piece.clone()),
            false => self.plain.place(piece),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::*;

    fn restore(json: bool) -> Restore {
        let names = [
            ("<PERSON_1>", "Ana \"A\" \u{d6}z"),
            ("<PERSON_10>", "Bo"),
            ("<US_SSN_1>", "123-45-6789"),
        ];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Restore::new(names.into(), json)
    }

    fn whole(json: bool, text: &str) -> String {
        block_on(restore(json).whole(text)).unwrap().text
    }

    #[test]
    fn names_become_values() {
        let text = "Hi <PERSON_1>, <PERSON_10> & <PERSON_2> <US_SSN_1>> <person_1> < PERSON_1>";
        assert_eq!(
            whole(false, text),
            "Hi Ana \"A\" \u{d6}z, Bo & <PERSON_2> 123-45-6789> <person_1> < PERSON_1>"
        );
    }

    #[test]
    fn values_are_escaped_in_json() {
        let out = whole(true, r#"{"name":"<PERSON_1>"}"#);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(value["name"], "Ana \"A\" \u{d6}z");
        // As some servers write it, in pieces of any size.
        let text = r#"{"name":"\u003cPERSON_1\u003e \u00e9 \u003cPER","n":12}"#;
        for cut in 1..9 {
            let mut filter = restore(true);
            let mut out = String::new();
            for piece in text.as_bytes().chunks(cut) {
                out += &block_on(filter.push(std::str::from_utf8(piece).unwrap()))
                    .unwrap()
                    .text;
            }
            out += &block_on(filter.finish()).unwrap().text;
            assert_eq!(
                out,
                "{\"name\":\"Ana \\\"A\\\" \u{d6}z \\u00e9 \\u003cPER\",\"n\":12}"
            );
        }
    }

    #[test]
    fn only_what_may_become_a_name_is_held_back() {
        let mut filter = restore(false);
        let mut push = |text: &str| block_on(filter.push(text)).unwrap().text;
        assert_eq!(push("a < b <PER"), "a < b ");
        assert_eq!(push("SON_1"), "");
        assert_eq!(push("0"), "");
        assert_eq!(push("!"), "<PERSON_10!");
        assert_eq!(push("<US_SSN_1"), "");
        assert_eq!(block_on(filter.finish()).unwrap().text, "<US_SSN_1");
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(text in "(<PERSON_1>|<PERSON_10>|<US_|SSN_1>|[<>a ]){0,12}", cut in 1..9usize) {
            let mut filter = restore(false);
            let mut out = String::new();
            for piece in text.as_bytes().chunks(cut) {
                out += &block_on(filter.push(std::str::from_utf8(piece).unwrap())).unwrap().text;
            }
            out += &block_on(filter.finish()).unwrap().text;
            prop_assert_eq!(out, whole(false, &text));
        }
    }
}
