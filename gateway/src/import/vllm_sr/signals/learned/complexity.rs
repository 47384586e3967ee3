//! Difficulty: one rule of the peer is up to three here.

use std::collections::BTreeSet;

use crate::config::Node;
use crate::import::report::Report;
use crate::import::vllm_sr::fields::Fields;
use crate::import::vllm_sr::rules::{self, Rule};
use crate::import::vllm_sr::signals::{Signals, item, name};
use crate::import::vllm_sr::{text, texts};
use crate::import::write::Map;

/// The peer's rule compares two sets of examples: the margin is the similarity to the hard ones less that to the
/// easy ones, above `threshold` it is `hard`, below `-threshold` `easy`, else `medium`. Conditions name
/// `rule:level`, and so do our rules.
pub(in crate::import::vllm_sr::signals) fn complexity(
    signals: &mut Signals,
    nodes: &[Node<'_>],
    used: &BTreeSet<(String, String)>,
    report: &Report,
) {
    for node in nodes {
        let fields = Fields::of(*node, report);
        let Some(name) = name(&fields, report) else {
            continue;
        };
        let description = fields.text("description");
        let threshold = fields.number("threshold").unwrap_or(0.0).clamp(0.0, 1.0);
        let hard = candidates(&fields, "hard", report);
        let easy = candidates(&fields, "easy", report);
        let composer = fields.get("composer");
        fields.finish();
        report.changed(
            *node,
            format!("`{name}`: a difficulty is no margin; the limits are a guess, (1 + margin) / 2: try them with `explain`"),
        );
        let levels = ["hard", "medium", "easy"]
            .map(|level| (level, format!("{name}:{level}")))
            .into_iter()
            .filter(|(_, full)| used.contains(&("complexity".to_owned(), full.clone())));
        for (level, full) in levels {
            let (min, max) = limits(level, threshold);
            let map = Map::block()
                .with("name", text(&full))
                .maybe("min", min)
                .maybe("max", max)
                .maybe("hard", (!hard.is_empty()).then(|| texts(&hard)))
                .maybe("easy", (!easy.is_empty()).then(|| texts(&easy)));
            signals.add("complexity", "complexity", &full, item(map, description));
            if let Some(composer) = composer {
                compose(signals, &full, composer, report);
            }
        }
    }
}

fn candidates<'d>(fields: &Fields<'d, '_>, key: &str, report: &Report) -> Vec<&'d str> {
    let Some(side) = fields.fields(key) else {
        return Vec::new();
    };
    if let Some(images) = side.get("image_candidates") {
        report.dropped(images, "no signal looks at images");
    }
    let words = side.examples("candidates");
    side.finish();
    words
}

/// Our difficulty grows with the margin, 0.5 being the middle of both; how fast depends on the examples. A guess: the
/// margin moved from -1..1 to 0..1.
fn limits(level: &str, threshold: f64) -> (Option<f64>, Option<f64>) {
    let round = |number: f64| (number * 1e4).round() / 1e4;
    let (upper, lower) = (round(0.5 + threshold / 2.0), round(0.5 - threshold / 2.0));
    match level {
        "hard" => (Some(upper), None),
        "easy" => (None, Some(lower)),
        _ => (Some(lower), Some(upper)),
    }
}

/// A composed rule matches only where its composer holds too.
fn compose(signals: &mut Signals, full: &str, composer: Node<'_>, report: &Report) {
    let condition = rules::read(composer, signals, report);
    let own = Rule::Leaf("complexity", full.to_owned());
    let both = rules::all(vec![own, condition], composer, report);
    signals.set("complexity", full, Ok(both));
    report.changed(
        composer,
        format!("`{full}`: the composer's confidence counts in the mean"),
    );
}

#[cfg(test)]
mod tests {
    use super::limits;

    #[test]
    fn a_margin_becomes_a_difficulty() {
        assert_eq!(limits("hard", 0.2), (Some(0.6), None));
        assert_eq!(limits("easy", 0.2), (None, Some(0.4)));
        assert_eq!(limits("medium", 0.2), (Some(0.4), Some(0.6)));
    }
}
