#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::rule::Rule;
use super::*;
use crate::signal::testing::policy;
use crate::signal::{Match, SignalKind};

const RULES: usize = 4;

/// Values of the rules `k0` to `k3`; `None` where the signal failed.
fn signals(values: Option<Vec<Option<f32>>>) -> Signals {
    let mut signals = Signals::default();
    if let Some(values) = values {
        let matches = values.iter().enumerate().map(|(index, value)| Match {
            name: format!("k{index}").into(),
            matched: value.is_some(),
            unknown: None,
            confidence: value.unwrap_or(0.0),
            detail: None,
        });
        signals.set(SignalKind::Keyword, matches.collect());
    }
    signals
}

fn any_signals() -> impl Strategy_<Value = Signals> {
    let value = proptest::option::of(0.0_f32..=1.0);
    proptest::option::weighted(0.9, proptest::collection::vec(value, RULES)).prop_map(signals)
}

use proptest::strategy::Strategy as Strategy_;

fn leaf(index: usize) -> Rule {
    Rule::Leaf {
        kind: SignalKind::Keyword,
        index,
        name: format!("k{index}").into(),
    }
}

fn any_rule() -> impl Strategy_<Value = Rule> {
    (0..RULES).prop_map(leaf).prop_recursive(4, 24, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(Rule::All),
            list.prop_map(Rule::Any),
            inner.prop_map(|rule| Rule::Not(Box::new(rule))),
        ]
    })
}

fn not(rule: Rule) -> Rule {
    Rule::Not(Box::new(rule))
}

/// The value without its confidence.
fn truth(rule: &Rule, signals: &Signals) -> Option<bool> {
    match rule.evaluate(signals) {
        Outcome::True(_) => Some(true),
        Outcome::False => Some(false),
        Outcome::Unknown => None,
    }
}

/// A policy with one decision for each `(priority, rule of the decision, shadow)`.
fn decisions(strategy: &str, list: &[(i32, usize, bool)]) -> Policy {
    let decisions: Vec<Value> = (list.iter().enumerate())
        .map(|(index, (priority, rule, shadow))| {
            json!({"name": format!("d{index:02}"), "priority": priority, "shadow": shadow,
                "when": {"keyword": format!("k{rule}")}})
        })
        .collect();
    let rules: Vec<Value> = (0..RULES)
        .map(|index| json!({"name": format!("k{index}"), "any": ["x"]}))
        .collect();
    policy(json!({
        "models": [{"name": "m", "cluster": "main"}], "default_model": "m",
        "strategy": strategy, "signals": {"keywords": rules}, "decisions": decisions,
    }))
}

fn any_list() -> impl Strategy_<Value = Vec<(i32, usize, bool)>> {
    proptest::collection::vec((-2..3, 0..RULES, proptest::bool::weighted(0.2)), 0..12)
}

