#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::fake::FakeUnderstanding;
use super::*;
use crate::passage::{Speaker, last_user, passages};
use crate::testing::exchange;

#[tokio::test]
async fn what_is_expected_comes_along_and_is_remembered() {
    let body = r#"{"messages":[{"role":"tool","content":"out"},{"role":"user","content":"Hi"}]}"#;
    let exchange = exchange(crate::api::Api::ChatCompletions, body).unwrap();
    let fake = Arc::new(FakeUnderstanding::default());
    let mut all = Inspections::new(Some(Arc::clone(&fake) as Arc<dyn Understand>));
    all.expect([
        Expectation::last_user(Question::Domain),
        Expectation::all_of(Question::Pii, Scope(vec![Speaker::User])),
        Expectation::all_of(Question::Jailbreak, Scope(vec![Speaker::Tool])),
    ]);
    let user = last_user(&exchange).unwrap();
    let first = all.ask(&user, "Hi", Question::Domain).await.unwrap();
    let second = all.ask(&user, "Hi", Question::Pii).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    // The tool's output is another text, and nobody expects the same of it.
    let tool = passages(&exchange, &Scope(vec![Speaker::Tool])).remove(0);
    all.ask(&tool, "out", Question::Jailbreak).await.unwrap();
    // What nobody expected is asked on its own.
    all.ask(&user, "Hi", Question::Embedding).await.unwrap();
    let calls = fake.calls.lock().clone();
    assert_eq!(
        calls,
        [
            vec![Question::Domain, Question::Pii],
            vec![Question::Jailbreak],
            vec![Question::Embedding]
        ]
    );
    assert_eq!(all.answered().len(), 3);
}

#[tokio::test]
async fn no_models_is_a_failure() {
    let body = r#"{"messages":[{"role":"user","content":"Hi"}]}"#;
    let exchange = exchange(crate::api::Api::ChatCompletions, body).unwrap();
    let user = last_user(&exchange).unwrap();
    let answer = Inspections::default().ask(&user, "Hi", Question::Pii).await;
    assert!(matches!(answer, Err(ModelError::Infer(_))));
}

/// What a model does not say, or says with a number that is none, is no answer.
#[tokio::test]
async fn an_answer_without_a_number_is_none() {
    let body = r#"{"messages":[{"role":"user","content":"Hi"}]}"#;
    let exchange = exchange(crate::api::Api::ChatCompletions, body).unwrap();
    let user = last_user(&exchange).unwrap();
    for (score, good) in [(0.7, true), (f32::NAN, false)] {
        let fake = FakeUnderstanding {
            pii: vec![("Hi", "PERSON", score)],
            ..FakeUnderstanding::default()
        };
        let asked = Inspections::new(Some(Arc::new(fake) as Arc<dyn Understand>));
        let asked = || vec![asked.ask(&user, "Hi", Question::Pii)];
        assert_eq!(all(asked(), Question::Pii).await.is_ok(), good, "{score}");
        assert!(all(asked(), Question::Jailbreak).await.is_err());
    }
}
