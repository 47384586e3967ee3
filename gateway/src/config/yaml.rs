//! Text to tree: YAML 1.2 with the core schema, one document, bounded in depth and in nodes.

use std::{borrow::Cow, collections::HashMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::tree::{Entry, Finding, Kind, NodeId, Pos, Scalar, Span, Status, Tree};

/// Levels of nesting. Rules need two a level; `serde` recurses as deep as the file does.
const MAX_DEPTH: usize = 64;

/// Nodes after expanding aliases, so that a small file cannot become a large tree.
const MAX_NODES: usize = 200_000;

/// Bytes of text in what aliases repeat, for the same reason.
const MAX_COPIED: usize = 16 << 20;

/// Reads `text`. The findings are mistakes of syntax; the tree is unusable after one that hides the rest.
pub(super) fn parse(text: &str) -> (Tree, Vec<Finding>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(finding) = forbidden_character(text) {
        return (Tree::unusable(), vec![finding]);
    }
    let mut builder = Builder::default();
    match builder.read(text) {
        Ok(()) => {
            let mut tree = builder.tree;
            match builder.root {
                Some(root) => tree.set_root(root),
                None => builder
                    .found
                    .push(Finding::error(Span::end_of(text), "the file is empty")),
            }
            (tree, builder.found)
        }
        Err(finding) => {
            builder.found.push(finding);
            (Tree::unusable(), builder.found)
        }
    }
}

/// Control characters are no YAML; the scanner would take a NUL for the end of the file.
fn forbidden_character(text: &str) -> Option<Finding> {
    for (number, line) in super::snippet::lines(text).iter().enumerate() {
        let bad = line
            .chars()
            .position(|c| c.is_control() && !matches!(c, '\t' | '\u{85}'));
        if let Some(column) = bad {
            let pos = Pos {
                line: number + 1,
                column: column + 1,
            };
            return Some(Finding::error(Span::at(pos), "a control character"));
        }
    }
    None
}

fn pos(mark: &Marker) -> Pos {
    Pos {
        line: mark.line(),
        column: mark.col() + 1,
    }
}

fn span(span: &saphyr_parser::Span) -> Span {
    Span {
        start: pos(&span.start),
        end: pos(&span.end),
    }
}

/// A collection that has begun.
struct Frame {
    id: NodeId,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<Key>,
}

struct Key {
    text: String,
    span: Span,
    plain: bool,
    /// A second key of one name: its value is read and dropped.
    dropped: bool,
}

/// An error that makes the rest of the file unreadable.
type Fatal = Finding;

#[derive(Default)]
struct Builder {
    tree: Tree,
    stack: Vec<Frame>,
    anchors: HashMap<usize, NodeId>,
    root: Option<NodeId>,
    documents: usize,
    /// Bytes of text that aliases have repeated.
    copied: usize,
    found: Vec<Finding>,
}

impl Builder {
    fn read(&mut self, text: &str) -> Result<(), Fatal> {
        let mut parser = Parser::new_from_str(text);
        while let Some(event) = parser.next_event() {
            let (event, at) = event.map_err(|error| scan_error(text, &error))?;
            let at = span(&at);
            match event {
                Event::DocumentStart(_) => {
                    self.documents += 1;
                    if self.documents > 1 {
                        return Err(Finding::error(at, "a second document in the file")
                            .hint("a configuration is one document: remove the `---`"));
                    }
                }
                Event::Scalar(value, style, anchor, tag) => {
                    self.scalar(value, style, anchor, tag.as_deref(), at)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.open(Kind::Seq(Vec::new()), anchor, tag.as_deref(), at)?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.open(Kind::Map(Vec::new()), anchor, tag.as_deref(), at)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
                Event::Alias(anchor) => self.alias(anchor, at)?,
                Event::StreamEnd | Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
            }
            if self.tree.nodes.len() > MAX_NODES {
                return Err(Finding::error(
                    at,
                    format!("more than {MAX_NODES} values, aliases expanded"),
                ));
            }
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        value: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        at: Span,
    ) -> Result<(), Fatal> {
        if self.wants_key() {
            return self.key(value.into_owned(), style == ScalarStyle::Plain, at);
        }
        let plain = style == ScalarStyle::Plain;
        let resolved = match tag {
            None if plain => Some(core_schema(&value)),
            None => Some(Scalar::Str),
            Some(tag) => self.tagged(&value, style, tag, at),
        };
        let is_known = resolved.is_some();
        let kind = Kind::Scalar {
            value: resolved.unwrap_or(Scalar::Str),
            text: value.into_owned(),
            plain: plain && tag.is_none(),
            expanded: None,
        };
        let id = self.tree.add(at, kind);
        if !is_known {
            self.tree.nodes[id].status = Status::Hole(0);
        }
        self.anchor(anchor, id);
        self.attach(id)
    }

    /// The value of a scalar with a tag; `None`, and a finding, if the tag does not fit.
    fn tagged(&mut self, value: &str, style: ScalarStyle, tag: &Tag, at: Span) -> Option<Scalar> {
        let resolved = if tag.is_yaml_core_schema() {
            let tag = Cow::Borrowed(tag);
            saphyr::Scalar::parse_from_cow_and_metadata(value.into(), style, Some(&tag))
        } else {
            None
        };
        if resolved.is_none() {
            let message = format!("the tag `{tag}` is not supported here");
            self.found.push(Finding::error(at, message));
        }
        resolved.as_ref().map(from_saphyr)
    }

    fn open(
        &mut self,
        kind: Kind,
        anchor: usize,
        tag: Option<&Tag>,
        at: Span,
    ) -> Result<(), Fatal> {
        if self.wants_key() {
            return Err(Finding::error(
                at,
                "a key must be a word, not a list or a mapping",
            ));
        }
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels");
            return Err(Finding::error(at, message));
        }
        let native = if matches!(kind, Kind::Seq(_)) {
            "seq"
        } else {
            "map"
        };
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema() || tag.suffix != native) {
            let message = format!("the tag `{tag}` is not supported here");
            self.found.push(Finding::error(at, message));
        }
        let id = self.tree.add(at, kind);
        self.stack.push(Frame {
            id,
            anchor,
            key: None,
        });
        Ok(())
    }

    fn close(&mut self, at: Span) -> Result<(), Fatal> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let node = &mut self.tree.nodes[frame.id];
        // Only a bracket has width; a block collection ends where something else begins.
        node.flow = at.start < at.end;
        node.span.end = at.end;
        self.merge(frame.id);
        // Known from here on only, so that an alias cannot stand inside what it repeats.
        self.anchor(frame.anchor, frame.id);
        self.attach(frame.id)
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Result<(), Fatal> {
        if self.wants_key() {
            return Err(Finding::error(at, "an alias cannot be a key"));
        }
        let Some(&target) = self.anchors.get(&anchor) else {
            return Err(Finding::error(
                at,
                "an alias inside the value that it repeats",
            ));
        };
        let copy = self.copy(target, self.stack.len(), at)?;
        self.attach(copy)
    }

    /// A copy, so that what is wrong with one use can be told from the others.
    fn copy(&mut self, from: NodeId, depth: usize, at: Span) -> Result<NodeId, Fatal> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels, aliases expanded");
            return Err(Finding::error(at, message));
        }
        if self.tree.nodes.len() > MAX_NODES {
            let message = format!("more than {MAX_NODES} values, aliases expanded");
            return Err(Finding::error(at, message));
        }
        self.copied += match &self.tree.nodes[from].kind {
            Kind::Scalar { text, .. } => text.len(),
            Kind::Seq(_) => 0,
            Kind::Map(entries) => entries.iter().map(|entry| entry.key.len()).sum(),
        };
        if self.copied > MAX_COPIED {
            let message = format!("more than {MAX_COPIED} bytes, aliases expanded");
            return Err(Finding::error(at, message));
        }
        let mut node = self.tree.nodes[from].clone();
        match &mut node.kind {
            Kind::Scalar { .. } => {}
            Kind::Seq(items) => {
                for item in items {
                    *item = self.copy(*item, depth + 1, at)?;
                }
            }
            Kind::Map(entries) => {
                for entry in entries {
                    entry.value = self.copy(entry.value, depth + 1, at)?;
                }
            }
        }
        self.tree.nodes.push(node);
        Ok(self.tree.nodes.len() - 1)
    }

    fn anchor(&mut self, anchor: usize, id: NodeId) {
        if anchor != 0 {
            self.anchors.insert(anchor, id);
        }
    }

    fn wants_key(&self) -> bool {
        self.stack.last().is_some_and(|frame| {
            frame.key.is_none() && matches!(self.tree.nodes[frame.id].kind, Kind::Map(_))
        })
    }

    fn key(&mut self, text: String, plain: bool, at: Span) -> Result<(), Fatal> {
        let Some(frame) = self.stack.last_mut() else {
            return Ok(());
        };
        let mut dropped = false;
        if let Kind::Map(entries) = &self.tree.nodes[frame.id].kind
            && let Some(first) = entries.iter().find(|entry| entry.key == text)
        {
            dropped = true;
            let line = first.key_span.start.line;
            self.found.push(
                Finding::error(at, format!("the key `{text}` stands here a second time"))
                    .hint(format!("the first one is in line {line}")),
            );
        }
        frame.key = Some(Key {
            text,
            span: at,
            plain,
            dropped,
        });
        Ok(())
    }

    fn attach(&mut self, id: NodeId) -> Result<(), Fatal> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(id);
            return Ok(());
        };
        match &mut self.tree.nodes[frame.id].kind {
            Kind::Seq(items) => items.push(id),
            Kind::Map(entries) => {
                if let Some(key) = frame.key.take().filter(|key| !key.dropped) {
                    entries.push(Entry {
                        key: key.text,
                        key_span: key.span,
                        value: id,
                        plain: key.plain,
                    });
                }
            }
            Kind::Scalar { .. } => {}
        }
        Ok(())
    }

    /// `<<: *base` and `<<: [*a, *b]`: what the mapping says itself wins, then the earlier of the merged.
    fn merge(&mut self, id: NodeId) {
        let Kind::Map(entries) = &mut self.tree.nodes[id].kind else {
            return;
        };
        let Some(at) = entries.iter().position(|e| e.plain && e.key == "<<") else {
            return;
        };
        let merge = entries.remove(at);
        let mut own = std::mem::take(entries);
        let sources = match &self.tree.nodes[merge.value].kind {
            Kind::Seq(items) => items.clone(),
            _ => vec![merge.value],
        };
        for source in sources {
            if let Kind::Map(more) = &self.tree.nodes[source].kind {
                for entry in more {
                    if !own.iter().any(|known| known.key == entry.key) {
                        own.push(entry.clone());
                    }
                }
            } else {
                self.found
                    .push(Finding::error(merge.key_span, "`<<` merges mappings only"));
            }
        }
        self.tree.nodes[id].kind = Kind::Map(own);
    }
}

