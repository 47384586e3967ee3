//! Keywords and languages.

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::rules::Rule;
use crate::import::vllm_sr::{text, texts};
use crate::import::write::Map;

use super::{Signals, item, name};

pub(super) fn keywords(signals: &mut Signals, nodes: &[Node<'_>], report: &Report) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        if let Some(name) = name(&fields, report) {
            keyword(signals, name, &fields, report);
        }
        fields.finish();
    }
}

/// The peer quotes the words and puts word boundaries around them, unless `method: regex` is written out.
fn keyword(signals: &mut Signals, name: &str, fields: &Fields<'_, '_>, report: &Report) {
    let method = fields
        .text("method")
        .unwrap_or_default()
        .to_ascii_lowercase();
    if let ("bm25" | "ngram", Some(node)) = (method.as_str(), fields.get("method")) {
        let why = format!(
            "`{name}`: method {method} has no counterpart; the words are looked for as they are written"
        );
        report.changed(node, why);
    }
    if fields.flag("fuzzy_match") == Some(true) {
        let at = fields.get("fuzzy_match").unwrap_or(fields.node);
        report.changed(
            at,
            format!("`{name}`: words with typing errors (fuzzy_match) are not found"),
        );
    }
    fields.skip(&[
        "fuzzy_threshold",
        "bm25_threshold",
        "ngram_threshold",
        "ngram_arity",
    ]);
    let words = fields.words("keywords");
    let operator = fields.text("operator").unwrap_or("OR").to_ascii_uppercase();
    let case_sensitive = fields.flag("case_sensitive").unwrap_or(false);
    let key = match operator.as_str() {
        "AND" => "all",
        "NOR" => "none",
        _ => "any",
    };
    // An empty word is in every text.
    let everywhere = words.iter().any(|word| word.trim().is_empty());
    let words: Vec<_> = words
        .into_iter()
        .filter(|word| !word.trim().is_empty())
        .collect();
    let becomes = match (key, everywhere) {
        ("any", true) => Some(Rule::Always),
        ("none", true) => Some(Rule::Never),
        _ if !words.is_empty() => None,
        // All and none of no words hold always, one of them never.
        ("any", false) => Some(Rule::Never),
        _ => Some(Rule::Always),
    };
    if let Some(becomes) = becomes {
        signals.set("keyword", name, Ok(becomes));
        report.note(
            fields.node,
            format!("`{name}` has no keywords, or an empty one, and was left out"),
        );
        return;
    }
    let map = Map::flow()
        .with("name", text(name))
        .with(key, texts(&words))
        .maybe("regex", (method == "regex").then_some(true))
        .maybe("case_sensitive", case_sensitive.then_some(true));
    let item = item(map, fields.text("description"));
    signals.add("keywords", "keyword", name, item);
}

/// A rule's name is the language's code.
pub(super) fn languages(signals: &mut Signals, nodes: &[Node<'_>], report: &Report) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        if let Some(name) = name(&fields, report) {
            let map = Map::flow()
                .with("name", text(name))
                .with("codes", texts(&[name]))
                .maybe(
                    "min_confidence",
                    fields.share("threshold").filter(|t| *t > 0.0),
                );
            let item = item(map, fields.text("description"));
            signals.add("languages", "language", name, item);
        }
        fields.finish();
    }
}
