#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::api::Api;
use crate::guard::Placeholders;
use crate::plugin::compliance::{build, check, problems};
use crate::testing;
use crate::understand::Inspections;
use crate::understand::fake::FakeUnderstanding;

const CHAT: &str =
    r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"I am Bo."}]}"#;

#[test]
fn complies() {
    check(
        &json!({"answers": {"stop": {"words": ["bluebird"], "patterns": [{"name": "ID", "regex": "E-\\d+"}]}}}),
    );
    check(&json!({"answers": {
        "pii": {"action": "block", "deny": ["US_SSN"], "hold_back": 80, "allow_echo": true},
        "channels": ["content"], "timeout": "1s", "on_error": "allow", "block": {"text": "No."}, "shadow": true,
    }}));
}

#[test]
fn mistakes_are_named() {
    let of = |config: Value| problems(&json!({"answers": config}));
    assert!(of(json!({})).contains("nothing is looked for"));
    assert!(of(json!({"stop": {}})).contains("plugins[0].answers.stop"));
    assert!(of(json!({"stop": {"words": [" "]}})).contains("stop.words[0]"));
    let pattern = of(json!({"stop": {"patterns": [{"name": "a b", "regex": "("}]}}));
    assert!(
        pattern.contains("patterns[0].name") && pattern.contains("patterns[0].regex"),
        "{pattern}"
    );
    assert!(of(json!({"pii": {"deny": ["US_SNN"]}})).contains("US_SSN"));
    assert!(of(json!({"pii": {"hold_back": 3}})).contains("hold_back"));
    assert!(of(json!({"pii": {}, "channels": []})).contains("channels"));
    assert!(of(json!({"pii": {}, "timeout": "0s"})).contains("timeout"));
}

#[test]
fn models_are_needed_for_personal_data_alone() {
    let plugin = |config: Value| build(&json!({"answers": config})).unwrap();
    assert!(
        plugin(json!({"stop": {"words": ["a"]}}))
            .expects()
            .is_empty()
    );
    let asks = plugin(json!({"pii": {}})).expects();
    assert_eq!(
        asks,
        [Expectation::all_of(Question::Pii, Scope(Vec::new()))]
    );
}

fn exchange(api: Api) -> Exchange {
    let mut exchange = testing::exchange(api, CHAT).unwrap();
    exchange.inspections = Inspections::new(Some(Arc::new(FakeUnderstanding {
        pii: vec![("Ana", "PERSON", 0.9), ("Bo", "PERSON", 0.9)],
        ..FakeUnderstanding::default()
    })));
    exchange
}

fn on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn said(text: &str) -> Bytes {
    Bytes::from(format!(
        "data: {}\n\n",
        json!({"choices": [{"index": 0, "delta": {"content": text}}]})
    ))
}

/// Sends an answer through plugins in the order in which an answer meets them.
fn answer(plugins: &[Arc<dyn Plugin>], exchange: &mut Exchange, texts: &[&str]) -> String {
    let mut out = Vec::new();
    on(async {
        let mut events: Vec<Bytes> = texts.iter().map(|text| said(text)).collect();
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        for event in events {
            let mut now = vec![event];
            for plugin in plugins {
                let mut next = Vec::new();
                for event in now {
                    let parts = plugin.on_part(exchange, Part::Event(event)).await.unwrap();
                    next.extend(parts.list.into_iter().map(Part::into_bytes));
                }
                now = next;
            }
            out.extend(now);
        }
    });
    String::from_utf8(out.concat()).unwrap()
}

