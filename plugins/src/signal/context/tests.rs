#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::signal::testing::{evaluate, user};

fn rules(rules: serde_json::Value) -> (Context, Problems) {
    let rules: Vec<ContextConfig> = serde_json::from_value(rules).unwrap();
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    (build(&rules, &context, &mut problems), problems)
}

#[test]
fn limits_are_inclusive() {
    let request = user(&"word ".repeat(100));
    let tokens = tokens::of_request(&request);
    let (signal, problems) = rules(json!([
        {"name": "at least", "min_tokens": tokens},
        {"name": "more", "min_tokens": tokens + 1},
        {"name": "at most", "max_tokens": tokens},
        {"name": "less", "max_tokens": tokens - 1},
        {"name": "between", "min_tokens": 1, "max_tokens": 1000},
    ]));
    assert!(problems.is_empty());
    let found: Vec<bool> = evaluate(&signal, &request)
        .iter()
        .map(|m| m.matched)
        .collect();
    assert_eq!(found, [true, false, true, false, true]);
}

#[test]
fn mistakes() {
    let (_, problems) =
        rules(json!([{"name": "a"}, {"name": "b", "min_tokens": 9, "max_tokens": 8}]));
    insta::assert_snapshot!(problems, @r"
    error: [0]: the rule says nothing (give `min_tokens`, `max_tokens` or both)
    error: [1].min_tokens: 9 is more than `max_tokens`, 8: nothing can match
    ");
}
