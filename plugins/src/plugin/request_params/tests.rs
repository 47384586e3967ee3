#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::plugin::compliance::{check, edited, problems, run};

fn params(config: Value) -> Value {
    json!({"request_params": config})
}

fn chat(fields: &str) -> String {
    format!(r#"{{"model":"m",{fields}"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

#[track_caller]
fn edits(config: Value, fields: &str, expected: &str) {
    let got = edited(&params(config), Api::ChatCompletions, &chat(fields));
    assert_eq!(got, chat(expected));
}

#[test]
fn complies() {
    check(&params(json!({
        "max_tokens_limit": 4096,
        "default_max_tokens": 1024,
        "max_n": 1,
        "temperature": {"min": 0.1, "max": 1.0},
        "blocked": ["logit_bias"],
        "action": "reject",
        "defaults": {"top_p": 0.9},
        "overrides": {"seed": 1},
    })));
    check(&params(json!({})));
}

#[test]
fn larger_numbers_are_lowered_and_others_keep_their_spelling() {
    let config =
        json!({"max_tokens_limit": 100, "max_n": 2, "temperature": {"min": 0.5, "max": 1.5}});
    edits(
        config.clone(),
        r#""max_tokens":100.0, "max_completion_tokens": 101,"n":3,"temperature":1.50,"#,
        r#""max_tokens":100.0, "max_completion_tokens": 100,"n":2,"temperature":1.50,"#,
    );
    edits(
        config.clone(),
        r#""max_tokens":1e9,"n":99999999999999999999999,"temperature":9,"#,
        r#""max_tokens":100,"n":2,"temperature":1.5,"#,
    );
    edits(
        config.clone(),
        r#""max_tokens":null,"n":"5","temperature":0,"#,
        r#""max_tokens":null,"n":"5","temperature":0.5,"#,
    );
    edits(config, "", "");
}

#[test]
fn a_key_in_another_spelling_does_not_escape_the_limit() {
    edits(
        json!({"max_tokens_limit": 100}),
        r#""max_tok\u0065ns":500,"#,
        r#""max_tok\u0065ns":100,"#,
    );
}

#[test]
fn the_default_goes_to_the_field_of_the_api() {
    let entry = params(json!({"default_max_tokens": 7}));
    edits(
        json!({"default_max_tokens": 7}),
        r#""max_tokens":5,"#,
        r#""max_tokens":5,"#,
    );
    let got = edited(&entry, Api::ChatCompletions, &chat(""));
    assert!(
        got.starts_with(r#"{"max_completion_tokens":7,"model""#),
        "{got}"
    );
    let got = edited(&entry, Api::Responses, r#"{"input":"x"}"#);
    assert_eq!(got, r#"{"max_output_tokens":7,"input":"x"}"#);
    let got = edited(&entry, Api::Completions, r#"{"prompt":"x"}"#);
    assert_eq!(got, r#"{"max_tokens":7,"prompt":"x"}"#);
}

#[test]
fn blocked_fields_are_removed_or_refused() {
    edits(
        json!({"blocked": ["seed", "user"]}),
        r#""seed":1,"n":1,"#,
        r#""n":1,"#,
    );
    let entry = params(json!({"blocked": ["seed"], "action": "reject"}));
    let (_, flow) = run(&entry, Api::ChatCompletions, &chat(r#""seed":1,"#));
    let Flow::Reply(Reply::Error(error)) = flow else {
        panic!("not refused: {flow:?}");
    };
    assert_eq!(
        (error.status.as_u16(), error.code.as_ref()),
        (400, "invalid_request")
    );
    assert_eq!(error.param.as_deref(), Some("seed"));
    let (_, flow) = run(&entry, Api::ChatCompletions, &chat(""));
    assert!(matches!(flow, Flow::Continue));
}

#[test]
fn unknown_fields_are_stripped_where_the_api_is_known() {
    edits(
        json!({"strip_unknown": true}),
        r#""safety_identifier":"x","top_k":1,"priority":2,"#,
        r#""top_k":1,"#,
    );
    let entry = params(json!({"strip_unknown": true}));
    assert_eq!(edited(&entry, Api::Other, r#"{"odd":1}"#), r#"{"odd":1}"#);
    assert_eq!(
        edited(&entry, Api::Embeddings, r#"{"odd":1,"input":"a"}"#),
        r#"{"input":"a"}"#
    );
}

#[test]
fn defaults_fill_gaps_and_overrides_win() {
    let config = json!({"defaults": {"seed": 1, "top_p": 0.5}, "overrides": {"user": "u"}});
    let got = edited(
        &params(config),
        Api::ChatCompletions,
        &chat(r#""seed":2,"user":"me","top_p":null,"#),
    );
    assert_eq!(got, chat(r#""seed":2,"user":"u","top_p":0.5,"#));
}

#[test]
fn a_field_of_one_api_is_not_put_into_another() {
    let entry = params(
        json!({"defaults": {"reasoning_effort": "low"}, "overrides": {"my_engine_field": 1}}),
    );
    let got = edited(&entry, Api::Completions, r#"{"prompt":"x"}"#);
    assert_eq!(got, r#"{"my_engine_field":1,"prompt":"x"}"#);
}

#[test]
fn contradictions_do_not_build() {
    for (config, expected) in [
        (
            json!({"max_n": 0}),
            "plugins[0].request_params.max_n: must be at least 1",
        ),
        (
            json!({"max_tokens_limit": 1, "default_max_tokens": 2}),
            "2 is over `max_tokens_limit` (1)",
        ),
        (
            json!({"temperature": {"min": 2, "max": 1}}),
            "request_params.temperature: `min` (2) is over",
        ),
        (
            json!({"temperature": {"min": -1}}),
            "request_params.temperature.min: must be",
        ),
        (
            json!({"blocked": ["x", "model"]}),
            "request_params.blocked[1]: `model` cannot",
        ),
        (
            json!({"overrides": {"stream": true}}),
            "request_params.overrides.stream: `stream` cannot",
        ),
        (
            json!({"defaults": {"a": 1}, "overrides": {"a": 1}}),
            "request_params.defaults.a: never used",
        ),
    ] {
        let got = problems(&params(config));
        assert!(got.contains(expected), "{got}");
    }
}
