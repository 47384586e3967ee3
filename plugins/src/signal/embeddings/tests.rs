#![allow(clippy::unwrap_used)]

use commutator_models::ModelError;
use serde_json::{Value, json};

use crate::signal::SignalKind;
use crate::signal::testing::{ask, build, matched, user};
use crate::understand::fake::FakeUnderstanding;

/// Texts point where their words do: `bill twice` lies between `bill` and `twice`.
fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        directions: vec!["bill", "twice", "refund"],
        ..FakeUnderstanding::default()
    }
}

async fn of(rules: Value, text: &str) -> Vec<bool> {
    matched(SignalKind::Embedding, rules, fake(), user(text)).await
}

#[tokio::test]
async fn the_most_similar_example_counts() {
    let rules = json!([
        {"name": "billing", "examples": ["my bill", "a refund"]},
        {"name": "other", "examples": ["the weather"]},
    ]);
    assert_eq!(of(rules.clone(), "about that bill").await, [true, false]);
    assert_eq!(of(rules.clone(), "refund me").await, [true, false]);
    assert_eq!(of(rules, "will it rain").await, [false, true]);
}

#[tokio::test]
async fn likenesses_are_put_together_as_the_rule_says() {
    let examples = json!(["bill", "bill please", "bill now", "twice"]);
    let rule =
        |aggregate: &str| json!([{"name": "a", "examples": examples, "aggregate": aggregate}]);
    // The cosines are 1, 1, 1 and 0.
    for (aggregate, likeness) in [("max", 1.0), ("mean", 0.75), ("top3", 1.0)] {
        let found = ask(
            SignalKind::Embedding,
            rule(aggregate),
            fake(),
            user("the bill"),
        )
        .await;
        let found = found.unwrap();
        assert!(
            (found[0].confidence - likeness).abs() < 1e-6,
            "{aggregate}: {found:?}"
        );
    }
}

#[tokio::test]
async fn counter_examples_take_requests_away() {
    let rules =
        json!([{"name": "a", "examples": ["bill"], "against": ["bill twice"], "threshold": 0.5}]);
    assert_eq!(of(rules.clone(), "bill").await, [true]);
    // 0.71 to the example, 1 to the counter example.
    assert_eq!(of(rules, "twice a bill").await, [false]);
}

#[tokio::test]
async fn many_examples_are_asked_about_once_and_keep_their_order() {
    let mut examples: Vec<String> = (0..100).map(|index| format!("nothing {index}")).collect();
    examples[70] = "bill".to_owned();
    let (signal, _) = build(
        SignalKind::Embedding,
        json!([{"name": "a", "examples": examples}]),
    );
    let fake = fake();
    signal.prepare(&fake).await.unwrap();
    assert_eq!(fake.calls.lock().len(), 100);
    let found = of(json!([{"name": "a", "examples": examples}]), "bill").await;
    assert_eq!(found, [true]);
}

#[tokio::test]
async fn failures_are_errors() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Infer("gone".to_owned())),
        ..fake()
    };
    let rules = json!([{"name": "a", "examples": ["secret plan"]}]);
    let found = ask(
        SignalKind::Embedding,
        rules.clone(),
        broken.like(),
        user("bill"),
    )
    .await;
    assert!(found.is_err());
    let (signal, _) = build(SignalKind::Embedding, rules);
    let error = signal.prepare(&broken).await.unwrap_err();
    assert_eq!(error, "[0]: example 0: inference failed: gone");
}

#[test]
fn mistakes() {
    let (_, problems) = build(
        SignalKind::Embedding,
        json!([{"name": "a", "examples": []},
            {"name": "b", "examples": ["x", " ", "x"], "threshold": 7, "against": ["x"]}]),
    );
    insta::assert_snapshot!(problems, @r"
    error: [0].examples: the rule has no examples (write down some requests that should match)
    error: [1].threshold: 7 does not lie between 0 and 1
    error: [1].examples[1]: the example is empty
    error: [1].examples[2]: the example stands here twice
    error: [1].against[0]: the same stands in `examples`: a request cannot be more like it than like itself
    ");
}
