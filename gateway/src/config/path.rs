//! Paths such as `decisions[2].models[0].name`: from a node, and to a node.

use super::tree::{Kind, NodeId, Tree};

/// The path of a node.
pub(super) fn of(tree: &Tree, id: NodeId) -> String {
    let mut steps = Vec::new();
    let mut at = id;
    while let Some(parent) = tree.nodes[at].parent {
        match &tree.nodes[parent].kind {
            Kind::Map(_) => {
                if let Some(entry) = tree.entry_of(at) {
                    steps.push(key_step(&entry.key));
                }
            }
            Kind::Seq(items) => {
                let index = items.iter().position(|item| *item == at).unwrap_or(0);
                steps.push(format!("[{index}]"));
            }
            Kind::Scalar { .. } => {}
        }
        at = parent;
    }
    steps.reverse();
    steps.concat().trim_start_matches('.').to_owned()
}

/// The path of a field of the mapping `id`, present or not.
pub(super) fn of_field(tree: &Tree, id: NodeId, field: &str) -> String {
    let path = of(tree, id) + &key_step(field);
    path.trim_start_matches('.').to_owned()
}

fn key_step(key: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | ':');
    if !key.is_empty() && key.chars().all(simple) {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

/// The node at `path`, or the nearest one above it that exists. `None` for an empty tree.
pub(super) fn find(tree: &Tree, path: &str) -> Option<NodeId> {
    let mut at = tree.root?;
    let mut rest = path;
    while !rest.is_empty() {
        let step = match &tree.nodes[at].kind {
            Kind::Seq(items) => seq_step(items, rest),
            Kind::Map(entries) => {
                let entries = entries.iter().map(|e| (e.key.as_str(), e.value));
                map_step(entries, rest)
            }
            Kind::Scalar { .. } => None,
        };
        let Some((next, behind)) = step else { break };
        (at, rest) = (next, behind);
    }
    Some(at)
}

fn seq_step<'p>(items: &[NodeId], path: &'p str) -> Option<(NodeId, &'p str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((*items.get(index.parse::<usize>().ok()?)?, rest))
}

/// The longest key that fits, so that keys with dots need no quoting.
fn map_step<'p, 'k>(
    entries: impl Iterator<Item = (&'k str, NodeId)>,
    path: &'p str,
) -> Option<(NodeId, &'p str)> {
    entries
        .filter_map(|(key, value)| {
            let quoted = format!("[{key:?}]");
            let rest = path.strip_prefix(quoted.as_str()).or_else(|| {
                path.strip_prefix('.')
                    .unwrap_or(path)
                    .strip_prefix(key)
                    .filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })?;
            Some((key.len(), value, rest))
        })
        .max_by_key(|(length, ..)| *length)
        .map(|(_, value, rest)| (value, rest))
}
