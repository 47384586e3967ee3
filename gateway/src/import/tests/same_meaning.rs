//! Random decisions mean the same on both sides: what holds, how surely, and which one is taken.

use std::collections::BTreeMap;

use commutator_plugins::policy::{Outcome, Signals};
use commutator_plugins::signal::{Match, SignalKind};
use proptest::prelude::*;

use super::peer::{Decision, Matches, Node, winner};
use super::{check, import, small};
use crate::config;
use crate::policy_file::PolicyFile;
use crate::snapshot::Checked;

const RULES: usize = 4;

/// Keywords are sure when they match; languages are as sure as they are.
const KINDS: [(&str, SignalKind); 2] = [
    ("keyword", SignalKind::Keyword),
    ("language", SignalKind::Language),
];

const LANGUAGES: [&str; RULES] = ["de", "en", "fr", "it"];

fn name(kind: &str, index: usize) -> String {
    match kind {
        "language" => LANGUAGES[index].to_owned(),
        _ => format!("k{index}"),
    }
}

fn leaf(kinds: usize) -> impl Strategy<Value = Node> {
    (0..kinds, 0..RULES).prop_map(|(kind, index)| {
        let kind = KINDS[kind].0;
        Node::Leaf(kind, name(kind, index))
    })
}

/// Trees with at least `least` conditions in each list; NOT has one where `least` is 1.
fn tree(kinds: usize, least: usize) -> impl Strategy<Value = Node> {
    leaf(kinds).prop_recursive(4, 20, 3, move |inner| {
        let list = proptest::collection::vec(inner.clone(), least..4);
        let operands = proptest::collection::vec(inner, least..=(2 - least));
        prop_oneof![
            list.clone().prop_map(Node::And),
            list.prop_map(Node::Or),
            operands.prop_map(Node::Not),
        ]
    })
}

fn decisions(
    tree: impl Strategy<Value = Node>,
    tiers: std::ops::Range<i64>,
) -> impl Strategy<Value = Vec<Decision>> {
    let one = (tree, tiers, 0..3_i64);
    proptest::collection::vec(one, 1..6).prop_map(|list| {
        let named = list.into_iter().enumerate();
        named
            .map(|(index, (rules, tier, priority))| Decision {
                // The order of the names is not that of the file.
                name: format!("d{}", (index * 5) % 7),
                tier,
                priority,
                rules,
            })
            .collect()
    })
}

/// For each rule whether it matches, and how surely.
fn values() -> impl Strategy<Value = Vec<Option<f32>>> {
    let value = proptest::option::of((0..=4_u8).prop_map(|quarter| f32::from(quarter) / 4.0));
    proptest::collection::vec(value, 2 * RULES)
}

/// The same matches for both sides.
fn sides(values: &[Option<f32>]) -> (Matches, Signals) {
    let (mut theirs, mut ours) = (Matches::new(), Signals::default());
    for (at, (kind, ours_kind)) in KINDS.into_iter().enumerate() {
        let mut matches = Vec::new();
        for index in 0..RULES {
            let name = name(kind, index);
            let sure = values[at * RULES + index].map(|v| if at == 0 { 1.0 } else { v });
            theirs.extend(sure.map(|sure| ((kind, name.clone()), sure)));
            matches.push(Match {
                name: name.into(),
                matched: sure.is_some(),
                unknown: None,
                confidence: sure.unwrap_or(0.0),
                detail: None,
            });
        }
        ours.set(ours_kind, matches);
    }
    (theirs, ours)
}

fn source(decisions: &[Decision], strategy: &str) -> String {
    let keywords: Vec<String> = (0..RULES)
        .map(|index| format!("{{name: k{index}, operator: OR, keywords: [w{index}]}}"))
        .collect();
    let languages: Vec<String> = LANGUAGES.map(|code| format!("{{name: {code}}}")).into();
    let signals = format!(
        "{{keywords: [{}], language: [{}]}}",
        keywords.join(", "),
        languages.join(", ")
    );
    let decisions: Vec<String> = decisions.iter().map(Decision::yaml).collect();
    let decisions = format!("[{}]\n  strategy: {strategy}", decisions.join(", "));
    small(&signals, &decisions)
}

