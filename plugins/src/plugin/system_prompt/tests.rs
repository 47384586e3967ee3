#![allow(clippy::unwrap_used)]

use futures::executor::block_on;
use rstest::rstest;

use super::*;
use crate::plugin::compliance::{build, check, edited, problems, run};
use crate::testing;

fn prompt(mode: &str) -> Value {
    json!({"system_prompt": {"text": "Be \"brief\".", "mode": mode}})
}

/// The messages after the plugin, as role and content.
fn chat(mode: &str, messages: Value) -> Value {
    let body = json!({"model": "m", "messages": messages}).to_string();
    let out: Value =
        serde_json::from_str(&edited(&prompt(mode), Api::ChatCompletions, &body)).unwrap();
    out["messages"].clone()
}

#[test]
fn complies() {
    for mode in ["replace", "prepend", "append", "insert_if_missing"] {
        check(&prompt(mode));
    }
    check(&json!({"system_prompt": {"text": "x", "role": "developer"}}));
}

#[rstest]
#[case("replace", "Be \"brief\".")]
#[case("prepend", "Be \"brief\".\n\nold")]
#[case("append", "old\n\nBe \"brief\".")]
#[case("insert_if_missing", "old")]
fn a_string_is_joined(
    #[case] mode: &str,
    #[case] expected: &str,
    #[values("system", "developer")] role: &str,
) {
    let user = json!({"role": "user", "content": "hi"});
    let later = json!({"role": "system", "content": "later"});
    let got = chat(mode, json!([user, {"role": role, "content": "old"}, later]));
    assert_eq!(
        got,
        json!([user, {"role": role, "content": expected}, later])
    );
}

#[rstest]
#[case("prepend", json!([{"type": "text", "text": "Be \"brief\".\n\n"}, {"type": "text", "text": "old"}]))]
#[case("append", json!([{"type": "text", "text": "old"}, {"type": "text", "text": "\n\nBe \"brief\"."}]))]
#[case("replace", json!("Be \"brief\"."))]
fn parts_get_a_part(#[case] mode: &str, #[case] expected: Value) {
    let got = chat(
        mode,
        json!([{"role": "system", "content": [{"type": "text", "text": "old"}]}]),
    );
    assert_eq!(got, json!([{"role": "system", "content": expected}]));
}

#[rstest]
fn a_chat_without_one_gets_one(
    #[values("replace", "prepend", "append", "insert_if_missing")] mode: &str,
) {
    let got = chat(mode, json!([{"role": "user", "content": "hi"}]));
    assert_eq!(
        got,
        json!([{"role": "system", "content": "Be \"brief\"."}, {"role": "user", "content": "hi"}])
    );
}

#[rstest]
#[case(json!({"role": "system", "content": ""}))]
#[case(json!({"role": "system", "content": null}))]
#[case(json!({"role": "system", "content": []}))]
#[case(json!({"role": "system"}))]
fn an_empty_one_becomes_ours(#[case] empty: Value) {
    let got = chat("append", json!([empty, {"role": "user", "content": "hi"}]));
    assert_eq!(
        got[0],
        json!({"role": "system", "content": "Be \"brief\"."})
    );
    assert_eq!(got.as_array().unwrap().len(), 2);
}

#[test]
fn the_rest_of_the_body_keeps_its_bytes() {
    let body = r#"{ "temperature":1.50, "messages": [ {"role":"user","content":"h\u0069"} ] }"#;
    assert_eq!(
        edited(
            &json!({"system_prompt": {"text": "x"}}),
            Api::ChatCompletions,
            body
        ),
        r#"{ "temperature":1.50, "messages": [ {"role":"system","content":"x"},{"role":"user","content":"h\u0069"} ] }"#
    );
}

#[test]
fn earlier_edits_are_seen() {
    let mut exchange = testing::exchange(
        Api::ChatCompletions,
        r#"{"messages":[{"role":"user","content":"hi"}]}"#,
    )
    .unwrap();
    for (text, mode) in [
        ("one", "prepend"),
        ("two", "append"),
        ("zero", "prepend"),
        ("no", "insert_if_missing"),
    ] {
        let plugin = build(&json!({"system_prompt": {"text": text, "mode": mode}})).unwrap();
        block_on(plugin.on_request(&mut exchange)).unwrap();
    }
    assert_eq!(
        testing::rendered(&exchange),
        r#"{"messages":[{"role":"system","content":"zero\n\none\n\ntwo"},{"role":"user","content":"hi"}]}"#
    );
}

#[test]
fn edits_of_the_clients_prompt_are_seen() {
    let mut exchange = testing::exchange(
        Api::ChatCompletions,
        r#"{"messages":[{"role":"system","content":"gone"},{"role":"developer","content":"b"}]}"#,
    )
    .unwrap();
    exchange.body.remove_message(0);
    exchange.body.set_content(1, "\"c\"");
    let plugin = build(&json!({"system_prompt": {"text": "a"}})).unwrap();
    block_on(plugin.on_request(&mut exchange)).unwrap();
    assert_eq!(
        testing::rendered(&exchange),
        r#"{"messages":[{"role":"developer","content":"a\n\nc"}]}"#
    );
}

#[rstest]
#[case(
    Api::Messages,
    r#"{"messages":[{"role":"user","content":"hi"}]}"#,
    r#"{"system":"x","messages":[{"role":"user","content":"hi"}]}"#
)]
#[case(
    Api::Messages,
    r#"{"system":"s","messages":[{"role":"user","content":"hi"}]}"#,
    r#"{"system":"x\n\ns","messages":[{"role":"user","content":"hi"}]}"#
)]
#[case(Api::CountTokens, r#"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"hi"}]}"#, r#"{"system":[{"text":"x\n\n","type":"text"},{"type":"text","text":"s"}],"messages":[{"role":"user","content":"hi"}]}"#)]
#[case(
    Api::Responses,
    r#"{"input":"hi"}"#,
    r#"{"instructions":"x","input":"hi"}"#
)]
#[case(
    Api::Responses,
    r#"{"instructions":null,"input":"hi"}"#,
    r#"{"instructions":"x","input":"hi"}"#
)]
#[case(
    Api::Responses,
    r#"{"instructions":"s","input":"hi"}"#,
    r#"{"instructions":"x\n\ns","input":"hi"}"#
)]
#[case(Api::Completions, r#"{"prompt":"hi"}"#, r#"{"prompt":"hi"}"#)]
fn each_api_has_its_place(#[case] api: Api, #[case] body: &str, #[case] expected: &str) {
    let got = edited(&json!({"system_prompt": {"text": "x"}}), api, body);
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&got), value(expected));
}

#[test]
fn the_exchange_knows_whether_it_was_changed() {
    let body = r#"{"messages":[{"role":"system","content":"s"}]}"#;
    let (exchange, _) = run(&prompt("insert_if_missing"), Api::ChatCompletions, body);
    assert!(!exchange.system_prompt_injected && !exchange.body.is_changed());
    let (exchange, _) = run(&prompt("append"), Api::ChatCompletions, body);
    assert!(exchange.system_prompt_injected);
}

#[test]
fn an_empty_prompt_is_a_mistake() {
    let got = problems(&json!({"system_prompt": {"text": " \n"}}));
    assert_eq!(
        got,
        "error: plugins[0].system_prompt.text: the prompt is empty\n"
    );
}
