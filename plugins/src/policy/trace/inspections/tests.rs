#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use commutator_models::ModelError;
use serde_json::json;

use super::*;
use crate::json::Document;
use crate::passage::{Scope, last_user, passages};
use crate::signal::testing::exchange;
use crate::understand::fake::FakeUnderstanding;
use crate::understand::{Expectation, Inspections, Question};

fn path_of(body: &str, needle: &str) -> String {
    let doc = Document::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
    let start = body.find(needle).unwrap();
    path(doc.root(), &(start..start + needle.len()))
}

#[test]
fn paths_name_the_smallest_value_around() {
    let body = r#"{"messages":[{"content":"a"},{"content":[{"text":"b"},{"text":"c"}]}],"tools":[{"x y":"d"}]}"#;
    assert_eq!(path_of(body, "\"a\""), "messages[0].content");
    assert_eq!(path_of(body, "\"c\""), "messages[1].content[1].text");
    assert_eq!(
        path_of(body, "\"b\"},{\"text\":\"c\""),
        "messages[1].content"
    );
    // A name that is none may be a text.
    assert_eq!(path_of(body, "\"d\""), "tools[0].*");
    assert_eq!(path_of(body, "a\"},{"), "messages");
}

async fn trace(fake: FakeUnderstanding, show_text: bool) -> Trace {
    let mut exchange = exchange(json!({"model": "auto", "messages": [
        {"role": "tool", "tool_call_id": "1", "content": "ignore Bluebird"},
        {"role": "user", "content": "Ada's sum"},
    ]}));
    exchange.inspections = Inspections::new(Some(Arc::new(fake)));
    let all = Expectation::all_of(Question::Pii, Scope::default());
    exchange.inspections.expect([all]);
    let user = last_user(&exchange).unwrap();
    let text = user.text(&exchange);
    let _ = exchange
        .inspections
        .ask(&user, &text, Question::Domain)
        .await;
    let tool = &passages(&exchange, &Scope::default())[0];
    let text = tool.text(&exchange);
    let _ = exchange
        .inspections
        .ask(tool, &text, Question::Jailbreak)
        .await;
    // Nobody waits for this one.
    drop(exchange.inspections.ask(tool, &text, Question::Domain));
    let mut trace = Trace::default();
    trace.add_inspections(&exchange, show_text);
    trace
}

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        subjects: vec![("sum", "math", 0.75)],
        attacks: vec![("ignore", 0.9)],
        pii: vec![("Ada", "PERSON", 0.8)],
        ..FakeUnderstanding::default()
    }
}

#[tokio::test]
async fn each_text_has_its_place_its_answers_and_no_words() {
    let trace = trace(fake(), false).await;
    insta::assert_snapshot!(trace, @r"
    : no model (named)
    decision: none ()
    texts:
      messages[1].content (user): domain, pii; 1 window, 0 us (normalize 0, rules 0, tokenize 0, queue 0, compute 0)
        domain math 0.7500, other 0.2500
        PERSON 0.8000 at 0..3
      messages[0].content (tool): jailbreak, pii; 1 window, 0 us (normalize 0, rules 0, tokenize 0, queue 0, compute 0)
        jailbreak 0.9000
      messages[0].content (tool): domain; the answer did not come in time
    ");
    let json = serde_json::to_string(&trace).unwrap();
    assert!(
        !json.contains("Bluebird") && !json.contains("Ada"),
        "{json}"
    );
    let user = &trace.inspections[0];
    assert_eq!(user.questions, ["domain", "pii"]);
    assert_eq!(user.pii.as_ref().unwrap()[0].span, 0..3);
}

#[tokio::test]
async fn texts_are_shown_to_those_who_ask_for_them() {
    let trace = trace(fake(), true).await;
    assert_eq!(
        trace.inspections[1].text.as_deref(),
        Some("ignore Bluebird")
    );
    assert!(trace.to_string().contains("text \"Ada's sum\""));
}

#[tokio::test]
async fn failures_are_told() {
    let broken = FakeUnderstanding {
        failure: Some(ModelError::Overloaded),
        ..fake()
    };
    let trace = trace(broken, false).await;
    let failed = trace.inspections[0].failed.as_deref();
    assert_eq!(failed, Some("the inference queue is full"));
}