/// The imported policy, and its decisions' names in order.
fn imported(source: &str) -> (Checked, Vec<String>, bool) {
    let imported = import(source);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &imported.policy).unwrap();
    let policy = config::load::<PolicyFile>(file.path(), &|_| None, &mut PolicyFile::problems);
    let names = policy.unwrap().value.decisions.into_iter().map(|d| d.name);
    let lossy = imported.report.is_lossy();
    (check(&imported.policy), names.collect(), lossy)
}

/// Confidences of the decisions that hold, by name.
fn ours(checked: &Checked, names: &[String], signals: &Signals) -> BTreeMap<String, f32> {
    let decided = checked.policy().decide(signals, true);
    let outcomes = names.iter().zip(decided.outcomes);
    outcomes
        .filter_map(|(name, outcome)| match outcome {
            Some(Outcome::True(confidence)) => Some((name.clone(), confidence)),
            _ => None,
        })
        .collect()
}

fn our_winner<'n>(checked: &Checked, names: &'n [String], signals: &Signals) -> Option<&'n str> {
    let decided = checked.policy().decide(signals, true);
    decided.winner().map(|ranked| names[ranked.index].as_str())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn conditions_and_order(
        decisions in decisions(tree(2, 1), 0..1),
        all_values in proptest::collection::vec(values(), 8),
        by_confidence: bool,
    ) {
        let strategy = if by_confidence { "confidence" } else { "priority" };
        let (checked, names, lossy) = imported(&source(&decisions, strategy));
        prop_assert!(!lossy);
        for values in &all_values {
            let (theirs, signals) = sides(values);
            let found = ours(&checked, &names, &signals);
            for decision in &decisions {
                let expected = decision.rules.holds(&theirs);
                let got = found.get(&decision.name).copied();
                let same = match (expected, got) {
                    (Some(a), Some(b)) => (a - b).abs() < 1e-5,
                    (a, b) => a == b,
                };
                prop_assert!(same, "{}: {expected:?} there, {got:?} here", decision.name);
            }
            let expected = winner(&decisions, by_confidence, &theirs);
            prop_assert_eq!(our_winner(&checked, &names, &signals), expected);
        }
    }

    /// Empty lists and NOT of none or two: what holds is the same, the confidence need not be.
    #[test]
    fn degenerate_conditions(
        decisions in decisions(tree(2, 0), 0..1),
        all_values in proptest::collection::vec(values(), 8),
    ) {
        // Of two that always match, `check` wants one; a distinct priority each keeps all of them.
        let mut decisions = decisions;
        for (index, decision) in decisions.iter_mut().enumerate() {
            decision.priority = i64::try_from(index).unwrap();
        }
        let (checked, names, _) = imported(&source(&decisions, "priority"));
        for values in &all_values {
            let (theirs, signals) = sides(values);
            let found = ours(&checked, &names, &signals);
            for decision in &decisions {
                let holds = decision.rules.holds(&theirs).is_some();
                prop_assert_eq!(found.contains_key(&decision.name), holds, "{}", &decision.name);
            }
            let expected = winner(&decisions, false, &theirs);
            prop_assert_eq!(our_winner(&checked, &names, &signals), expected);
        }
    }

    /// Tiers become priorities; with signals that are sure when they match, exactly.
    #[test]
    fn tiers(
        decisions in decisions(tree(1, 1), 1..4),
        all_values in proptest::collection::vec(values(), 8),
    ) {
        let (checked, names, lossy) = imported(&source(&decisions, "priority"));
        prop_assert!(!lossy);
        for values in &all_values {
            let (theirs, signals) = sides(values);
            let expected = winner(&decisions, false, &theirs);
            prop_assert_eq!(our_winner(&checked, &names, &signals), expected);
        }
    }
}
