#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::exchange::{Chosen, RequestHead};
use crate::signal::testing::policy;

fn the_policy(force: bool) -> Policy {
    policy(json!({
        "models": [
            {"name": "plain", "cluster": "main"},
            {"name": "think", "cluster": "main", "upstream_name": "org/think", "reasoning_family": "qwen3"},
            {"name": "effort", "cluster": "main", "reasoning_family": "gpt-oss"},
            {"name": "spare", "cluster": "main", "reasoning_family": "gpt-oss"},
        ],
        "usage": {"force": force},
        "decisions": [{"name": "d", "models": [
            {"name": "think", "reasoning": {"enabled": true}},
            {"name": "effort", "reasoning": {"enabled": true, "effort": "high"}},
            {"name": "plain"},
        ], "fallback": ["spare"]}],
    }))
}

/// The body for `model`, after the decision chose `first`.
fn render(
    policy: &Policy,
    body: &'static str,
    first: &str,
    model: &str,
    plugin: Option<Reasoning>,
) -> String {
    let bytes = Bytes::from_static(body.as_bytes());
    let mut exchange = policy
        .begin(
            "id".into(),
            RequestHead::default(),
            Api::ChatCompletions,
            bytes,
        )
        .unwrap();
    let decision = &policy.decisions[0];
    let candidate = decision
        .models
        .iter()
        .find(|c| c.model.name == first)
        .unwrap();
    exchange.reasoning = plugin.or(candidate.reasoning.clone());
    exchange.chosen = Some(Chosen {
        decision: Some("d".into()),
        confidence: 0.0,
        model: Arc::clone(&candidate.model),
        fallback: Vec::new(),
    });
    let bytes = policy
        .render(&exchange, policy.model(model).unwrap())
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[rstest]
// Only the name changes; order, spaces and number spellings stay.
#[case::name(
    "plain",
    "plain",
    r#"{"temperature": 1.0,"model":"plain","messages":[{"role":"user","content":"a"}]}"#
)]
#[case::reasoning("think", "think", r#"{"chat_template_kwargs":{"enable_thinking":true},"temperature": 1.0,"model":"org/think","messages":[{"role":"user","content":"a"}]}"#)]
// Each model of the decision is told its own.
#[case::other("think", "effort", r#"{"reasoning_effort":"high","temperature": 1.0,"model":"effort","messages":[{"role":"user","content":"a"}]}"#)]
#[case::silent(
    "think",
    "plain",
    r#"{"temperature": 1.0,"model":"plain","messages":[{"role":"user","content":"a"}]}"#
)]
// A fallback is told what the chosen one was told.
#[case::fallback("effort", "spare", r#"{"reasoning_effort":"high","temperature": 1.0,"model":"spare","messages":[{"role":"user","content":"a"}]}"#)]
fn names_and_reasoning(#[case] first: &str, #[case] model: &str, #[case] expected: &str) {
    let body = r#"{"temperature": 1.0,"model":"auto","messages":[{"role":"user","content":"a"}]}"#;
    assert_eq!(
        render(&the_policy(true), body, first, model, None),
        expected
    );
}

#[test]
fn a_plugins_wish_wins() {
    let body = r#"{"model":"auto","messages":[{"role":"user","content":"a"}]}"#;
    let off = Reasoning {
        enabled: false,
        effort: None,
    };
    let rendered = render(&the_policy(true), body, "think", "think", Some(off.clone()));
    assert!(
        rendered.contains(r#""enable_thinking":false"#),
        "{rendered}"
    );
    let rendered = render(&the_policy(true), body, "think", "effort", Some(off));
    assert!(
        rendered.contains(r#""reasoning_effort":"low""#),
        "{rendered}"
    );
}

#[rstest]
#[case::asked(true, r#""stream":true"#, Some(r#"{"include_usage":true}"#))]
#[case::others_kept(
    true,
    r#""stream":true,"stream_options":{"x":1.50}"#,
    Some(r#"{"x":1.50,"include_usage":true}"#)
)]
#[case::refused_by_client(
    true,
    r#""stream":true,"stream_options":{"include_usage":false}"#,
    Some(r#"{"include_usage":true}"#)
)]
#[case::asked_by_client(
    true,
    r#""stream":true,"stream_options":{"include_usage": true}"#,
    Some(r#"{"include_usage": true}"#)
)]
#[case::no_stream(true, r#""stream":false"#, None)]
#[case::not_forced(false, r#""stream":true"#, None)]
#[case::no_object(true, r#""stream":true,"stream_options":7"#, Some("7"))]
fn usage(#[case] force: bool, #[case] fields: &str, #[case] expected: Option<&str>) {
    let body =
        format!(r#"{{"model":"auto","messages":[{{"role":"user","content":"a"}}],{fields}}}"#);
    let rendered = render(&the_policy(force), body.leak(), "plain", "plain", None);
    let options: std::collections::HashMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(&rendered).unwrap();
    assert_eq!(options.get("stream_options").map(|raw| raw.get()), expected);
}
