//! `routing.decisions`: conditions, models and plugins.

mod models;
mod ranks;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Node, Value};
use crate::import::report::Report;
use crate::import::write::{Item, Map, Yaml, lines};

use super::catalog::Catalog;
use super::fields::Fields;
use super::plugins::Plugins;
use super::rules::{self, Known, Rule};
use super::text;

/// A decision that was read.
pub(super) struct Decision<'d> {
    name: &'d str,
    node: Node<'d>,
    tier: i64,
    priority: i64,
    rule: Rule,
    /// What stands behind `when`.
    rest: Map,
    /// Comment lines above it.
    above: Vec<String>,
    description: Option<&'d str>,
}

/// The decisions of a policy.
pub(super) struct Decisions {
    /// The section `decisions`.
    pub(super) items: Vec<Item>,
    /// The section `strategy`.
    pub(super) strategy: &'static str,
    /// Does one of them match every request, and name a model?
    pub(super) catches_all: bool,
    /// The efforts that decisions ask for, by family.
    pub(super) efforts: BTreeMap<String, Vec<String>>,
}

/// The types and names of all conditions in a list of decisions or rules.
pub(super) fn used(nodes: &[Node<'_>]) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    nodes.iter().for_each(|node| collect(*node, &mut found));
    found
}

fn collect(node: Node<'_>, found: &mut BTreeSet<(String, String)>) {
    match node.value() {
        Value::Map(entries) => {
            let scalar = |key: &str| {
                entries.iter().find_map(|(own, node)| match node.value() {
                    Value::Scalar(text) if *own == key => Some(text.trim().to_owned()),
                    _ => None,
                })
            };
            if let (Some(kind), Some(name)) = (scalar("type"), scalar("name")) {
                found.insert((kind.to_ascii_lowercase(), name));
            }
            entries.iter().for_each(|(_, node)| collect(*node, found));
        }
        Value::List(items) => items.iter().for_each(|node| collect(*node, found)),
        Value::Null | Value::Scalar(_) => {}
    }
}

/// Fields of a decision without a counterpart, and why.
const WITHOUT: [(&str, &str); 5] = [
    ("output_contract", "the form of an answer is not enforced"),
    (
        "output_contract_spec",
        "the form of an answer is not enforced",
    ),
    ("adaptations", "nothing is learned from requests"),
    ("candidateIterations", "models are chosen by weights"),
    ("emits", "there are no retention directives"),
];

impl Decisions {
    /// Reads the decisions at `nodes`. `strategy` is that of the source.
    pub(super) fn read(
        nodes: &[Node<'_>],
        strategy: Option<&str>,
        known: &dyn Known,
        catalog: &Catalog,
        report: &Report,
    ) -> Self {
        let mut efforts = BTreeMap::new();
        let mut decisions: Vec<Decision<'_>> = Vec::new();
        for node in nodes {
            if let Some(decision) = read(*node, known, catalog, &mut efforts, report) {
                match decisions.iter().any(|other| other.name == decision.name) {
                    true => report.dropped(
                        *node,
                        format!("a second decision named `{}`", decision.name),
                    ),
                    false => decisions.push(decision),
                }
            }
        }
        let ranked = ranks::rank(&mut decisions, strategy, report);
        let hidden = hidden(&decisions, report);
        for decision in decisions.iter_mut().filter(|d| hidden.contains(d.name)) {
            let why = "Never taken: another one of the same priority matches every request too.";
            decision.above.push(why.to_owned());
        }
        let live = |d: &Decision<'_>| d.rule != Rule::Never && !hidden.contains(d.name);
        Self {
            catches_all: (decisions.iter())
                .any(|d| live(d) && d.rule == Rule::Always && d.rest.has("models")),
            items: decisions.iter().map(|d| item(d, !live(d))).collect(),
            strategy: ranked,
            efforts,
        }
    }
}

/// Decisions that are never taken as another one of the same priority matches every request as well: of two such,
/// the first name wins.
fn hidden<'d>(decisions: &[Decision<'d>], report: &Report) -> BTreeSet<&'d str> {
    let mut hidden = BTreeSet::new();
    let always = || decisions.iter().filter(|d| d.rule == Rule::Always);
    for decision in always() {
        let rival = always().find(|o| o.priority == decision.priority && o.name < decision.name);
        if let Some(rival) = rival {
            let why = format!(
                "`{}` is never taken: `{}` of the same priority matches every request too",
                decision.name, rival.name
            );
            report.note(decision.node, why);
            hidden.insert(decision.name);
        }
    }
    hidden
}

fn read<'d>(
    node: Node<'d>,
    known: &dyn Known,
    catalog: &Catalog,
    efforts: &mut BTreeMap<String, Vec<String>>,
    report: &Report,
) -> Option<Decision<'d>> {
    let fields = Fields::of(node, report);
    let Some(name) = fields.text("name") else {
        report.dropped(node, "a decision without a name");
        return None;
    };
    let rule = match fields.get("rules") {
        Some(rules) => rules::read(rules, known, report),
        None => Rule::Always,
    };
    let mut above = Vec::new();
    if rule == Rule::Never {
        report.dropped(
            node,
            format!("`{name}` can never match: it stands as a comment"),
        );
        above.push("Can never match, as what it needs has no counterpart:".to_owned());
    }
    let plugins = Plugins::read(&fields.list("plugins"), report);
    above.extend(guard_hint(&rule, &plugins));
    let mut rest = models::read(&fields, catalog, efforts, report);
    if !plugins.items.is_empty() {
        rest.push("plugins", plugins.items);
    }
    for (key, why) in WITHOUT {
        if let Some(node) = fields.get(key) {
            report.dropped(node, why);
        }
    }
    fields.skip(&["annotations"]);
    let decision = Decision {
        name,
        node,
        tier: fields.whole("tier").unwrap_or(0),
        priority: fields.whole("priority").unwrap_or(0),
        rule,
        rest,
        above,
        description: fields.text("description"),
    };
    fields.finish();
    Some(decision)
}

fn item(decision: &Decision<'_>, muted: bool) -> Item {
    let mut map = Map::block()
        .with("name", text(decision.name))
        .maybe("description", decision.description.map(text))
        .with("priority", decision.priority);
    if decision.rule != Rule::Always {
        map.push("when", decision.rule.yaml());
    }
    map.extend(decision.rest.clone());
    Item {
        above: decision.above.clone(),
        muted,
        ..Item::from(map)
    }
}

/// What a decision that blocks would be as a guard.
fn guard_hint(rule: &Rule, plugins: &Plugins) -> Vec<String> {
    let Some(answer) = &plugins.answer else {
        return Vec::new();
    };
    let guards: Vec<&str> = ["jailbreak", "pii"]
        .into_iter()
        .filter(|kind| rule.names(kind))
        .collect();
    if guards.is_empty() {
        return Vec::new();
    }
    let block = Map::flow().with("text", text(answer));
    let guard = |kind: &&str| -> Item {
        let guard = Map::flow()
            .with("action", "block")
            .with("block", block.clone());
        Map::flow().with(*kind, guard).into()
    };
    let example = Map::block().with("plugins", guards.iter().map(guard).collect::<Vec<_>>());
    let mut hint = vec![
        "A guard blocks better than a decision: it also runs for requests that name a model, reads tool".to_owned(),
        "results and earlier turns, and says so (content_filter, x-vsr-pii-*, x-vsr-jailbreak-*). At the top level:".to_owned(),
    ];
    hint.extend(
        lines(&Yaml::Map(example))
            .iter()
            .map(|line| format!("  {line}")),
    );
    hint
}
