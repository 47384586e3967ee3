//! A mapping of the source, read key by key; what nobody asked for is listed.

use std::cell::RefCell;

use crate::config::{Node, Value};
use crate::import::report::Report;

/// The fields of one mapping.
pub(super) struct Fields<'d, 'r> {
    /// The mapping itself.
    pub(super) node: Node<'d>,
    report: &'r Report,
    entries: Vec<(&'d str, Node<'d>)>,
    seen: RefCell<Vec<&'d str>>,
}

impl<'d, 'r> Fields<'d, 'r> {
    /// The fields of `node`; something else than a mapping is reported and has none.
    pub(super) fn of(node: Node<'d>, report: &'r Report) -> Self {
        let entries = match node.value() {
            Value::Map(entries) => entries,
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::List(_) => {
                report.dropped(node, "a mapping is expected here");
                Vec::new()
            }
        };
        Self {
            node,
            report,
            entries,
            seen: RefCell::default(),
        }
    }

    /// No fields at all; `node` is where one would look for them.
    pub(super) fn nothing(node: Node<'d>, report: &'r Report) -> Self {
        Self {
            node,
            report,
            entries: Vec::new(),
            seen: RefCell::default(),
        }
    }

    /// The value of a key; `None` where it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<Node<'d>> {
        let (key, node) = self.entries.iter().find(|(other, _)| *other == key)?;
        self.seen.borrow_mut().push(key);
        match node.value() {
            Value::Null => None,
            _ => Some(*node),
        }
    }

    /// The fields of a mapping below.
    pub(super) fn fields(&self, key: &str) -> Option<Self> {
        self.get(key).map(|node| Self::of(node, self.report))
    }

    /// The entries of a list.
    pub(super) fn list(&self, key: &str) -> Vec<Node<'d>> {
        let Some(node) = self.get(key) else {
            return Vec::new();
        };
        match node.value() {
            Value::List(items) => items,
            _ => {
                self.report.dropped(node, "a list is expected here");
                Vec::new()
            }
        }
    }

    /// A list of texts.
    pub(super) fn words(&self, key: &str) -> Vec<&'d str> {
        let items = self.list(key);
        items
            .into_iter()
            .filter_map(|node| self.scalar(node))
            .collect()
    }

    /// A list of examples: none of them empty, none twice.
    pub(super) fn examples(&self, key: &str) -> Vec<&'d str> {
        let mut all: Vec<&str> = Vec::new();
        for word in self.words(key) {
            if !word.trim().is_empty() && !all.contains(&word.trim()) {
                all.push(word.trim());
            }
        }
        all
    }

    /// A share from 0 to 1; what lies outside is moved to the nearer end, which decides the same.
    pub(super) fn share(&self, key: &str) -> Option<f64> {
        self.number(key).map(|share| share.clamp(0.0, 1.0))
    }

    /// A text that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&'d str> {
        let text = self.scalar(self.get(key)?)?;
        (!text.trim().is_empty()).then_some(text)
    }

    fn scalar(&self, node: Node<'d>) -> Option<&'d str> {
        match node.value() {
            Value::Scalar(text) => Some(text),
            Value::Null => None,
            Value::List(_) | Value::Map(_) => {
                self.report.dropped(node, "a text is expected here");
                None
            }
        }
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        let node = self.get(key)?;
        let number = self.scalar(node)?.trim().parse::<f64>().ok();
        match number.filter(|number| number.is_finite()) {
            Some(number) => Some(number),
            None => {
                self.report.dropped(node, "a number is expected here");
                None
            }
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, key: &str) -> Option<i64> {
        let node = self.get(key)?;
        let number = self.scalar(node)?.trim().parse::<i64>().ok();
        if number.is_none() {
            self.report.dropped(node, "a whole number is expected here");
        }
        number
    }

    /// `true` or `false`; YAML 1.1's other words for them count too, as the peer reads 1.1.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let node = self.get(key)?;
        match self.scalar(node)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => {
                self.report
                    .dropped(node, "`true` or `false` is expected here");
                None
            }
        }
    }

    /// Marks keys that have no meaning for a request.
    pub(super) fn skip(&self, keys: &[&str]) {
        for key in keys {
            self.get(key);
        }
    }

    /// What was not asked for.
    pub(super) fn rest(&self) -> Vec<(&'d str, Node<'d>)> {
        let seen = self.seen.borrow();
        let unseen = |(key, _): &&(&'d str, Node<'d>)| !seen.contains(key);
        self.entries.iter().filter(unseen).copied().collect()
    }

    /// Lists what was not asked for: keys that neither this command nor, most likely, the peer knows.
    pub(super) fn finish(&self) {
        for (key, node) in self.rest() {
            self.report
                .dropped(node, format!("`{key}` is not known here"));
        }
    }
}
