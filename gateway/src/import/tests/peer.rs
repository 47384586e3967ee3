//! The peer's decision engine in a few lines (`pkg/decision/engine.go`, snapshot of 2026-08-22), to compare with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A condition of the source.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// Type and name.
    Leaf(&'static str, String),
    And(Vec<Node>),
    Or(Vec<Node>),
    /// Any number of conditions: only one makes sense.
    Not(Vec<Node>),
}

/// A decision of the source.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) name: String,
    pub(super) tier: i64,
    pub(super) priority: i64,
    pub(super) rules: Node,
}

/// What matched, with its confidence.
pub(super) type Matches = BTreeMap<(&'static str, String), f32>;

impl Node {
    /// The confidence, where it holds.
    pub(super) fn holds(&self, matches: &Matches) -> Option<f32> {
        match self {
            Self::Leaf(kind, name) => matches.get(&(*kind, name.clone())).copied(),
            Self::And(inner) => {
                let all: Option<Vec<f32>> = inner.iter().map(|node| node.holds(matches)).collect();
                let all = all?;
                #[allow(clippy::cast_precision_loss)]
                let count = all.len().max(1) as f32;
                Some(all.iter().sum::<f32>() / count)
            }
            Self::Or(inner) => (inner.iter())
                .filter_map(|node| node.holds(matches))
                .reduce(f32::max),
            Self::Not(inner) => match inner.as_slice() {
                [only] => only.holds(matches).is_none().then_some(1.0),
                _ => None,
            },
        }
    }

    /// As YAML.
    pub(super) fn yaml(&self) -> String {
        let list = |operator: &str, inner: &[Self]| {
            let inner: Vec<String> = inner.iter().map(Self::yaml).collect();
            format!(
                "{{operator: {operator}, conditions: [{}]}}",
                inner.join(", ")
            )
        };
        match self {
            Self::Leaf(kind, name) => format!("{{type: {kind}, name: {name}}}"),
            Self::And(inner) => list("AND", inner),
            Self::Or(inner) => list("OR", inner),
            Self::Not(inner) => list("NOT", inner),
        }
    }
}

impl Decision {
    /// As YAML.
    pub(super) fn yaml(&self) -> String {
        format!(
            "{{name: {}, tier: {}, priority: {}, rules: {}, modelRefs: [{{model: m}}]}}",
            self.name,
            self.tier,
            self.priority,
            self.rules.yaml()
        )
    }
}

/// The decision that is taken.
pub(super) fn winner<'d>(
    decisions: &'d [Decision],
    by_confidence: bool,
    matches: &Matches,
) -> Option<&'d str> {
    let mut matched: Vec<(&Decision, f32)> = (decisions.iter())
        .filter_map(|decision| Some((decision, decision.rules.holds(matches)?)))
        .collect();
    let tiered = matched.iter().any(|(decision, _)| decision.tier > 0);
    matched.sort_by(|(a, ca), (b, cb)| {
        let confidence = cb.total_cmp(ca);
        let priority = b.priority.cmp(&a.priority);
        let order: Ordering = match (tiered, by_confidence) {
            (true, _) => a.tier.cmp(&b.tier).then(confidence).then(priority),
            (false, true) => confidence.then(priority),
            (false, false) => priority.then(confidence),
        };
        order.then_with(|| a.name.cmp(&b.name))
    });
    matched.first().map(|(decision, _)| decision.name.as_str())
}
