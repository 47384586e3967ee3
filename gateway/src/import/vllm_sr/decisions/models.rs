//! `modelRefs`: which models answer, and how they are told to reason.

use std::collections::BTreeMap;

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::catalog::{Catalog, Switch};
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::text;
use crate::import::write::{Item, Map};

/// A model of a decision.
struct Candidate {
    name: String,
    weight: Option<f64>,
    reasoning: Option<Map>,
}

/// The fields `models` and `fallback` of a decision.
pub(super) fn read(
    decision: &Fields<'_, '_>,
    catalog: &Catalog,
    efforts: &mut BTreeMap<String, Vec<String>>,
    report: &Report,
) -> Map {
    algorithm(decision, report);
    let mut candidates: Vec<Candidate> = Vec::new();
    for node in decision.list("modelRefs") {
        if let Some(candidate) = candidate(node, catalog, efforts, report) {
            match candidates.iter().any(|known| known.name == candidate.name) {
                true => report.note(node, format!("`{}` is listed twice", candidate.name)),
                false => candidates.push(candidate),
            }
        }
    }
    let mut map = Map::block();
    if candidates.is_empty() {
        return map;
    }
    let weighted = candidates.iter().any(|c| c.weight.is_some_and(|w| w > 0.0));
    if weighted && candidates.len() > 1 {
        let at = decision.get("modelRefs").unwrap_or(decision.node);
        let why = "requests are shared out by weight; the peer takes the first model, whatever the weights";
        report.changed(at, why);
        let items = candidates.into_iter().map(|c| item(c, true));
        map.push("models", items.collect::<Vec<_>>());
        return map;
    }
    // The peer takes the first; the others are what there is when it cannot be served.
    let mut candidates = candidates.into_iter();
    let first: Vec<Item> = candidates
        .next()
        .map(|c| item(c, false))
        .into_iter()
        .collect();
    map.push("models", first);
    let fallback: Vec<_> = candidates.map(|c| text(&c.name)).collect();
    if !fallback.is_empty() {
        map.push("fallback", fallback);
    }
    map
}

fn item(candidate: Candidate, weighted: bool) -> Item {
    let weight = match (weighted, candidate.weight) {
        // The peer's looper, which alone reads weights, takes a missing one as 0.
        (true, weight) => Some(weight.unwrap_or(0.0)),
        (false, _) => None,
    };
    Map::flow()
        .with("name", text(&candidate.name))
        .maybe("weight", weight)
        .maybe("reasoning", candidate.reasoning)
        .into()
}

fn candidate(
    node: Node<'_>,
    catalog: &Catalog,
    efforts: &mut BTreeMap<String, Vec<String>>,
    report: &Report,
) -> Option<Candidate> {
    let fields = Fields::of(node, report);
    let base = fields.text("model");
    let name = fields.text("lora_name").or(base);
    let reasons = fields.flag("use_reasoning").unwrap_or(false);
    let effort = fields.text("reasoning_effort").map(str::trim);
    let weight = fields.number("weight").filter(|weight| *weight >= 0.0);
    fields.skip(&["model", "reasoning_description"]);
    fields.finish();
    let name = name?;
    let Some(model) = catalog.find(name) else {
        report.dropped(node, format!("no provider and no model card has `{name}`"));
        return None;
    };
    let reasoning = match (model.switch, reasons) {
        (None, true) => {
            let why = format!(
                "`{name}` has no reasoning family: use_reasoning has no effect, as with the peer"
            );
            report.note(node, why);
            None
        }
        (None, false) => None,
        // The peer leaves an effort at the top level as the client sent it.
        (Some(Switch::Effort), false) => None,
        (Some(Switch::Flag), on) => Some(Map::flow().with("enabled", on)),
        (Some(Switch::TemplateEffort), false) => Some(Map::flow().with("enabled", false)),
        (Some(Switch::Effort | Switch::TemplateEffort), true) => {
            let effort = effort
                .unwrap_or(&catalog.default_effort)
                .to_ascii_lowercase();
            if let Some(family) = catalog.family(name) {
                let asked = efforts.entry(family.to_owned()).or_default();
                if !asked.contains(&effort) {
                    asked.push(effort.clone());
                }
            }
            Some(Map::flow().with("enabled", true).with("effort", effort))
        }
    };
    Some(Candidate {
        name: name.to_owned(),
        weight,
        reasoning,
    })
}

/// How the peer chooses among several models.
fn algorithm(decision: &Fields<'_, '_>, report: &Report) {
    let Some(fields) = decision.fields("algorithm") else {
        return;
    };
    let kind = fields.text("type").unwrap_or("static");
    if kind != "static" {
        let why = format!("algorithm `{kind}`: models are chosen by weights, the first one here");
        report.dropped(fields.node, why);
    }
}