/// What a plain scalar is.
pub(super) fn core_schema(text: &str) -> Scalar {
    if text.is_empty() {
        return Scalar::Null;
    }
    if let Ok(big) = text.parse::<u64>()
        && i64::try_from(big).is_err()
    {
        return Scalar::Big(big);
    }
    from_saphyr(&saphyr::Scalar::parse_from_cow(text.into()))
}

fn from_saphyr(scalar: &saphyr::Scalar<'_>) -> Scalar {
    match scalar {
        saphyr::Scalar::Null => Scalar::Null,
        saphyr::Scalar::Boolean(value) => Scalar::Bool(*value),
        saphyr::Scalar::Integer(value) => Scalar::Int(*value),
        saphyr::Scalar::FloatingPoint(value) => Scalar::Float(value.into_inner()),
        saphyr::Scalar::String(_) => Scalar::Str,
    }
}

fn scan_error(text: &str, error: &saphyr_parser::ScanError) -> Fatal {
    let at = pos(error.marker());
    if error.info().contains("unknown anchor") {
        return Finding::error(Span::at(at), "an alias without its anchor")
            .hint("the anchor (`&name`) must stand above the alias");
    }
    let finding = Finding::error(Span::at(at), format!("not valid YAML: {}", error.info()));
    let lines = super::snippet::lines(text);
    let line = lines.get(at.line.saturating_sub(1)).unwrap_or(&"");
    let indent = line.len() - line.trim_start().len();
    let above = &lines[..at.line.saturating_sub(1).min(lines.len())];
    if line[..indent].contains('\t') {
        finding.hint("indent with spaces, not with tabs")
    } else if line.contains("${") {
        finding.hint("put quotes around a value with `${...}`")
    } else if line.matches(": ").count() > 1 {
        finding.hint("put quotes around a value that contains `: `")
    } else if let Some(open) = open_bracket(above) {
        finding.hint(format!(
            "the `{}` in line {} may not be closed",
            open.1, open.0
        ))
    } else {
        finding
    }
}

/// Line and bracket of the last list or mapping left open, as far as one can tell without parsing.
fn open_bracket(lines: &[&str]) -> Option<(usize, char)> {
    let mut open = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split(" #").next().unwrap_or_default();
        for c in code.chars() {
            match c {
                '[' | '{' => open.push((number + 1, c)),
                ']' | '}' => drop(open.pop()),
                _ => {}
            }
        }
    }
    open.pop()
}
