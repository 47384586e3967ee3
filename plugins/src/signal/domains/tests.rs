#![allow(clippy::unwrap_used)]

use commutator_models::ModelError;
use serde_json::{Value, json};

use crate::signal::SignalKind;
use crate::signal::testing::{ask, build, exchange, matched, user};
use crate::understand::fake::FakeUnderstanding;

/// Sums are maths, 0.7; `maybe` is law, 0.4.
fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        subjects: vec![("2+2", "math", 0.7), ("maybe", "law", 0.4)],
        ..FakeUnderstanding::default()
    }
}

async fn of(rules: Value, text: &str) -> Vec<bool> {
    matched(SignalKind::Domain, rules, fake(), user(text)).await
}

#[tokio::test]
async fn the_subject_is_the_rules_name_or_one_of_its_list() {
    let rules = json!([
        {"name": "math"},
        {"name": "numbers", "subjects": ["law", "math"]},
        {"name": "law"},
        {"name": "sure", "subjects": ["math"], "threshold": 0.8},
    ]);
    assert_eq!(
        of(rules.clone(), "What is 2+2?").await,
        [true, true, false, false]
    );
    assert_eq!(of(rules, "hello").await, [false; 4]);
}

#[tokio::test]
async fn margin_entropy_and_rank_are_limits() {
    let rules = json!([
        {"name": "a", "subjects": ["law"], "threshold": 0.4},
        {"name": "b", "subjects": ["law"], "threshold": 0.4, "top": 2},
        {"name": "c", "subjects": ["other"], "min_margin": 0.19},
        {"name": "d", "subjects": ["other"], "min_margin": 0.21},
        {"name": "e", "subjects": ["other"], "max_entropy": 0.98},
        {"name": "f", "subjects": ["other"], "max_entropy": 0.96},
    ]);
    // other 0.6, law 0.4: entropy 0.971
    let found = of(rules, "maybe").await;
    assert_eq!(found, [false, true, true, false, true, false]);
}

#[tokio::test]
async fn subjects_of_a_rule_may_count_as_one() {
    let rule = |sum: bool| {
        json!([{"name": "a", "subjects": ["law", "other"], "threshold": 0.95, "sum": sum,
            "min_margin": 0.9, "max_entropy": 0.1}])
    };
    assert_eq!(of(rule(true), "maybe").await, [true]);
    assert_eq!(of(rule(false), "maybe").await, [false]);
    let other = json!([{"name": "a", "subjects": ["law", "math"], "sum": true}]);
    assert_eq!(of(other, "hello").await, [false]);
}

#[tokio::test]
async fn the_confidence_is_the_probability_and_details_hold_no_text() {
    let rules = json!([{"name": "math", "threshold": 0.6}]);
    let text = "What is 2+2 for Bluebird?";
    let found = ask(SignalKind::Domain, rules, fake(), user(text))
        .await
        .unwrap();
    assert_eq!(found[0].confidence, 0.7);
    let detail = found[0].detail.as_ref().unwrap();
    assert!(
        detail.contains("math 0.7") && detail.contains("from 0.6"),
        "{detail}"
    );
    assert!(!detail.contains("Bluebird"));
}

#[tokio::test]
async fn silence_is_no_match_and_asks_nobody() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Overloaded),
        ..fake()
    };
    let system =
        exchange(json!({"model": "auto", "messages": [{"role": "system", "content": "2+2"}]}));
    for exchange in [system, user(" \n")] {
        let found = matched(
            SignalKind::Domain,
            json!([{"name": "math"}]),
            broken.like(),
            exchange,
        );
        assert_eq!(found.await, [false]);
    }
}

#[tokio::test]
async fn failures_are_errors() {
    let with = |failure: Option<ModelError>, score: f32| FakeUnderstanding {
        failure,
        subjects: vec![("2+2", "math", score)],
        ..FakeUnderstanding::default()
    };
    for fake in [
        with(Some(ModelError::Overloaded), 0.7),
        with(Some(ModelError::Deadline), 0.7),
        with(None, f32::NAN),
    ] {
        let found = ask(
            SignalKind::Domain,
            json!([{"name": "math"}]),
            fake,
            user("2+2"),
        )
        .await;
        assert!(found.is_err(), "{found:?}");
    }
}

#[tokio::test]
async fn the_models_subjects_are_those_that_count() {
    let rules = json!([{"name": "maths"}, {"name": "x", "subjects": ["law", "astrology"]}]);
    let (signal, problems) = build(SignalKind::Domain, rules);
    assert!(problems.is_empty());
    let error = signal.prepare(&fake()).await.unwrap_err();
    insta::assert_snapshot!(error, @"[0].name: unknown subject `maths` (did you mean `math`?); [1].subjects[1]: unknown subject `astrology` (there is `law`, `math`, `none`, `other`)");
}

#[test]
fn mistakes() {
    let (_, problems) = build(
        SignalKind::Domain,
        json!([{"name": "a", "threshold": 1.5, "top": 0, "min_margin": -0.1, "max_entropy": 2},
            {"name": "b", "subjects": ["law", "law"]}]),
    );
    insta::assert_snapshot!(problems, @r"
    error: [0].threshold: 1.5 does not lie between 0 and 1
    error: [0].min_margin: -0.1 does not lie between 0 and 1
    error: [0].max_entropy: 2 does not lie between 0 and 1
    error: [0].top: no subject is looked at (1 looks at the most probable one)
    error: [1].subjects[1]: `law` stands here twice
    ");
}
