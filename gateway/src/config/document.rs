//! A YAML file of somebody else's format: a tree to walk, in which every node knows its line and its path.
//!
//! Our own files are deserialised into structs; a foreign format is read leniently, key by key, so that what is not
//! known can be listed instead of refused. References (`${NAME}`) stay as they are written.

use std::path::Path;

use commutator_plugins::problem::Severity;

use super::{
    ConfigErrors, MAX_FILE, Source, not_utf8, path, read_bounded,
    tree::{Finding, Kind, NodeId, Scalar, Tree},
    yaml,
};

/// A YAML file that could be read.
pub(crate) struct Document {
    name: String,
    text: String,
    tree: Tree,
}

/// One value of a [`Document`].
#[derive(Clone, Copy)]
pub(crate) struct Node<'d> {
    document: &'d Document,
    id: NodeId,
}

/// What a [`Node`] is.
pub(crate) enum Value<'d> {
    /// Nothing, or `null`.
    Null,
    /// A word, number or text, as it is written after unquoting.
    Scalar(&'d str),
    /// A list.
    List(Vec<Node<'d>>),
    /// A mapping, in the order of the file.
    Map(Vec<(&'d str, Node<'d>)>),
}

impl Document {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is no YAML.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let bytes = read_bounded(path, MAX_FILE)
            .map_err(|message| ConfigErrors::whole_file(&name, Severity::Error, message))?;
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        Self::parse(&name, &text)
    }

    /// Reads `text`; `name` is shown in messages.
    ///
    /// # Errors
    /// It is no YAML, with the line.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, ConfigErrors> {
        let (tree, found) = yaml::parse(text);
        if !tree.is_usable() || !found.is_empty() {
            return Err(Source::new(name, text, tree).report(found));
        }
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            tree,
        })
    }

    /// The file's name as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            document: self,
            // `parse` refuses a tree without a root.
            id: self.tree.root.unwrap_or_default(),
        }
    }

    /// An error about one value, shown with its line. `hint` says what to do.
    pub(crate) fn error(&self, node: Node<'_>, message: String, hint: &str) -> ConfigErrors {
        let finding = Finding::error(self.tree.point(node.id), message)
            .hint(hint)
            .path(node.path());
        Source::new(&self.name, &self.text, self.tree.clone()).report(vec![finding])
    }
}

impl<'d> Node<'d> {
    /// The line, from one: that of its key where it has one.
    pub(crate) fn line(self) -> usize {
        self.document.tree.point(self.id).start.line
    }

    /// The place as a path, `routing.decisions[2].name`.
    pub(crate) fn path(self) -> String {
        path::of(&self.document.tree, self.id)
    }

    /// What it is.
    pub(crate) fn value(self) -> Value<'d> {
        let at = |id: NodeId| Node {
            document: self.document,
            id,
        };
        match &self.document.tree.nodes[self.id].kind {
            Kind::Scalar {
                value: Scalar::Null,
                ..
            } => Value::Null,
            Kind::Scalar { text, .. } => Value::Scalar(text),
            Kind::Seq(items) => Value::List(items.iter().map(|id| at(*id)).collect()),
            Kind::Map(entries) => Value::Map(
                (entries.iter())
                    .map(|entry| (entry.key.as_str(), at(entry.value)))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_places() {
        let document = Document::parse("x.yaml", "a:\n  - b: 1\n    c: ${X}\n").unwrap();
        let Value::Map(entries) = document.root().value() else {
            panic!("a mapping")
        };
        let Value::List(items) = entries[0].1.value() else {
            panic!("a list")
        };
        let Value::Map(inner) = items[0].value() else {
            panic!("a mapping")
        };
        assert_eq!((inner[1].0, inner[1].1.line()), ("c", 3));
        assert_eq!(inner[1].1.path(), "a[0].c");
        assert!(matches!(inner[1].1.value(), Value::Scalar("${X}")));
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        let error = Document::parse("x.yaml", "a: [1\nb: 2\n").err().unwrap();
        assert!(error.to_string().contains("x.yaml:2"), "{error}");
        assert!(Document::parse("x.yaml", "a: 1\na: 2\n").is_err());
        assert!(Document::parse("x.yaml", "").is_err());
    }
}
