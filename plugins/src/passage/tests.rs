#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::api::Api;
use crate::testing::exchange;

fn read(api: Api, body: &Value, scope: &[Speaker]) -> Vec<(Speaker, String)> {
    let exchange = exchange(api, &body.to_string()).unwrap();
    let all = passages(&exchange, &Scope(scope.to_vec()));
    all.iter()
        .map(|p| (p.speaker, p.text(&exchange).into_owned()))
        .collect()
}

#[test]
fn a_tools_strings_are_one_passage_without_what_machines_read() {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "tools": [
        {"type": "function", "function": {"name": "look", "description": "Looks \"up\"", "parameters": {
            "type": "object", "properties": {"who": {"type": "string", "description": "Whom", "enum": ["a", "b"], "format": "date"}}}}},
        {"type": "function", "function": {"name": "go"}},
    ]});
    let found = read(Api::ChatCompletions, &body, &[Speaker::Tools]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].1, "go");
    // The order is that of the body's members.
    let mut words: Vec<&str> = found[0].1.lines().collect();
    words.sort_unstable();
    assert_eq!(words, ["Looks \"up\"", "Whom", "a", "b", "look"]);
}

#[test]
fn ranges_in_a_joined_passage_lead_to_their_string() {
    let body = r#"{"messages":[{"role":"user","content":"Hi"}],"tools":[{"function":{"name":"l\u00f6ok","description":"of \"Ana\" too"}}]}"#;
    let exchange = exchange(Api::ChatCompletions, body).unwrap();
    let passage = passages(&exchange, &Scope(vec![Speaker::Tools])).remove(0);
    let text = passage.text(&exchange).into_owned();
    for word in ["l\u{f6}ok", "Ana", "too"] {
        let at = text.find(word).unwrap();
        let raw = passage.raw(&exchange, &(at..at + word.len())).unwrap();
        let piece: String = serde_json::from_str(&format!("\"{}\"", &body[raw])).unwrap();
        assert_eq!(piece, word);
    }
    let across = text.find('\n').unwrap();
    assert_eq!(passage.raw(&exchange, &(across - 1..across + 2)), None);
}

#[test]
fn speakers_are_told_apart() {
    let body = json!({"messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": ["A", {"type": "text", "text": "B"}]},
        {"role": "assistant", "content": null, "tool_calls": [{"function": {"arguments": "{}"}}]},
        {"role": "tool", "content": ""},
        {"role": "tool", "content": "C"},
    ]});
    let all = [
        Speaker::System,
        Speaker::User,
        Speaker::Assistant,
        Speaker::Tool,
    ];
    let found = read(Api::ChatCompletions, &body, &all);
    let expected = [
        (Speaker::System, "Be kind."),
        (Speaker::User, "A"),
        (Speaker::User, "B"),
        (Speaker::Assistant, "{}"),
        (Speaker::Tool, "C"),
    ];
    assert_eq!(
        found,
        expected.map(|(speaker, text)| (speaker, text.to_owned()))
    );
    assert_eq!(read(Api::ChatCompletions, &body, &[Speaker::Tool]).len(), 1);
}

#[test]
fn the_last_user_turn_of_a_long_prompt_is_an_excerpt() {
    let text = format!("{}middle{}", "\u{e9}".repeat(4000), "z".repeat(4000));
    let body = json!({"messages": [{"role": "user", "content": text}]}).to_string();
    let exchange = exchange(Api::ChatCompletions, &body).unwrap();
    let passage = last_user(&exchange).unwrap();
    let read = passage.text(&exchange);
    assert!(passage.excerpt && read.len() <= EXCERPT_OVER + 1 && !read.contains("middle"));
    assert!(read.starts_with('\u{e9}') && read.ends_with('z'));
    let short = crate::testing::exchange(
        Api::ChatCompletions,
        r#"{"messages":[{"role":"user","content":"Hi"}]}"#,
    )
    .unwrap();
    let passage = last_user(&short).unwrap();
    assert!(!passage.excerpt);
    assert_eq!(passage, passages(&short, &Scope::default()).remove(0));
}
