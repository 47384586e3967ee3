//! `routing.signals`: what decisions look at.

mod learned;
mod lexical;
mod shape;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Node;
use crate::import::report::Report;
use crate::import::write::{Item, Map};

use super::fields::Fields;
use super::global::Global;
use super::rules::{Known, Rule};

/// Kinds without a counterpart: the section, the type of its conditions, and why.
const WITHOUT: [(&str, &str, &str); 10] = [
    (
        "user_feedbacks",
        "user_feedback",
        "no signal knows a client's satisfaction",
    ),
    (
        "reasks",
        "reask",
        "no signal compares the turns of a conversation",
    ),
    (
        "preferences",
        "preference",
        "no signal learns preferences from examples",
    ),
    (
        "structure",
        "structure",
        "no signal counts patterns in a text",
    ),
    (
        "modality",
        "modality",
        "no signal tells requests for images",
    ),
    ("role_bindings", "authz", "there are no users and roles yet"),
    ("kb", "kb", "there are no knowledge bases"),
    ("events", "event", "no signal reads events"),
    (
        "metadata",
        "metadata",
        "no signal reads the body's `metadata`; `signals.metadata` here reads headers",
    ),
    (
        "classifiers",
        "classifier",
        "classifiers of one's own are no signals",
    ),
];

/// The rules of a policy, and what the source's conditions become.
#[derive(Default)]
pub(super) struct Signals {
    /// Rules by section of the policy.
    sections: BTreeMap<&'static str, Vec<Item>>,
    /// What a condition on (type, name) becomes, or why it cannot hold.
    leaves: BTreeMap<(String, String), Result<Rule, String>>,
}

/// The sections in the order in which they are written: the cheap kinds first.
const ORDER: [&str; 10] = [
    "conversation",
    "context",
    "keywords",
    "languages",
    "domains",
    "embeddings",
    "complexity",
    "fact_check",
    "jailbreak",
    "pii",
];

impl Signals {
    /// Reads `routing.signals`. `used` are the types and names that conditions mention.
    pub(super) fn read(
        fields: &Fields<'_, '_>,
        global: &Global,
        used: &BTreeSet<(String, String)>,
        report: &Report,
    ) -> Self {
        let mut signals = Self::default();
        lexical::keywords(&mut signals, &fields.list("keywords"), report);
        lexical::languages(&mut signals, &fields.list("language"), report);
        shape::context(&mut signals, &fields.list("context"), report);
        shape::conversation(&mut signals, &fields.list("conversation"), report);
        learned::domains(&mut signals, &fields.list("domains"), global, used, report);
        learned::embeddings(&mut signals, &fields.list("embeddings"), global, report);
        learned::fact_check(&mut signals, &fields.list("fact_check"), global, report);
        learned::jailbreak(&mut signals, &fields.list("jailbreak"), global, report);
        learned::pii(&mut signals, &fields.list("pii"), global, report);
        // Last, as a rule may be composed with others.
        learned::complexity(&mut signals, &fields.list("complexity"), used, report);
        for (section, kind, why) in WITHOUT {
            for node in fields.list(section) {
                signals.without(kind, node, why, report);
            }
        }
        fields.finish();
        signals
    }

    /// The section `signals` of the policy.
    pub(super) fn yaml(&mut self) -> Map {
        let mut map = Map::block();
        for section in ORDER {
            if let Some(items) = self.sections.remove(section) {
                map.push(section, items);
            }
        }
        map
    }

    /// Adds a rule, and what conditions of type `kind` on `name` become.
    fn add(&mut self, section: &'static str, kind: &'static str, name: &str, item: Item) {
        self.sections.entry(section).or_default().push(item);
        self.set(kind, name, Ok(Rule::Leaf(kind, name.to_owned())));
    }

    fn set(&mut self, kind: &str, name: &str, becomes: Result<Rule, String>) {
        self.leaves
            .insert((kind.to_owned(), name.to_owned()), becomes);
    }

    /// A rule that has no counterpart.
    fn without(&mut self, kind: &str, node: Node<'_>, why: &str, report: &Report) {
        let scratch = Report::default();
        let name = Fields::of(node, &scratch).text("name").unwrap_or_default();
        report.dropped(node, format!("`{kind}:{name}`: {why}"));
        self.set(kind, name, Err(why.to_owned()));
    }
}

impl Known for Signals {
    fn leaf(&self, kind: &str, name: &str) -> Result<Rule, String> {
        if kind == "projection" {
            return Err("there are no projections".to_owned());
        }
        match self.leaves.get(&(kind.to_owned(), name.to_owned())) {
            Some(found) => found.clone(),
            None => Err("no such signal is declared".to_owned()),
        }
    }
}

/// A rule's item, with its description behind it.
fn item(map: Map, description: Option<&str>) -> Item {
    Item {
        beside: description.map(str::to_owned),
        ..Item::from(map)
    }
}

/// The name of a rule; without one nothing can refer to it.
fn name<'d>(fields: &Fields<'d, '_>, report: &Report) -> Option<&'d str> {
    let name = fields.text("name");
    if name.is_none() {
        report.dropped(
            fields.node,
            "a rule without a name: nothing can refer to it",
        );
    }
    name
}
