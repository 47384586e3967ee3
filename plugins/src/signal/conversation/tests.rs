#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::signal::testing::{evaluate, exchange};

fn fits(mut rule: Value, request: Value) -> bool {
    rule["name"] = json!("r");
    let rules: Vec<ConversationConfig> = vec![serde_json::from_value(rule).unwrap()];
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    let signal = build(&rules, &context, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    evaluate(&signal, &exchange(request))[0].matched
}

fn plain() -> Value {
    json!({"model": "auto", "messages": [{"role": "user", "content": "a"}]})
}

fn agent() -> Value {
    json!({"model": "auto", "stream": true, "tools": [{"type": "function"}], "messages": [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"arguments": "{}"}}]},
        {"role": "tool", "content": "done"},
    ]})
}

#[rstest]
#[case(json!({"min_turns": 2}), false, false)]
#[case(json!({"max_turns": 1}), true, true)]
#[case(json!({"tools": true}), false, true)]
#[case(json!({"tools": false}), true, false)]
#[case(json!({"tool_results": true}), false, true)]
#[case(json!({"images": true}), false, true)]
#[case(json!({"last_role": "user"}), true, false)]
#[case(json!({"last_role": "tool"}), false, true)]
#[case(json!({"system": true}), false, true)]
#[case(json!({"stream": false}), true, false)]
#[case(json!({"tools": true, "images": false}), false, false)]
fn conditions(#[case] rule: Value, #[case] on_plain: bool, #[case] on_agent: bool) {
    assert_eq!(fits(rule.clone(), plain()), on_plain);
    assert_eq!(fits(rule, agent()), on_agent);
}

#[test]
fn mistakes() {
    let rules = [
        ConversationConfig::default(),
        ConversationConfig {
            min_turns: Some(3),
            max_turns: Some(2),
            ..ConversationConfig::default()
        },
    ];
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    build(&rules, &context, &mut problems);
    insta::assert_snapshot!(problems, @r"
    error: [0]: the rule says nothing (give at least one condition, for example `tools: true`)
    error: [1].min_turns: 3 is more than `max_turns`, 2: nothing can match
    ");
}
