#![allow(clippy::unwrap_used)]

use commutator_models::ModelError;
use serde_json::{Value, json};

use crate::signal::SignalKind;
use crate::signal::testing::{ask, build, exchange, matched, user};
use crate::understand::fake::FakeUnderstanding;

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        pii: vec![
            ("123-45-6789", "US_SSN", 0.99),
            ("Ada", "PERSON", 0.8),
            ("Rome", "GPE", 0.9),
        ],
        ..FakeUnderstanding::default()
    }
}

fn rules() -> Value {
    json!([
        {"name": "sensitive"},
        {"name": "people", "deny": ["PERSON"]},
        {"name": "sure people", "deny": ["PERSON"], "thresholds": {"PERSON": 0.9}},
        {"name": "all but places", "allow": ["GPE"]},
        {"name": "tools", "deny": ["PERSON"], "scope": ["tool"]},
    ])
}

async fn of(text: &str) -> Vec<bool> {
    matched(SignalKind::Pii, rules(), fake(), user(text)).await
}

#[tokio::test]
async fn the_types_that_count_count() {
    assert_eq!(
        of("I am 123-45-6789").await,
        [true, false, false, true, false]
    );
    assert_eq!(of("I am Ada").await, [false, true, false, true, false]);
    assert_eq!(of("I live in Rome").await, [false; 5]);
    assert_eq!(of("My order is 123-45-678").await, [false; 5]);
}

#[tokio::test]
async fn the_best_piece_in_scope_is_the_confidence() {
    let body = json!({"model": "auto", "messages": [
        {"role": "user", "content": "look"},
        {"role": "tool", "tool_call_id": "1", "content": "Ada has 123-45-6789"},
        {"role": "user", "content": "and?"},
    ]});
    let found = ask(SignalKind::Pii, rules(), fake(), exchange(body))
        .await
        .unwrap();
    let seen: Vec<(bool, f32)> = found.iter().map(|m| (m.matched, m.confidence)).collect();
    assert_eq!(
        seen,
        [
            (true, 0.99),
            (true, 0.8),
            (false, 0.0),
            (true, 0.99),
            (true, 0.8)
        ]
    );
    let detail = found[3].detail.as_deref();
    let expected =
        "PERSON 0.8000 at 0..3 of text 1 (tool), US_SSN 0.9900 at 8..19 of text 1 (tool)";
    assert_eq!(detail, Some(expected));
}

#[tokio::test]
async fn long_lists_are_cut() {
    let found = ask(SignalKind::Pii, rules(), fake(), user(&"Ada ".repeat(20))).await;
    let detail = found.unwrap()[1].detail.clone().unwrap();
    assert!(detail.ends_with(", and 12 more"), "{detail}");
}

#[tokio::test]
async fn a_failure_is_not_clean() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Infer("gone".to_owned())),
        ..fake()
    };
    let rules = json!([{"name": "people", "deny": ["PERSON"]}, {"name": "sensitive"}]);
    let found = ask(SignalKind::Pii, rules, broken, user("hello")).await;
    assert!(found.is_err());
}

#[test]
fn mistakes() {
    let (_, problems) = build(
        SignalKind::Pii,
        json!([{"name": "a", "deny": ["US_SNN"], "threshold": 3}, {"name": "b", "deny": [], "scope": []},
            {"name": "c", "allow": ["GPE"], "deny": ["PERSON"]}]),
    );
    insta::assert_snapshot!(problems, @r"
    error: [0].deny[0]: unknown type `US_SNN` (did you mean `US_SSN`?)
    error: [0].threshold: a probability lies between 0 and 1
    error: [1].scope: nobody's texts are looked at (leave it out for all but the application's own instructions)
    error: [1].deny: no type counts: nothing can match (leave it out for the sensitive types, or say which do not count with `allow`)
    error: [2].allow: `allow` and `deny` contradict each other (`deny` lists the types that count, `allow` those that do not)
    ");
}

#[tokio::test]
async fn a_match_stands_though_another_text_failed() {
    let broken = FakeUnderstanding {
        fails_at: Some("page"),
        ..fake()
    };
    let body = json!({"model": "auto", "messages": [
        {"role": "tool", "tool_call_id": "1", "content": "a page"},
        {"role": "user", "content": "I am Ada"},
    ]});
    let found = ask(SignalKind::Pii, rules(), broken, exchange(body)).await;
    let known = found.unwrap();
    let known = known
        .iter()
        .map(|m| m.unknown.is_none().then_some(m.matched));
    assert_eq!(
        known.collect::<Vec<_>>(),
        [None, Some(true), None, Some(true), None]
    );
}
