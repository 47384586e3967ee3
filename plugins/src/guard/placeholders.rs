//! Names for what a model must not see, and the way back.

use std::collections::HashMap;

/// What was replaced in a request, so that the answer can be put right again. In [`crate::exchange::Extensions`].
#[derive(Default)]
pub struct Placeholders {
    /// Placeholder and what it stands for, in order of appearance.
    list: Vec<(String, String)>,
    by_value: HashMap<(String, String), usize>,
    counters: HashMap<String, usize>,
}

impl std::fmt::Debug for Placeholders {
    /// Never the values: they are what must not be seen.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.list.iter().map(|(name, _)| name);
        f.debug_list().entries(names).finish()
    }
}

impl Placeholders {
    /// The placeholder for a value, `<PERSON_1>`: the same one each time. `taken` says which ones the request uses
    /// for something of its own.
    pub fn name(&mut self, kind: &str, value: &str, taken: impl Fn(&str) -> bool) -> String {
        let key = (kind.to_owned(), value.to_owned());
        if let Some(&index) = self.by_value.get(&key) {
            return self.list[index].0.clone();
        }
        let counter = self.counters.entry(kind.to_owned()).or_default();
        let name = loop {
            *counter += 1;
            let name = format!("<{kind}_{counter}>");
            if !taken(&name) {
                break name;
            }
        };
        self.by_value.insert(key, self.list.len());
        self.list.push((name.clone(), value.to_owned()));
        name
    }

    /// Nothing replaced?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Placeholders and what they stand for, in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_has_the_same_name() {
        let mut all = Placeholders::default();
        let free = |_: &str| false;
        assert_eq!(all.name("PERSON", "Ana", free), "<PERSON_1>");
        assert_eq!(all.name("PERSON", "Bo", free), "<PERSON_2>");
        assert_eq!(all.name("PERSON", "Ana", free), "<PERSON_1>");
        assert_eq!(all.name("GPE", "Ana", free), "<GPE_1>");
        assert!(!format!("{all:?}").contains("Ana"));
    }

    #[test]
    fn a_name_that_the_request_uses_itself_is_passed_over() {
        let mut all = Placeholders::default();
        assert_eq!(
            all.name("PERSON", "Ana", |name| name == "<PERSON_1>"),
            "<PERSON_2>"
        );
    }
}