proptest! {
    #[test]
    fn de_morgan(rules in proptest::collection::vec(any_rule(), 1..4), signals in any_signals()) {
        let negated: Vec<Rule> = rules.iter().cloned().map(not).collect();
        prop_assert_eq!(
            truth(&not(Rule::All(rules.clone())), &signals),
            truth(&Rule::Any(negated.clone()), &signals)
        );
        prop_assert_eq!(
            truth(&not(Rule::Any(rules)), &signals),
            truth(&Rule::All(negated), &signals)
        );
    }

    #[test]
    fn twice_not_is_nothing(rule in any_rule(), signals in any_signals()) {
        prop_assert_eq!(truth(&not(not(rule.clone())), &signals), truth(&rule, &signals));
    }

    /// One more alternative never makes a match impossible, nor less sure.
    #[test]
    fn any_is_monotone(
        rules in proptest::collection::vec(any_rule(), 1..4), more in any_rule(), signals in any_signals()
    ) {
        let before = Rule::Any(rules.clone()).evaluate(&signals);
        let after = Rule::Any([rules, vec![more]].concat()).evaluate(&signals);
        if let Outcome::True(less) = before {
            prop_assert!(matches!(after, Outcome::True(confidence) if confidence >= less));
        }
    }

    /// One more condition never makes a match.
    #[test]
    fn all_is_antitone(
        rules in proptest::collection::vec(any_rule(), 1..4), more in any_rule(), signals in any_signals()
    ) {
        let after = Rule::All([rules.clone(), vec![more]].concat()).evaluate(&signals);
        prop_assert!(!after.is_true() || Rule::All(rules).evaluate(&signals).is_true());
    }

    #[test]
    fn confidence_is_between_0_and_1(rule in any_rule(), signals in any_signals()) {
        if let Outcome::True(confidence) = rule.evaluate(&signals) {
            prop_assert!((0.0..=1.0).contains(&confidence));
        }
    }

    /// What a failed signal hides cannot decide: whatever its values were, an outcome that is known stays.
    #[test]
    fn unknown_is_cautious(rule in any_rule(), values in any_signals()) {
        if let Some(known) = truth(&rule, &Signals::default()) {
            prop_assert_eq!(truth(&rule, &values).unwrap_or(known), known);
        }
    }

    #[test]
    fn the_best_by_priority_wins(list in any_list(), signals in any_signals()) {
        let decided = decisions("priority", &list).decide(&signals, true);
        let confidence = |rule: usize| signals.outcome(SignalKind::Keyword, rule);
        let best = (list.iter().enumerate())
            .filter(|(_, (_, rule, shadow))| !shadow && confidence(*rule).is_true())
            .max_by(|(i, (p, r, _)), (j, (q, s, _))| {
                let sure = |rule| match confidence(rule) { Outcome::True(c) => c, _ => 0.0 };
                p.cmp(q).then(sure(*r).total_cmp(&sure(*s))).then(j.cmp(i))
            })
            .map(|(index, _)| index);
        prop_assert_eq!(decided.winner().map(|w| w.index), best);
    }

    #[test]
    fn the_surest_wins(list in any_list(), signals in any_signals()) {
        let decided = decisions("confidence", &list).decide(&signals, true);
        if let Some(winner) = decided.winner() {
            for other in &decided.ranking {
                prop_assert!(winner.confidence >= other.confidence);
                if winner.confidence == other.confidence {
                    prop_assert!(list[winner.index].0 >= list[other.index].0);
                }
            }
        }
    }

    /// Shadows are counted and change nothing.
    #[test]
    fn shadows_never_act(list in any_list(), signals in any_signals()) {
        let all = decisions("priority", &list).decide(&signals, true);
        let names = |index: usize| format!("d{index:02}");
        let shadows: Vec<String> = all.shadows.iter().map(|s| s.name.to_string()).collect();
        for ranked in &all.ranking {
            prop_assert!(!list[ranked.index].2);
        }
        for (index, (_, rule, shadow)) in list.iter().enumerate() {
            let matched = signals.outcome(SignalKind::Keyword, *rule).is_true();
            prop_assert_eq!(shadows.contains(&names(index)), *shadow && matched);
        }
    }

    /// Without decisions for all requests, a named model meets none.
    #[test]
    fn named_models_meet_only_decisions_for_all(list in any_list(), signals in any_signals()) {
        let decided = decisions("priority", &list).decide(&signals, false);
        prop_assert!(decided.ranking.is_empty() && decided.shadows.is_empty());
    }
}

#[test]
fn confidence_is_mean_best_or_one() {
    let signals = signals(Some(vec![Some(0.2), Some(0.6), None, Some(f32::NAN)]));
    let value = |rule: Rule| rule.evaluate(&signals);
    assert_eq!(value(Rule::All(vec![leaf(0), leaf(1)])), Outcome::True(0.4));
    assert_eq!(
        value(Rule::Any(vec![leaf(0), leaf(1), leaf(2)])),
        Outcome::True(0.6)
    );
    assert_eq!(value(not(leaf(2))), Outcome::True(1.0));
    assert_eq!(value(leaf(3)), Outcome::True(0.0));
    assert_eq!(value(Rule::All(Vec::new())), Outcome::True(0.0));
    assert_eq!(value(Rule::Any(Vec::new())), Outcome::False);
    assert_eq!(value(leaf(9)), Outcome::Unknown);
    assert_eq!(value(not(leaf(9))), Outcome::Unknown);
    assert_eq!(value(Rule::Any(vec![leaf(9), leaf(0)])), Outcome::True(0.2));
    assert_eq!(value(Rule::All(vec![leaf(9), leaf(2)])), Outcome::False);
}

#[test]
fn a_shadow_says_whether_it_would_win() {
    let policy = decisions("priority", &[(5, 0, true), (3, 0, false), (1, 0, true)]);
    let decided = policy.decide(&signals(Some(vec![Some(1.0), None, None, None])), true);
    let shadow = |name: &str, would_win| Shadow {
        name: Arc::from(name),
        would_win,
    };
    assert_eq!(decided.shadows, [shadow("d00", true), shadow("d02", false)]);
    assert_eq!(decided.winner().unwrap().index, 1);
}

#[test]
fn below_min_confidence_does_not_count() {
    let policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}], "default_model": "m",
        "signals": {"keywords": [{"name": "k0", "any": ["x"]}]},
        "decisions": [{"name": "d", "when": {"keyword": "k0"}, "min_confidence": 0.5}],
    }));
    let ranking = |confidence| {
        policy
            .decide(&signals(Some(vec![Some(confidence)])), true)
            .ranking
    };
    assert_eq!(ranking(0.5).len(), 1);
    assert_eq!(ranking(0.49).len(), 0);
}