fn read(stream: &str) -> String {
    let events = stream
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: {"));
    let event = |data: &str| serde_json::from_str::<Value>(&format!("{{{data}")).unwrap();
    let text = |event: Value| {
        event["choices"][0]["delta"]["content"]
            .as_str()
            .map(str::to_owned)
    };
    events.map(event).filter_map(text).collect()
}

fn persons(more: Value) -> Arc<dyn Plugin> {
    let mut pii = json!({"deny": ["PERSON"]});
    pii.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    build(&json!({"answers": {"pii": pii}})).unwrap()
}

#[test]
fn verdicts_tell_labels_and_findings_no_text() {
    let mut exchange = exchange(Api::ChatCompletions);
    let guards = [
        persons(json!({})),
        build(&json!({"answers": {"stop": {"words": ["bluebird"], "action": "flag"}}})).unwrap(),
    ];
    let out = answer(
        &guards,
        &mut exchange,
        &["An", "a and ", "Bo saw Ana's blue", "bird."],
    );
    assert_eq!(read(&out), "[PERSON] and [PERSON] saw [PERSON]'s bluebird.");
    let [pii, stop] = exchange.verdicts.as_slice() else {
        panic!("{:?}", exchange.verdicts);
    };
    assert_eq!(
        (pii.guard, pii.side, pii.outcome),
        ("pii", Side::Answer, VerdictOutcome::Masked)
    );
    assert_eq!(
        (&pii.labels[..], pii.score),
        (&["B-PERSON".to_owned()][..], Some(0.9))
    );
    assert_eq!(
        (stop.guard, stop.outcome, &stop.labels[..]),
        (
            "answers",
            VerdictOutcome::Flagged,
            &["B-WORD".to_owned()][..]
        )
    );
    let sources: Vec<_> = exchange
        .findings
        .iter()
        .map(|f| f.source.as_str())
        .collect();
    assert_eq!(sources, ["pii", "pii", "pii", "answers"]);
    assert!(!format!("{:?}{:?}", exchange.verdicts, exchange.findings).contains("Ana"));
}

#[test]
fn the_client_may_hear_its_own_words_where_the_policy_lets_it() {
    let mut exchange = exchange(Api::ChatCompletions);
    let out = answer(
        &[persons(json!({"allow_echo": true}))],
        &mut exchange,
        &["Ana, Bo."],
    );
    assert_eq!(read(&out), "[PERSON], Bo.");
}

/// `answers` comes first on the way back: what `pii` restores is no leak.
#[test]
fn restored_values_are_not_found() {
    let mut exchange = exchange(Api::ChatCompletions);
    let mut names = Placeholders::default();
    names.name("PERSON", "Bo", |_| false);
    exchange.extensions.insert(names);
    let restores = build(&json!({"pii": {"action": "redact"}})).unwrap();
    assert!(restores.wants_parts(&exchange));
    let guards = [persons(json!({})), restores];
    let out = answer(&guards, &mut exchange, &["Hi <PER", "SON_1>, ", "Ana."]);
    assert_eq!(read(&out), "Hi Bo, [PERSON].");
}

#[test]
fn errors_of_frontends_pass() {
    let mut exchange = exchange(Api::ChatCompletions);
    let plugin = build(&json!({"answers": {"stop": {"words": ["bluebird"]}}})).unwrap();
    let headers = HeaderMap::new();
    let head = ResponseHead {
        status: StatusCode::BAD_REQUEST,
        headers: &headers,
        stream: false,
    };
    block_on(plugin.on_response_head(&mut exchange, &head)).unwrap();
    let body = Bytes::from_static(b"no bluebird");
    let parts = block_on(plugin.on_part(&mut exchange, Part::Body(body.clone()))).unwrap();
    let list: Vec<_> = parts.list.into_iter().map(Part::into_bytes).collect();
    assert_eq!((list, parts.error.is_none()), (vec![body], true));
}

#[test]
fn other_channels_are_left_alone() {
    let mut exchange = exchange(Api::ChatCompletions);
    let plugin =
        build(&json!({"answers": {"stop": {"words": ["bluebird"]}, "channels": ["reasoning"]}}))
            .unwrap();
    let out = answer(&[plugin], &mut exchange, &["a bluebird ", "and more"]);
    let whole = [
        said("a bluebird "),
        said("and more"),
        Bytes::from_static(b"data: [DONE]\n\n"),
    ];
    assert_eq!(out.as_bytes(), whole.concat());
}
