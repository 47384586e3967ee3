#![allow(clippy::unwrap_used)]

use commutator_models::ModelError;
use serde_json::{Value, json};

use super::*;
use crate::signal::SignalKind;
use crate::signal::examples::lines;
use crate::signal::testing::{ask, build, matched, user};
use crate::understand::fake::FakeUnderstanding;

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        directions: vec!["prove", "hello"],
        ..FakeUnderstanding::default()
    }
}

/// Three rules that share their examples.
fn rules() -> Value {
    let examples = json!({"hard": ["prove it"], "easy": ["hello"]});
    let rule = |name: &str, min: Option<f32>, max: Option<f32>| {
        let mut rule = examples.clone();
        rule["name"] = json!(name);
        rule["min"] = json!(min);
        rule["max"] = json!(max);
        rule
    };
    json!([
        rule("hard", Some(0.6), None),
        rule("easy", None, Some(0.3)),
        rule("middle", Some(0.4), Some(0.6)),
    ])
}

#[tokio::test]
async fn difficulty_is_a_place_between_the_examples() {
    let of = |text: &'static str| matched(SignalKind::Complexity, rules(), fake(), user(text));
    assert_eq!(of("prove this").await, [true, false, false]);
    assert_eq!(of("hello there").await, [false, true, false]);
    assert_eq!(of("hello, prove this").await, [false, false, true]);
    assert_eq!(of("").await, [false; 3]);
}

#[tokio::test]
async fn the_confidence_grows_with_the_distance_from_the_limit() {
    let of = |text: &'static str| ask(SignalKind::Complexity, rules(), fake(), user(text));
    let found = of("prove this").await.unwrap();
    assert!((found[0].confidence - 0.9).abs() < 1e-4, "{found:?}");
    assert!((found[1].confidence - 0.1).abs() < 1e-4, "{found:?}");
    let found = of("hello, prove this").await.unwrap();
    assert!(found[2].confidence > 0.99, "{found:?}");
    let detail = found[0].detail.as_ref().unwrap();
    assert_eq!(detail, "difficulty 0.5000, from 0.6000");
}

#[tokio::test]
async fn a_failure_is_no_easy_prompt() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Deadline),
        ..fake()
    };
    let found = ask(SignalKind::Complexity, rules(), broken, user("prove this")).await;
    assert!(matches!(found, Err(SignalError::Deadline)), "{found:?}");
}

#[test]
fn the_built_in_examples_are_as_many_on_both_sides_and_each_once() {
    let (hard, easy) = (lines(HARD), lines(EASY));
    assert!(hard.len() >= 40 && hard.len() == easy.len());
    let mut problems = Problems::new();
    check_examples(&hard, "hard", "", &mut problems);
    check_examples(&easy, "easy", "", &mut problems);
    assert!(problems.is_empty(), "{problems}");
    assert!(hard.iter().all(|example| !easy.contains(example)));
}

#[test]
fn mistakes() {
    let (_, problems) = build(
        SignalKind::Complexity,
        json!([{"name": "a"}, {"name": "b", "min": 0.9, "max": 0.2}, {"name": "c", "max": 3, "easy": [""]}]),
    );
    insta::assert_snapshot!(problems, @r"
    error: [0]: the rule says nothing (give `min`, `max` or both)
    error: [1].min: 0.9 is more than `max`, 0.2: nothing can match
    error: [2].max: 3 does not lie between 0 and 1
    error: [2].easy[0]: the example is empty
    ");
}
