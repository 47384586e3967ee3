//! The way back of `redact`: placeholders become what they stand for.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Filtered, TextFilter};
use crate::guard::{GuardError, Placeholders};
use crate::json::quote;

/// Replaces the placeholders of a request, as they are written there. Holds back only what may still become one.
pub struct Restore {
    /// Placeholder and value.
    names: Arc<[(String, String)]>,
    json: bool,
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
            json,
            held: String::new(),
        }
    }

    /// Takes what may pass out of `held`.
    fn pass(&mut self, last: bool) -> String {
        let mut out = String::with_capacity(self.held.len());
        let mut rest = self.held.as_str();
        while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
            let (before, behind) = rest.split_at(at);
            out.push_str(before);
            rest = behind;
            if let Some((name, value)) = self.names.iter().find(|(name, _)| rest.starts_with(name))
            {
                match self.json {
                    true => {
                        let quoted = quote(value);
                        out.push_str(&quoted[1..quoted.len() - 1]);
                    }
                    false => out.push_str(value),
                }
                rest = &rest[name.len()..];
            } else if !last && self.names.iter().any(|(name, _)| name.starts_with(rest)) {
                self.held = rest.to_owned();
                return out;
            } else {
                out.push('<');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        self.held.clear();
        out
    }
}

#[async_trait]
impl TextFilter for Restore {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        self.held.push_str(text);
        Ok(Filtered::text(self.pass(false)))
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        Ok(Filtered::text(self.pass(true)))
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
