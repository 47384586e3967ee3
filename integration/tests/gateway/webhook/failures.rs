//! A webhook that does not say what it should. No failure is ever a clean verdict.

use commutator_integration::client::{Answer, CHAT, chat};
use commutator_integration::frontend::Refusing;
use commutator_integration::wait::eventually;
use serde_json::json;

use super::server::{Hook, Say};
use super::{ask, counted, verdicts};
use crate::support::Stage;

/// What is wrong, how it is said, and the word for it in the log. Each says somewhere that all is well.
fn failures() -> Vec<(&'static str, Say, &'static str)> {
    let pass = r#"{"action":"pass"}"#;
    let bytes = |status: u16, text: &str| Say::Bytes(status, text.to_owned());
    let place = |text: usize, start: usize, end: usize| {
        Say::json(
            &json!({"action": "replace", "replacements": [{"text": text, "start": start, "end": end, "with": "x"}]}),
        )
    };
    let twice = json!([{"text": 0, "start": 3, "end": 6, "with": "x"}, {"text": 0, "start": 5, "end": 7, "with": "y"}]);
    vec![
        ("an error", bytes(500, pass), "unavailable"),
        ("not allowed", bytes(401, pass), "unavailable"),
        ("another success", bytes(201, pass), "unavailable"),
        ("no content", bytes(204, ""), "unavailable"),
        ("look elsewhere", Say::Redirect, "unavailable"),
        ("overloaded", bytes(503, pass), "overloaded"),
        ("too many", bytes(429, pass), "overloaded"),
        ("nothing", bytes(200, ""), "unavailable"),
        ("a page", bytes(200, "<html>pass</html>"), "unavailable"),
        ("a word", bytes(200, "\"pass\""), "unavailable"),
        ("a list", bytes(200, &format!("[{pass}]")), "unavailable"),
        (
            "no action",
            bytes(200, r#"{"label":"pass"}"#),
            "unavailable",
        ),
        (
            "an unknown action",
            bytes(200, r#"{"action":"allow"}"#),
            "unavailable",
        ),
        (
            "another case",
            bytes(200, r#"{"action":"PASS"}"#),
            "unavailable",
        ),
        (
            "no action at all",
            bytes(200, r#"{"action":null}"#),
            "unavailable",
        ),
        (
            "more behind it",
            bytes(200, &format!("{pass}{pass}")),
            "unavailable",
        ),
        (
            "a label for no header",
            Say::json(&json!({"action": "flag", "label": "a\r\nx-b: c"})),
            "unavailable",
        ),
        ("a text that is not there", place(1, 0, 1), "unavailable"),
        ("a place behind the end", place(0, 0, 1000), "unavailable"),
        ("the middle of a letter", place(0, 1, 2), "unavailable"),
        (
            "a place twice",
            Say::json(&json!({"action": "replace", "replacements": twice})),
            "unavailable",
        ),
        (
            "too much",
            Say::json(&json!({"action": "pass", "message": "x".repeat(2 << 20)})),
            "unavailable",
        ),
        (
            "half of it",
            Say::Half(r#"{"action":"pass""#.to_owned()),
            "unavailable",
        ),
        (
            "whole, and no end",
            Say::Half(pass.to_owned()),
            "unavailable",
        ),
        ("hangs up", Say::HangUp, "unavailable"),
    ]
}

fn is_denied(answer: &Answer, why: &str) {
    let error = answer.is_error(503, "guard_unavailable");
    assert!(
        error["message"].as_str().unwrap().contains("webhook"),
        "{why}: {error}"
    );
    assert_eq!(answer.header("x-vsr-response-path"), "error", "{why}");
    assert_eq!(answer.header("retry-after"), "1", "{why}");
    assert!(
        answer.header("x-vsr-why").starts_with("webhook.denied."),
        "{why}"
    );
    assert_eq!(answer.header("x-vsr-guard"), "", "{why}");
}

fn is_skipped(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 200, "{why}: {}", answer.text());
    assert_eq!(answer.header("x-vsr-response-path"), "upstream", "{why}");
    assert_eq!(
        answer.header("x-vsr-response-warnings"),
        "guard_skipped",
        "{why}"
    );
    assert!(
        answer.header("x-vsr-why").starts_with("webhook.skipped."),
        "{why}"
    );
    assert_eq!(answer.header("x-vsr-guard"), "", "{why}");
}

#[tokio::test]
async fn a_failure_is_no_clean_verdict() {
    let hook = Hook::start(Say::pass()).await;
    let text = "\u{e9}: is Ana in?";
    for (on_error, outcome) in [("deny", "denied"), ("allow", "skipped")] {
        let stage = Stage::top(&hook.policy(&format!("timeout: 30s, on_error: {on_error}"))).await;
        let mut count = 0_u32;
        for (why, say, failure) in failures() {
            hook.say(say);
            count += 1;
            let id = format!("{on_error}-{count}");
            let answer = ask(&stage, &id, CHAT, &chat(text)).await;
            match on_error {
                "deny" => is_denied(&answer, why),
                _ => is_skipped(&answer, why),
            }
            let line = stage.gateway.access_line(&id).await;
            let verdict = &line["verdicts"][0];
            assert_eq!(verdict["outcome"], outcome, "{why}: {line}");
            assert_eq!(verdict["failure"], failure, "{why}: {line}");
            assert_eq!(line["why"], answer.header("x-vsr-why"), "{why}: {line}");
        }
        counted(&stage, outcome, "no", f64::from(count)).await;
        assert_eq!(verdicts(&stage, "clean", "no").await, 0.0);
        let reached = if on_error == "deny" {
            0
        } else {
            u64::from(count)
        };
        assert_eq!(stage.arrived(), reached);
        if on_error == "deny" {
            let codes = [("code", "guard_unavailable")];
            let metrics = stage.gateway.metrics().await;
            assert_eq!(metrics.sum("errors_total", &codes), f64::from(count));
        } else {
            // What it could not judge goes on unchanged.
            let seen = stage.frontend().requests();
            assert!(
                seen.iter()
                    .all(|request| request.json()["messages"][0]["content"] == text)
            );
        }
        // It comes back, and so does its word.
        hook.say(Say::pass());
        let answer = ask(&stage, "well", CHAT, &chat(text)).await;
        assert_eq!(answer.header("x-vsr-response-path"), "upstream");
        assert!(answer.headers.get("x-vsr-why").is_none());
    }
    let strayed = hook
        .heard()
        .into_iter()
        .find(|heard| heard.target == "/elsewhere");
    assert!(
        strayed.is_none(),
        "texts went where the policy does not say: {strayed:?}"
    );
}

#[tokio::test]
async fn nobody_is_there() {
    let refusing = Refusing::new().unwrap();
    for (on_error, outcome) in [("deny", "denied"), ("allow", "skipped")] {
        let url = format!("http://{}/judge", refusing.addr);
        let stage = Stage::top(&format!(
            "plugins: [{{webhook: {{url: '{url}', timeout: 30s, on_error: {on_error}}}}}]"
        ))
        .await;
        let answer = ask(&stage, "a", CHAT, &chat("Hi")).await;
        match on_error {
            "deny" => is_denied(&answer, "nobody"),
            _ => is_skipped(&answer, "nobody"),
        }
        let line = stage.gateway.access_line("a").await;
        assert_eq!(line["verdicts"][0]["failure"], "unavailable", "{line}");
        counted(&stage, outcome, "no", 1.0).await;
    }
}

/// It takes longer than it may: before its head, or in the middle of its answer.
#[tokio::test]
async fn too_late_is_no_verdict() {
    for (on_error, outcome) in [("deny", "denied"), ("allow", "skipped")] {
        let hook = Hook::start(Say::block()).await;
        let stage =
            Stage::top(&hook.policy(&format!("timeout: 200ms, on_error: {on_error}"))).await;
        hook.hold();
        let silent = ask(&stage, "silent", CHAT, &chat("Hi")).await;
        eventually("the question is given up", || hook.thinking() == 0).await;
        // What it would have said comes too late for anybody.
        hook.release();
        hook.say(Say::Endless(r#"{"action":"pass"}"#.to_owned()));
        let endless = ask(&stage, "endless", CHAT, &chat("Hi")).await;
        for (id, answer) in [("silent", silent), ("endless", endless)] {
            match on_error {
                "deny" => is_denied(&answer, id),
                _ => is_skipped(&answer, id),
            }
            let line = stage.gateway.access_line(id).await;
            assert_eq!(line["verdicts"][0]["failure"], "deadline", "{line}");
        }
        counted(&stage, outcome, "no", 2.0).await;
        assert_eq!(stage.arrived(), if on_error == "deny" { 0 } else { 2 });
    }
}
