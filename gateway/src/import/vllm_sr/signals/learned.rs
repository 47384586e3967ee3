//! Signals that a model gives: subjects, similarity, difficulty, facts, attacks, personal data.
//!
//! Names and logic carry over; a threshold is a number of one model, and another model stands behind it here.

mod complexity;
mod domains;

pub(super) use complexity::complexity;
pub(super) use domains::domains;

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::global::Global;
use crate::import::vllm_sr::{text, texts};
use crate::import::write::{Map, Yaml};

use super::{Signals, item, name};

pub(super) fn embeddings(
    signals: &mut Signals,
    nodes: &[Node<'_>],
    global: &Global,
    report: &Report,
) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        let modality = fields.text("query_modality").unwrap_or("text");
        if !modality.eq_ignore_ascii_case("text") {
            let why = format!("no signal compares {modality}");
            signals.without("embedding", *node, &why, report);
            continue;
        }
        let examples = fields.examples("candidates");
        if examples.is_empty() {
            signals.without("embedding", *node, "it has no candidates", report);
            continue;
        }
        let mean = fields.text("aggregation_method") == Some("mean");
        let map = Map::block()
            .with("name", text(name))
            .maybe("threshold", fields.share("threshold"))
            .maybe("aggregate", mean.then_some("mean"))
            .with("examples", texts(&examples));
        fields.skip(&["model"]);
        let item = item(map, fields.text("description"));
        signals.add("embeddings", "embedding", name, item);
        fields.finish();
    }
    if let (Some(first), false) = (nodes.first(), global.all_embeddings || nodes.len() < 2) {
        let why = "every rule that reaches its threshold matches; the peer keeps only the most similar (top_k)";
        report.changed(*first, why);
    }
}

/// The peer knows two rules, and their names say what they mean.
pub(super) fn fact_check(
    signals: &mut Signals,
    nodes: &[Node<'_>],
    global: &Global,
    report: &Report,
) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        let wants = match name {
            "needs_fact_check" => "facts",
            "no_fact_check_needed" => "creative",
            _ => {
                let why = "the peer knows only needs_fact_check and no_fact_check_needed";
                signals.without("fact_check", *node, why, report);
                continue;
            }
        };
        // The peer's threshold is that of needing facts; below it no check is needed.
        let needed = global.fact_check_threshold;
        let threshold = if wants == "facts" {
            needed
        } else {
            1.0 - needed
        };
        let map = Map::flow()
            .with("name", text(name))
            .with("wants", wants)
            .with("threshold", (threshold * 1e4).round() / 1e4);
        let item = item(map, fields.text("description"));
        signals.add("fact_check", "fact_check", name, item);
        fields.finish();
    }
}

pub(super) fn jailbreak(
    signals: &mut Signals,
    nodes: &[Node<'_>],
    global: &Global,
    report: &Report,
) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        let method = fields.text("method").unwrap_or("classifier");
        let (examples, against) = (
            fields.examples("jailbreak_patterns"),
            fields.examples("benign_patterns"),
        );
        let given = fields.share("threshold").filter(|t| *t > 0.0);
        let contrastive = method.eq_ignore_ascii_case("contrastive");
        let map = if contrastive && examples.is_empty() {
            signals.without("jailbreak", *node, "it has no jailbreak_patterns", report);
            continue;
        } else if contrastive {
            if against.is_empty() {
                let why = format!(
                    "`{name}`: without benign_patterns the likeness to the others alone counts; the peer adds 1 to it"
                );
                report.changed(*node, why);
            }
            Map::block()
                .with("name", text(name))
                .with("examples", texts(&examples))
                .maybe("against", (!against.is_empty()).then(|| texts(&against)))
                .maybe("threshold", given)
        } else {
            if !examples.is_empty() || !against.is_empty() {
                let why =
                    format!("`{name}`: the patterns have no effect, as with the peer's classifier");
                report.note(*node, why);
            }
            Map::flow()
                .with("name", text(name))
                .with("threshold", given.unwrap_or(global.jailbreak_threshold))
        };
        let map = map.with("scope", scope(&fields));
        let item = item(map, fields.text("description"));
        signals.add("jailbreak", "jailbreak", name, item);
        fields.finish();
    }
    if let (Some(first), true) = (nodes.first(), global.jailbreak_blocks_on_error) {
        let why = "on_error: block: a signal that fails matches nothing here; a `jailbreak` guard denies by default";
        report.changed(*first, why);
    }
}

pub(super) fn pii(signals: &mut Signals, nodes: &[Node<'_>], global: &Global, report: &Report) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        let threshold = fields.share("threshold").filter(|t| *t > 0.0);
        let map = Map::flow()
            .with("name", text(name))
            .with("allow", allowed(&fields, name, report))
            .with("threshold", threshold.unwrap_or(global.pii_threshold))
            .with("scope", scope(&fields));
        let item = item(map, fields.text("description"));
        signals.add("pii", "pii", name, item);
        fields.finish();
    }
}

/// The types that the peer's model knows; ours knows them by the same names.
const PII_TYPES: [&str; 17] = [
    "AGE",
    "CREDIT_CARD",
    "DATE_TIME",
    "DOMAIN_NAME",
    "EMAIL_ADDRESS",
    "GPE",
    "IBAN_CODE",
    "IP_ADDRESS",
    "NRP",
    "ORGANIZATION",
    "PERSON",
    "PHONE_NUMBER",
    "STREET_ADDRESS",
    "TITLE",
    "US_DRIVER_LICENSE",
    "US_SSN",
    "ZIP_CODE",
];

fn allowed(fields: &Fields<'_, '_>, name: &str, report: &Report) -> Yaml {
    let mut known = Vec::new();
    for written in fields.words("pii_types_allowed") {
        let kind = written.trim().to_ascii_uppercase();
        match PII_TYPES.contains(&kind.as_str()) {
            true => known.push(kind),
            false => {
                let at = fields.get("pii_types_allowed").unwrap_or(fields.node);
                report.dropped(
                    at,
                    format!("`{name}`: `{kind}` is no type of personal data"),
                );
            }
        }
    }
    known.into()
}

/// The peer looks at the user's last message, and with `include_history` at what others said before.
fn scope(fields: &Fields<'_, '_>) -> Yaml {
    let scope: &[&str] = match fields.flag("include_history") {
        Some(true) => &["user", "assistant", "system"],
        _ => &["user"],
    };
    texts(scope)
}
