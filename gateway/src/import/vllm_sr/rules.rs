//! A decision's conditions: the peer's trees, and what is left of them where parts have no counterpart.
//!
//! The peer: AND holds where all hold (mean confidence; none at all: always, with confidence 0), OR where one does
//! (the best confidence), NOT has one condition (confidence 1). A condition on something unknown never holds.

use crate::config::Node;
use crate::import::report::Report;
use crate::import::write::{Item, Map, Yaml};

use super::fields::Fields;

/// A condition, as it will stand in the policy.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    /// A rule by its name; the word is that of our conditions.
    Leaf(&'static str, String),
    /// All of these; never empty.
    All(Vec<Rule>),
    /// One of these; never empty.
    Any(Vec<Rule>),
    /// Not this.
    Not(Box<Rule>),
    /// Every request.
    Always,
    /// No request.
    Never,
}

/// What the conditions may name: a leaf's type and name in the source to a rule of the policy.
pub(super) trait Known {
    /// The rule for a leaf. `Err` says why there is none.
    fn leaf(&self, kind: &str, name: &str) -> Result<Rule, String>;
}

/// How deep the policy may nest conditions.
const DEEPEST: usize = 16;

/// The condition that stands at `node`.
pub(super) fn read(node: Node<'_>, known: &dyn Known, report: &Report) -> Rule {
    let fields = Fields::of(node, report);
    let is_empty = ["type", "name", "operator", "conditions"]
        .iter()
        .all(|key| fields.get(key).is_none());
    if is_empty {
        return Rule::Always;
    }
    let rule = tree(node, known, report);
    if depth(&rule) > DEEPEST {
        report.dropped(
            node,
            format!("nested deeper than {DEEPEST} levels: it never holds"),
        );
        return Rule::Never;
    }
    rule
}

fn tree(node: Node<'_>, known: &dyn Known, report: &Report) -> Rule {
    let fields = Fields::of(node, report);
    if let Some(kind) = fields.text("type") {
        return leaf(&fields, kind, known, report);
    }
    let operator = fields.text("operator").unwrap_or("OR").to_ascii_uppercase();
    let inner: Vec<Rule> = (fields.list("conditions").into_iter())
        .map(|node| tree(node, known, report))
        .collect();
    fields.skip(&["name"]);
    fields.finish();
    match operator.as_str() {
        "AND" => all(inner, node, report),
        "NOT" => not(inner, node, report),
        "OR" => any(inner, node, report),
        other => {
            report.changed(
                node,
                format!("operator `{other}`: the peer takes it for OR"),
            );
            any(inner, node, report)
        }
    }
}

fn leaf(fields: &Fields<'_, '_>, kind: &str, known: &dyn Known, report: &Report) -> Rule {
    let kind = kind.trim().to_ascii_lowercase();
    let name = fields.text("name").unwrap_or_default();
    if let Some(node) = fields.get("predicate") {
        fields.skip(&["label", "on_error"]);
        fields.finish();
        report.dropped(
            node,
            format!(
                "conditions on the score of `{kind}:{name}` have no counterpart: it never holds"
            ),
        );
        return Rule::Never;
    }
    fields.skip(&["label", "on_error"]);
    fields.finish();
    match known.leaf(&kind, name) {
        Ok(rule) => rule,
        Err(why) => {
            report.dropped(fields.node, format!("`{kind}:{name}` never holds: {why}"));
            Rule::Never
        }
    }
}

pub(super) fn all(inner: Vec<Rule>, node: Node<'_>, report: &Report) -> Rule {
    if inner.contains(&Rule::Never) {
        return Rule::Never;
    }
    let kept = without_always(inner, node, report);
    one_or(kept, Rule::All).unwrap_or(Rule::Always)
}

fn any(inner: Vec<Rule>, node: Node<'_>, report: &Report) -> Rule {
    if inner.contains(&Rule::Always) {
        if inner.len() > 1 {
            report.changed(node, "holds for every request, here with confidence 0");
        }
        return Rule::Always;
    }
    let kept = inner.into_iter().filter(|r| *r != Rule::Never).collect();
    one_or(kept, Rule::Any).unwrap_or(Rule::Never)
}

fn not(inner: Vec<Rule>, node: Node<'_>, report: &Report) -> Rule {
    let [only] = inner.as_slice() else {
        report.changed(
            node,
            "NOT of other than one condition: the peer never takes it as holding",
        );
        return Rule::Never;
    };
    match only {
        Rule::Always => Rule::Never,
        Rule::Never => {
            report.changed(
                node,
                "what it negates has no counterpart: it holds for every request",
            );
            Rule::Always
        }
        other => Rule::Not(Box::new(other.clone())),
    }
}

/// A condition that always holds adds nothing to the others but its share of the mean confidence.
fn without_always(inner: Vec<Rule>, node: Node<'_>, report: &Report) -> Vec<Rule> {
    let before = inner.len();
    let kept: Vec<Rule> = inner.into_iter().filter(|r| *r != Rule::Always).collect();
    if kept.len() < before && !kept.is_empty() {
        report.changed(
            node,
            "a condition that always holds was left out of the AND; the confidence is the mean of the others",
        );
    }
    kept
}

fn one_or(mut rules: Vec<Rule>, many: impl Fn(Vec<Rule>) -> Rule) -> Option<Rule> {
    match rules.len() {
        0 => None,
        // The mean, or the best, of one is that one.
        1 => rules.pop(),
        _ => Some(many(rules)),
    }
}

fn depth(rule: &Rule) -> usize {
    match rule {
        Rule::All(inner) | Rule::Any(inner) => 1 + inner.iter().map(depth).max().unwrap_or(0),
        Rule::Not(inner) => 1 + depth(inner),
        Rule::Leaf(..) | Rule::Always | Rule::Never => 1,
    }
}

impl Rule {
    /// The confidence of a match, where it is known before any request.
    pub(super) fn confidence(&self) -> Option<f64> {
        match self {
            Self::Leaf(kind, _) => {
                let certain = ["keyword", "context", "conversation", "metadata"];
                certain.contains(kind).then_some(1.0)
            }
            Self::Not(_) => Some(1.0),
            Self::Always => Some(0.0),
            Self::Never => None,
            Self::All(inner) | Self::Any(inner) => {
                let all: Option<Vec<f64>> = inner.iter().map(Self::confidence).collect();
                let all = all?;
                let first = *all.first()?;
                all.iter().all(|one| *one == first).then_some(first)
            }
        }
    }

    /// Does a leaf name a rule of this kind?
    pub(super) fn names(&self, kind: &str) -> bool {
        match self {
            Self::Leaf(own, _) => *own == kind,
            Self::All(inner) | Self::Any(inner) => inner.iter().any(|rule| rule.names(kind)),
            Self::Not(inner) => inner.names(kind),
            Self::Always | Self::Never => false,
        }
    }

    /// As it stands behind `when:`. What never holds is an empty list, which `check` refuses: it stands in comments
    /// only.
    pub(super) fn yaml(&self) -> Yaml {
        let list = |inner: &[Self]| {
            let items: Vec<Item> = inner.iter().map(|rule| rule.yaml().into()).collect();
            Yaml::List(items)
        };
        let map = match self {
            Self::Leaf(kind, name) => Map::flow().with(*kind, super::text(name)),
            Self::All(inner) => Map::flow().with("all", list(inner)),
            Self::Any(inner) => Map::flow().with("any", list(inner)),
            Self::Not(inner) => Map::flow().with("not", inner.yaml()),
            Self::Always | Self::Never => Map::flow().with("any", list(&[])),
        };
        map.into()
    }
}
