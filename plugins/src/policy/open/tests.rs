#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::strategy::Strategy as Strategy_;
use serde_json::{Value, json};

use crate::policy::{Decided, Policy, Signals};
use crate::signal::testing::policy;
use crate::signal::{Match, SignalKind};

const RULES: usize = 3;

/// A condition over the cheap rules `k0` to `k2` and the dear rules `l0` to `l2`.
fn condition() -> impl Strategy_<Value = Value> {
    let leaf = (proptest::bool::ANY, 0..RULES).prop_map(|(cheap, index)| match cheap {
        true => json!({"keyword": format!("k{index}")}),
        false => json!({"language": format!("l{index}")}),
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            list.clone().prop_map(|list| json!({"all": list})),
            list.prop_map(|list| json!({"any": list})),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

fn any_policy() -> impl Strategy_<Value = Policy> {
    let decision = (
        -1..3,
        condition(),
        proptest::bool::weighted(0.2),
        prop_oneof![Just(0.0), Just(0.7)],
    );
    let strategy = prop_oneof![Just("priority"), Just("confidence")];
    (strategy, proptest::collection::vec(decision, 1..6)).prop_map(|(strategy, list)| {
        let decisions: Vec<Value> = (list.into_iter().enumerate())
            .map(|(index, (priority, when, shadow, least))| {
                json!({"name": format!("d{index}"), "priority": priority, "when": when,
                    "shadow": shadow, "min_confidence": least})
            })
            .collect();
        let named = |letter: char| (0..RULES).map(move |index| format!("{letter}{index}"));
        let words: Vec<Value> = named('k')
            .map(|name| json!({"name": name, "any": ["x"]}))
            .collect();
        let codes: Vec<Value> = named('l')
            .map(|name| json!({"name": name, "codes": ["de"]}))
            .collect();
        policy(json!({
            "models": [{"name": "m", "cluster": "main"}],
            "default_model": "m",
            "strategy": strategy,
            "signals": {"keywords": words, "languages": codes},
            "decisions": decisions,
        }))
    })
}

fn matches(confidences: &[Option<f32>]) -> Vec<Match> {
    (confidences.iter().enumerate())
        .map(|(index, confidence)| Match {
            name: index.to_string().into(),
            matched: confidence.is_some(),
            unknown: None,
            confidence: confidence.unwrap_or_default(),
            detail: None,
        })
        .collect()
}

/// What a client and the metrics see of a decision.
type Seen = (Option<(usize, f32)>, Vec<(String, bool)>);

fn seen(decided: &Decided) -> Seen {
    let shadows = decided.shadows.iter();
    (
        decided.winner().map(|w| (w.index, w.confidence)),
        shadows.map(|s| (s.name.to_string(), s.would_win)).collect(),
    )
}

proptest! {
    /// Leaving out what is not open changes nothing.
    #[test]
    fn the_decision_is_that_of_all_signals(
        policy in any_policy(),
        cheap in proptest::collection::vec(proptest::option::of(Just(1.0_f32)), RULES),
        dear in proptest::collection::vec(proptest::option::of(0.0_f32..=1.0), RULES),
        automatic in proptest::bool::weighted(0.8),
    ) {
        let mut signals = Signals::default();
        signals.set(SignalKind::Keyword, matches(&cheap));
        let open = policy.open_kinds(&signals, &[SignalKind::Keyword], automatic);
        let lazy = {
            let mut signals = signals.clone();
            if open.contains(&SignalKind::Language) {
                signals.set(SignalKind::Language, matches(&dear));
            }
            policy.decide(&signals, automatic)
        };
        signals.set(SignalKind::Language, matches(&dear));
        prop_assert_eq!(seen(&lazy), seen(&policy.decide(&signals, automatic)));
    }
}

/// The point of it: a decision of high priority that stands spares the others' signals.
#[test]
fn a_settled_winner_leaves_nothing_open() {
    let policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "signals": {"keywords": [{"name": "k", "any": ["x"]}], "languages": [{"name": "l", "codes": ["de"]}]},
        "decisions": [
            {"name": "first", "priority": 2, "when": {"keyword": "k"}},
            {"name": "second", "priority": 1, "when": {"language": "l"}},
        ],
    }));
    let open = |confidence| {
        let mut signals = Signals::default();
        signals.set(SignalKind::Keyword, matches(&[confidence]));
        policy.open_kinds(&signals, &[SignalKind::Keyword], true)
    };
    assert_eq!(open(Some(1.0)), []);
    assert_eq!(open(None), [SignalKind::Language]);
}
