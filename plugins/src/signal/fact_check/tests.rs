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
        directions: vec!["capital", "poem"],
        ..FakeUnderstanding::default()
    }
}

fn rules() -> Value {
    let (facts, creative) = (json!(["the capital of France"]), json!(["a poem"]));
    json!([
        {"name": "facts", "facts": facts, "creative": creative},
        {"name": "play", "wants": "creative", "facts": facts, "creative": creative},
        {"name": "sure", "threshold": 0.95, "facts": facts, "creative": creative},
    ])
}

#[tokio::test]
async fn facts_and_inventions_are_told_apart() {
    let of = |text: &'static str| matched(SignalKind::FactCheck, rules(), fake(), user(text));
    assert_eq!(
        of("which capital has most people?").await,
        [true, false, false]
    );
    assert_eq!(of("write a poem").await, [false, true, false]);
    assert_eq!(of("  ").await, [false; 3]);
}

#[tokio::test]
async fn the_confidence_is_that_of_what_is_wanted() {
    let found = ask(SignalKind::FactCheck, rules(), fake(), user("write a poem")).await;
    let found = found.unwrap();
    assert!((found[0].confidence - 0.1).abs() < 1e-4, "{found:?}");
    assert!((found[1].confidence - 0.9).abs() < 1e-4, "{found:?}");
}

#[tokio::test]
async fn a_failure_is_neither() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Overloaded),
        ..fake()
    };
    let found = ask(SignalKind::FactCheck, rules(), broken, user("write a poem")).await;
    assert!(found.is_err());
}

#[test]
fn the_built_in_examples_are_as_many_on_both_sides_and_each_once() {
    let (facts, creative) = (lines(FACTS), lines(CREATIVE));
    assert!(facts.len() >= 40 && facts.len() == creative.len());
    let mut problems = Problems::new();
    check_examples(&facts, "facts", "", &mut problems);
    check_examples(&creative, "creative", "", &mut problems);
    assert!(problems.is_empty(), "{problems}");
    assert!(facts.iter().all(|example| !creative.contains(example)));
}

#[test]
fn mistakes() {
    let rules = json!([{"name": "a", "threshold": -1, "facts": ["x", "x"]}]);
    let (_, problems) = build(SignalKind::FactCheck, rules);
    insta::assert_snapshot!(problems, @r"
    error: [0].threshold: -1 does not lie between 0 and 1
    error: [0].facts[1]: the example stands here twice
    ");
}
