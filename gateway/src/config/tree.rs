//! A YAML document as nodes that know where they stand in the text.

use commutator_plugins::problem::Severity;

/// A place in the text. Lines and columns start at one; columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pos {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// From the first character to just behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Span {
    pub(super) start: Pos,
    pub(super) end: Pos,
}

impl Span {
    /// Without width.
    pub(super) fn at(pos: Pos) -> Self {
        Self {
            start: pos,
            end: pos,
        }
    }

    /// Just behind the last character of `text`.
    pub(super) fn end_of(text: &str) -> Self {
        let lines = super::snippet::lines(text);
        let line = lines.len().max(1);
        let column = lines.last().map_or(0, |line| line.chars().count()) + 1;
        Self::at(Pos { line, column })
    }
}

/// The index of a node in its [`Tree`].
pub(super) type NodeId = usize;

/// A scalar by the core schema of YAML 1.2.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Big(u64),
    Float(f64),
    Str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Scalar {
        value: Scalar,
        /// As written, after unquoting and replacing references.
        text: String,
        /// Without quotes: a number is a number.
        plain: bool,
        /// Set when `text` came out of `${...}` references.
        expanded: Option<Expanded>,
    },
    Seq(Vec<NodeId>),
    Map(Vec<Entry>),
}

/// What a scalar was before its references were replaced.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Expanded {
    /// The text with its references.
    pub(super) written: String,
    /// Name and value of every variable; values must not turn up in messages.
    pub(super) used: Vec<(String, String)>,
    /// A non-empty default was used.
    pub(super) by_default: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Span,
    pub(super) value: NodeId,
    /// Written without quotes; only such a `<<` merges.
    pub(super) plain: bool,
}

/// Whether deserialising sees a node. `recover` moves nodes down this list, never up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Live,
    /// Known to be wrong: any value that fits is made up in its place; the number selects which.
    Hole(u8),
    /// As if it were not written.
    Absent,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
    pub(super) status: Status,
    pub(super) parent: Option<NodeId>,
    /// Fields found missing, with the number that selects a made-up value.
    pub(super) phantoms: Vec<(&'static str, u8)>,
    /// A literal where a secret belongs: never shown.
    pub(super) masked: bool,
    /// A collection in brackets or braces.
    pub(super) flow: bool,
}

/// One mistake with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) severity: Severity,
}

impl Finding {
    pub(super) fn error(span: Span, message: impl Into<String>) -> Self {
        Self {
            span,
            path: String::new(),
            message: message.into(),
            hint: None,
            severity: Severity::Error,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn path(mut self, path: String) -> Self {
        self.path = path;
        self
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<NodeId>,
}

impl Tree {
    /// Of a text that could not be read.
    pub(super) fn unusable() -> Self {
        Self::default()
    }

    /// Whether there is anything to deserialise.
    pub(super) fn is_usable(&self) -> bool {
        self.root.is_some()
    }

    pub(super) fn add(&mut self, span: Span, kind: Kind) -> NodeId {
        self.nodes.push(Node {
            span,
            kind,
            status: Status::Live,
            parent: None,
            phantoms: Vec::new(),
            masked: false,
            flow: false,
        });
        self.nodes.len() - 1
    }

    /// Points every node below `root` to its parent.
    pub(super) fn set_root(&mut self, root: NodeId) {
        self.root = Some(root);
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            for child in self.children(id) {
                self.nodes[child].parent = Some(id);
                todo.push(child);
            }
        }
    }

    pub(super) fn children(&self, id: NodeId) -> Vec<NodeId> {
        match &self.nodes[id].kind {
            Kind::Scalar { .. } => Vec::new(),
            Kind::Seq(items) => items.clone(),
            Kind::Map(entries) => entries.iter().map(|entry| entry.value).collect(),
        }
    }

    /// Every node below the root, the root included.
    pub(super) fn reachable(&self) -> Vec<NodeId> {
        let mut all: Vec<NodeId> = self.root.into_iter().collect();
        let mut next = 0;
        while next < all.len() {
            all.extend(self.children(all[next]));
            next += 1;
        }
        all
    }

    /// The key under which a node stands in its mapping.
    pub(super) fn entry_of(&self, id: NodeId) -> Option<&Entry> {
        match &self.nodes[self.nodes[id].parent?].kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.value == id),
            _ => None,
        }
    }

    /// What to underline for a node: a scalar or a flow collection itself; for a block collection, which may
    /// be pages long, the key that opens it, or its first entry.
    pub(super) fn point(&self, id: NodeId) -> Span {
        let node = &self.nodes[id];
        let first = match &node.kind {
            Kind::Scalar { .. } if node.span.start < node.span.end => return node.span,
            Kind::Map(_) | Kind::Seq(_) if node.flow => return node.span,
            Kind::Scalar { .. } => None,
            Kind::Map(entries) => entries.first().map(|entry| entry.key_span),
            Kind::Seq(items) => items.first().map(|item| self.point(*item)),
        };
        match (self.entry_of(id), first) {
            (Some(entry), _) => entry.key_span,
            (None, Some(first)) => first,
            (None, None) => node.span,
        }
    }
}
