//! Finds every mistake although `serde` stops at the first.
//!
//! A place found wrong is patched (see [`Status`]) and the tree is read again. First any value that fits is
//! made up in its place, so that what stands behind and around it is still read; if none fits, the place is
//! left out; if that makes the structure around it fail, the structure is patched in turn. Only mistakes of the
//! file are reported, not those of the patches. Patching never goes back, so it ends.

use std::{collections::HashSet, marker::PhantomData};

use serde::de::DeserializeOwned;

use super::{
    de::Reader,
    de_hole::LEVELS,
    message::{At, DeError, What, suggestion, words},
    path,
    secret_file::Files,
    tree::{Finding, Kind, NodeId, Status, Tree},
};

/// Mistakes that are reported; nobody reads more.
const MAX_FINDINGS: usize = 100;

/// Readings of one file.
const MAX_RUNS: usize = 1000;

/// Nodes read over all readings, so that a huge file is not read a thousand times.
const MAX_WORK: usize = 1_000_000;

/// What could be read.
pub(super) struct Recovered<T> {
    /// `None` if nothing could be made of the file.
    pub(super) value: Option<T>,
    /// No value in it was made up: at most keys that nobody knows were left out, so that its meaning can be
    /// checked although the file is wrong.
    pub(super) faithful: bool,
}

/// Reads the tree as a `T`, and adds everything that is wrong to `found`. If that is nothing, there is a value.
pub(super) fn deserialize<T: DeserializeOwned>(
    tree: &mut Tree,
    secrets: &Files,
    found: &mut Vec<Finding>,
) -> Recovered<T> {
    let mut recovered = Recovered {
        value: None,
        faithful: found.is_empty(),
    };
    let Some(root) = tree.root else {
        return recovered;
    };
    let mut recovery = Recovery {
        tree,
        found,
        excused: HashSet::new(),
        guessed: false,
    };
    let runs = (MAX_WORK / recovery.tree.nodes.len().max(1)).clamp(20, MAX_RUNS);
    let mut left = true;
    for _ in 0..runs {
        let reader = Reader {
            tree: recovery.tree,
            secrets,
        };
        let error = match reader.read(root, PhantomData::<T>) {
            Ok(value) => {
                recovered.value = Some(value);
                recovered.faithful &= !recovery.guessed;
                return recovered;
            }
            Err(error) => error,
        };
        if recovery.found.len() >= MAX_FINDINGS {
            break;
        }
        left = recovery.repair(error, root);
        if !left {
            break;
        }
    }
    if left {
        let span = found.iter().map(|finding| finding.span).max();
        let message = "too many mistakes to look for more";
        found.push(Finding::error(span.unwrap_or_default(), message));
    } else if found.is_empty() {
        let message = "cannot be read as this kind of configuration";
        found.push(Finding::error(tree.point(root), message));
    }
    recovered
}

struct Recovery<'a> {
    tree: &'a mut Tree,
    found: &'a mut Vec<Finding>,
    /// Missing fields that are there, but misspelt: one mistake, not two.
    excused: HashSet<(NodeId, &'static str)>,
    /// Some value was made up or left out.
    guessed: bool,
}

impl Recovery<'_> {
    /// Records the error if it is one of the file, and patches its place. False if nothing is left to try.
    fn repair(&mut self, error: DeError, root: NodeId) -> bool {
        let at = error.at.unwrap_or(At::Node(root));
        match (at, error.what) {
            (At::Hole(id), _) => self.lower(id),
            (At::Phantom(map, at), _) => {
                let level = &mut self.tree.nodes[map].phantoms[at].1;
                *level += 1;
                *level < LEVELS || self.lower(map)
            }
            (At::Key(id), what) => self.repair_key(id, what),
            (At::Node(id), What::Missing(field)) => self.repair_missing(id, field),
            (At::Node(id), what) => {
                // A check of a whole structure may well fail over a value that was made up.
                if !self.is_patched_below(id) {
                    if what == What::SecretLiteral {
                        self.tree.nodes[id].masked = true;
                    }
                    self.record(At::Node(id), &what);
                }
                self.lower(id)
            }
        }
    }

    fn repair_key(&mut self, id: NodeId, what: What) -> bool {
        self.record(At::Key(id), &what);
        let parent = self.tree.nodes[id].parent;
        if let (What::UnknownField { name, expected }, Some(map)) = (&what, parent)
            && let Some(meant) = suggestion(name, expected)
            && let Some(meant) = expected.iter().find(|name| **name == meant)
        {
            self.excused.insert((map, meant));
        }
        self.tree.nodes[id].status = Status::Absent;
        match (what, parent) {
            (What::UnknownWord { .. }, Some(tagged)) => self.lower(tagged),
            _ => true,
        }
    }

    fn repair_missing(&mut self, map: NodeId, field: &'static str) -> bool {
        let ours = match &self.tree.nodes[map].kind {
            Kind::Map(entries) => entries
                .iter()
                .any(|e| e.key == field && self.tree.nodes[e.value].status == Status::Absent),
            _ => false,
        };
        let again = self.tree.nodes[map].phantoms.iter().any(|p| p.0 == field);
        if ours || again {
            return self.lower(map);
        }
        if !self.excused.contains(&(map, field)) {
            self.record(At::Node(map), &What::Missing(field));
        }
        self.guessed = true;
        self.tree.nodes[map].phantoms.push((field, 0));
        true
    }

    /// The next weaker reading of a node. The root cannot be left out.
    fn lower(&mut self, id: NodeId) -> bool {
        self.guessed = true;
        let is_root = self.tree.nodes[id].parent.is_none();
        let next = match self.tree.nodes[id].status {
            Status::Live => Status::Hole(0),
            Status::Hole(level) if level + 1 < LEVELS => Status::Hole(level + 1),
            Status::Hole(_) if !is_root => Status::Absent,
            Status::Hole(_) | Status::Absent => return false,
        };
        self.tree.nodes[id].status = next;
        true
    }

    fn is_patched_below(&self, id: NodeId) -> bool {
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let node = &self.tree.nodes[id];
            if node.status != Status::Live || !node.phantoms.is_empty() {
                return true;
            }
            todo.extend(self.tree.children(id));
        }
        false
    }

    fn record(&mut self, at: At, what: &What) {
        let (message, hint) = words(self.tree, at, what);
        let (At::Node(id) | At::Key(id) | At::Hole(id) | At::Phantom(id, _)) = at;
        let span = match at {
            At::Key(_) => self.tree.entry_of(id).map(|entry| entry.key_span),
            _ => None,
        };
        let path = match what {
            What::Missing(field) => path::of_field(self.tree, id, field),
            _ => path::of(self.tree, id),
        };
        self.found.push(Finding {
            hint,
            ..Finding::error(span.unwrap_or_else(|| self.tree.point(id)), message).path(path)
        });
    }
}
