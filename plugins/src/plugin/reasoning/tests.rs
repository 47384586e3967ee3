#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::api::Api;
use crate::model::{ModelConfig, ReasoningFamily};
use crate::plugin::compliance::{check, problems, run};

#[test]
fn complies() {
    check(&json!({"reasoning": {"enabled": true, "effort": "high"}}));
    check(&json!({"reasoning": {"enabled": false}}));
}

#[test]
fn sets_the_wish_and_leaves_the_body() {
    let entry = json!({"reasoning": {"effort": "low"}});
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let (exchange, _) = run(&entry, Api::ChatCompletions, body);
    assert!(!exchange.body.is_changed());
    let wish = exchange.reasoning.unwrap();
    assert!(wish.enabled);
    assert_eq!(wish.effort.as_deref(), Some("low"));
}

#[test]
fn an_effort_must_be_known_to_some_family() {
    let got = problems(&json!({"reasoning": {"effort": "lots"}}));
    assert_eq!(
        got,
        "error: plugins[0].reasoning.effort: no model's reasoning family knows the effort `lots` (one of: low, medium, high)\n"
    );
    let got = problems(&json!({"reasoning": {"enabled": false, "effort": "low"}}));
    assert!(got.contains("contradicts `enabled: false`"), "{got}");
}

#[test]
fn only_the_families_of_the_models_count() {
    let mut families = ReasoningFamily::builtin();
    let mut own = families["openai"].clone();
    own.efforts = vec!["none".into(), "max".into()];
    families.insert("own".into(), own);
    let model: ModelConfig =
        serde_json::from_value(json!({"name": "m", "cluster": "c", "reasoning_family": "own"}))
            .unwrap();
    let context = BuildContext {
        families: &families,
        models: &[model],
        foreign_pii: false,
    };
    let build = |effort: &str| {
        let config = ReasoningConfig {
            enabled: true,
            effort: Some(effort.into()),
        };
        Reasoning::build(&config, &context, "p")
    };
    assert!(build("max").is_ok());
    assert!(build("high").is_err());
}
