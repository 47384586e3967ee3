#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::signal::SignalKind;
use crate::signal::testing::build;
use crate::understand::fake::FakeUnderstanding;

fn model(name: &'static str) -> FakeUnderstanding {
    FakeUnderstanding {
        directions: vec!["hard", "easy", "bill"],
        embedding_model: Some(name),
        ..FakeUnderstanding::default()
    }
}

#[tokio::test]
async fn a_reload_asks_only_what_is_new() {
    let fake = model("kept-a");
    let prepare = async |fake: &FakeUnderstanding, examples: &[&str]| {
        let before = fake.calls.lock().len();
        let rules = json!([{"name": "a", "examples": examples, "against": ["easy"]}]);
        let (embeddings, _) = build(SignalKind::Embedding, rules);
        embeddings.prepare(fake).await.unwrap();
        fake.calls.lock().len() - before
    };
    assert_eq!(prepare(&fake, &["hard", "bill"]).await, 3);
    assert_eq!(prepare(&fake, &["hard", "bill"]).await, 0);
    assert_eq!(prepare(&fake, &["hard", "another bill"]).await, 1);
    // The same model, loaded anew, says the same; another one has to be asked, and one that has no name always.
    assert_eq!(prepare(&model("kept-a"), &["hard"]).await, 0);
    assert_eq!(prepare(&model("kept-b"), &["hard"]).await, 2);
    let nameless = FakeUnderstanding {
        embedding_model: None,
        ..model("kept-a")
    };
    assert_eq!(prepare(&nameless, &["hard"]).await, 2);
    assert_eq!(prepare(&nameless, &["hard"]).await, 2);
}

#[tokio::test]
async fn signals_share_what_is_known() {
    let fake = model("kept-c");
    let rule = json!([{"name": "a", "hard": ["hard one"], "easy": ["easy one"]}]);
    let (complexity, _) = build(SignalKind::Complexity, rule);
    complexity.prepare(&fake).await.unwrap();
    let rule = json!([{"name": "b", "facts": ["hard one"], "creative": ["easy one"]}]);
    let (fact_check, _) = build(SignalKind::FactCheck, rule);
    fact_check.prepare(&fake).await.unwrap();
    assert_eq!(fake.calls.lock().len(), 2);
}
