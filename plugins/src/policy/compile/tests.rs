#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::super::rule::MAX_DEPTH;
use super::super::{Policy, RoutingConfig};
use super::hint;
use crate::problem::Problems;
use crate::registry::BuildContext;

fn compile(config: Value) -> Result<Policy, Problems> {
    let config: RoutingConfig = serde_json::from_value(config).unwrap();
    let context = BuildContext {
        families: &config.families(),
        models: &config.models,
        foreign_pii: false,
    };
    Policy::compile(&config, &["main", "gpu-pool"], &context)
}

fn problems(config: Value) -> Problems {
    match compile(config) {
        Ok(policy) => policy.warnings().clone(),
        Err(problems) => problems,
    }
}

#[test]
fn every_mistake_at_once() {
    let found = problems(json!({
        "models": [
            {"name": "qwen3-32b", "cluster": "mian", "reasoning_family": "qwen", "aliases": ["auto"]},
            {"name": "qwen3-32b", "cluster": "main"},
            {"name": "small", "cluster": "main", "aliases": ["qwen3-32b"], "context_length": 0,
             "reasoning_family": "qwen3", "prices": {"currency": "euro", "prompt_per_1m": -1}},
        ],
        "pass_through_cluster": "gpu",
        "default_model": "smal",
        "signals": {
            "keywords": [
                {"name": "code", "any": ["("], "regex": true},
                {"name": "code", "any": ["x"]},
                {"name": "", "any": ["x"]},
            ],
            "languages": [{"name": "german", "codes": ["ger"]}],
        },
        "decisions": [
            {"name": "a", "when": {"all": [{"keyword": "cod"}, {"any": []}, {"not": {"keyword": "german"}}]},
             "models": [{"name": "qwen3", "weight": 0}], "min_confidence": 2, "sticky": {"header": "a b"}},
            {"name": "a", "models": [{"name": "small", "reasoning": {"enabled": true, "effort": "extreme"}},
                                     {"name": "small", "weight": -1}],
             "fallback": ["large"], "min_confidence": 0.5},
            {"name": "b"},
        ],
    }));
    insta::assert_snapshot!(found, @r"
    error: models[1].name: a second model named `qwen3-32b` (the first one is models[0].name)
    error: models[0].cluster: unknown cluster `mian` (did you mean `main`?)
    error: models[0].reasoning_family: unknown family `qwen` (did you mean `qwen3`?)
    error: models[2].context_length: no request fits into 0 tokens
    error: models[2].prices.prompt_per_1m: a price must be a number from 0 up
    error: models[2].prices.currency: `euro` is no currency code (three capital letters, for example `USD`)
    error: pass_through_cluster: unknown cluster `gpu` (did you mean `gpu-pool`?)
    error: models[2].aliases[0]: `qwen3-32b` is already a name of the model `qwen3-32b`
    error: automatic_models[1]: `auto` is also a name of the model `qwen3-32b` (a name means one model or leaves the choice to the policy, not both)
    error: default_model: unknown model `smal` (did you mean `small`?)
    error: signals.keywords[1].name: a second rule named `code` (the first one is signals.keywords[0].name)
    error: signals.keywords[2].name: a rule needs a name
    error: signals.keywords[0].any[0]: bad regular expression: unclosed group
    error: signals.languages[0].codes[0]: `ger` is no language that can be detected
    error: decisions[1].name: a second decision named `a` (the first one is decisions[0].name)
    error: decisions[0].when.all[0].keyword: unknown keyword rule `cod` (did you mean `code`?)
    error: decisions[0].when.all[1].any: the list is empty (leave `when` out for a decision that always matches)
    error: decisions[0].when.all[2].not.keyword: unknown keyword rule `german` (`german` is a rule of `languages`)
    error: decisions[0].min_confidence: 2 is not between 0 and 1
    error: decisions[0].sticky.header: `a b` is no header name
    error: decisions[0].models: all weights are 0: no model would be chosen
    error: decisions[0].models[0].name: unknown model `qwen3` (did you mean `qwen3-32b`?)
    error: decisions[1].min_confidence: the decision can never be taken (a decision without `when` matches with confidence 0)
    error: decisions[1].models[1].name: a second model named `small` (the first one is decisions[1].models[0].name)
    error: decisions[1].models[0].reasoning.effort: unknown effort of family `qwen3`: `extreme` (there is `low`, `medium`, `high`)
    error: decisions[1].models[1].weight: a weight must be a number from 0 up
    error: decisions[1].fallback[0]: unknown model `large` (there is `qwen3-32b`, `qwen3-32b`, `small`)
    error: decisions[2]: a second decision of priority 0 that matches everything (the first one is decisions[1])
    ");
}

#[test]
fn what_is_only_odd() {
    let found = problems(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "signals": {"keywords": [{"name": "used", "any": ["x"]}, {"name": "unused", "any": ["y"]}]},
        "decisions": [
            {"name": "everything", "priority": 5, "models": [{"name": "m"}], "fallback": ["m"]},
            {"name": "hidden", "priority": 4, "when": {"keyword": "used"}},
            {"name": "seen by named models", "applies_to": "all", "priority": 4, "when": {"keyword": "used"}},
            {"name": "shadow", "priority": 3, "shadow": true},
        ],
        "default_model": "m",
    }));
    assert!(!found.has_errors());
    insta::assert_snapshot!(found, @r"
    warning: decisions[0].fallback[0]: `m` is one of `models` already
    warning: decisions[1]: `hidden` can never be taken (`everything` matches everything and has a higher priority)
    warning: signals.keywords[1]: no decision uses `unused`
    ");
}

#[test]
fn a_default_model_is_needed_where_decisions_leave_gaps() {
    let models = json!([{"name": "m", "cluster": "main"}]);
    let signals = json!({"keywords": [{"name": "k", "any": ["x"]}]});
    let gap = json!({"models": models, "signals": signals,
        "decisions": [{"name": "d", "when": {"keyword": "k"}, "models": [{"name": "m"}]}]});
    insta::assert_snapshot!(problems(gap), @"error: default_model: missing: requests that match no decision would have no model (for example `default_model: m`)");
    let closed = json!({"models": models, "decisions": [{"name": "d", "models": [{"name": "m"}]}]});
    assert!(problems(closed).is_empty());
    let nobody = json!({"models": models, "decisions": [
        {"name": "d", "models": [{"name": "m"}]},
        {"name": "e", "priority": 1, "applies_to": "all"},
    ]});
    assert!(problems(nobody).has_errors());
}

#[test]
fn names_of_models() {
    let policy = compile(json!({"models": [
        {"name": "first", "cluster": "main", "upstream_name": "Org/Model", "aliases": ["one"]},
        {"name": "second", "cluster": "main", "upstream_name": "Org/Model"},
        {"name": "Org/Other", "cluster": "main", "upstream_name": "first"},
    ]}))
    .unwrap();
    let name = |asked: &str| policy.model(asked).map(|model| model.name.as_str());
    assert_eq!(name("first"), Some("first"));
    assert_eq!(name("one"), Some("first"));
    assert_eq!(name("Org/Model"), Some("first"));
    assert_eq!(name("second"), Some("second"));
    assert_eq!(name("Org/Other"), Some("Org/Other"));
    assert_eq!(name("other"), None);
    // Nothing to choose by: there are no automatic models.
    assert!(policy.automatic_names().is_empty());
}

#[test]
fn conditions_may_not_be_too_deep() {
    let nest = |depth: usize| {
        let mut when = json!({"keyword": "k"});
        for _ in 1..depth {
            when = json!({"not": when});
        }
        json!({"models": [{"name": "m", "cluster": "main"}], "default_model": "m",
            "signals": {"keywords": [{"name": "k", "any": ["x"]}]},
            "decisions": [{"name": "d", "when": when}]})
    };
    assert!(problems(nest(MAX_DEPTH)).is_empty());
    assert!(problems(nest(MAX_DEPTH + 1)).has_errors());
}

#[test]
fn unknown_fields_are_refused() {
    for config in [
        json!({"model": []}),
        json!({"decisions": [{"name": "d", "prio": 1}]}),
        json!({"decisions": [{"name": "d", "when": {"keywords": "k"}}]}),
        json!({"decisions": [{"name": "d", "when": {"keyword": "k", "language": "l"}}]}),
        json!({"signals": {"keyword": []}}),
    ] {
        assert!(
            serde_json::from_value::<RoutingConfig>(config.clone()).is_err(),
            "{config}"
        );
    }
}

#[test]
fn hints() {
    assert_eq!(
        hint("smal", &["small", "large"]).unwrap(),
        "did you mean `small`?"
    );
    assert_eq!(
        hint("QWEN3", &["qwen3-32b", "llama"]).unwrap(),
        "did you mean `qwen3-32b`?"
    );
    assert_eq!(
        hint("xyz", &["small", "large"]).unwrap(),
        "there is `small`, `large`"
    );
    assert_eq!(hint("xyz", &[]), None);
}

#[test]
fn the_schema_describes_every_field() {
    let schema = schemars::schema_for!(RoutingConfig).to_value();
    let mut missing = Vec::new();
    fn walk(value: &Value, path: &str, missing: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                // A variant of an enum is described beside its only property.
                if property.get("description").is_none() && value.get("description").is_none() {
                    missing.push(format!("{path}.{name}"));
                }
            }
        }
        for (key, inner) in value.as_object().into_iter().flatten() {
            walk(inner, &format!("{path}.{key}"), missing);
        }
        for inner in value.as_array().into_iter().flatten() {
            walk(inner, path, missing);
        }
    }
    walk(&schema, "", &mut missing);
    assert_eq!(missing, [] as [String; 0]);
}
