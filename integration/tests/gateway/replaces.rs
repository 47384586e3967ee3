//! A decision's guard takes the place of the policy's of the same name, whichever is the stricter.

use commutator_integration::client::{Answer, CHAT, Client, chat, streamed};
use commutator_integration::frontend::{Frontend, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Stage;

/// A policy with these plugins, and with those for requests that say "payroll".
fn top(policy: &str, decision: &str, more: &str) -> String {
    format!(
        "plugins: [{policy}]\n\
         signals: {{keywords: [{{name: payroll, any: [payroll]}}]}}\n\
         decisions: [{{name: payroll, applies_to: all, when: {{keyword: payroll}}, plugins: [{decision}]{more}}}]"
    )
}

const SSN: &str = "My SSN is 123-45-6789";
const STRICT: &str = "{pii: {timeout: 60s, deny: [US_SSN]}}";
const OTHER: &str = "{pii: {timeout: 60s, deny: [IBAN_CODE]}}";
const FLAG: &str = "{pii: {timeout: 60s, deny: [US_SSN], action: flag}}";
const SHADOW: &str = "{pii: {timeout: 60s, deny: [US_SSN], shadow: true}}";
const MASK: &str = "{pii: {timeout: 60s, deny: [US_SSN], action: mask}}";
const ATTACK: &str = "{jailbreak: {timeout: 60s}}";

/// What becomes of the number outside of the decision and inside.
#[rstest]
#[case::laxer_types(STRICT, OTHER, "blocked", "passed")]
#[case::stricter_types(OTHER, STRICT, "passed", "blocked")]
#[case::laxer_action(STRICT, FLAG, "blocked", "passed")]
#[case::stricter_action(FLAG, STRICT, "passed", "blocked")]
#[case::laxer_shadow(STRICT, SHADOW, "blocked", "passed")]
#[case::stricter_shadow(SHADOW, STRICT, "passed", "blocked")]
#[case::masks_instead(STRICT, MASK, "blocked", "masked")]
#[case::blocks_instead(MASK, STRICT, "masked", "blocked")]
#[case::only_there("", STRICT, "passed", "blocked")]
#[case::another_guard_replaces_nothing(STRICT, ATTACK, "blocked", "blocked")]
#[tokio::test]
async fn on_requests(
    #[case] policy: &str,
    #[case] decision: &str,
    #[case] outside: &str,
    #[case] inside: &str,
    #[values("math", "auto")] model: &str,
) {
    let stage = Stage::top(&top(policy, decision, "")).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for (text, expected) in [
        (SSN.to_owned(), outside),
        (format!("payroll: {SSN}"), inside),
    ] {
        stage.frontend().clear_requests();
        let mut body = chat(&text);
        body["model"] = json!(model);
        let answer = client.post(CHAT, &body).await;
        let taken = if text == SSN { "" } else { "payroll" };
        assert_eq!(answer.header("x-vsr-selected-decision"), taken);
        let requests = stage.frontend().requests();
        if expected == "blocked" {
            assert_eq!(answer.header("x-vsr-response-path"), "blocked", "{text}");
            assert_eq!(answer.header("x-vsr-pii-types"), "B-US_SSN", "{text}");
            assert!(requests.is_empty(), "{text}");
            continue;
        }
        assert_eq!(
            answer.header("x-vsr-response-path"),
            "upstream",
            "{text}: {}",
            answer.text()
        );
        let seen = requests[0].json()["messages"][0]["content"].clone();
        let masked = text.replace("123-45-6789", "[US_SSN]");
        assert_eq!(seen, if expected == "masked" { masked } else { text });
    }
}

/// Words need no model; and only the decision that is taken counts.
#[tokio::test]
async fn lists_of_words_are_replaced_as_well() {
    let list = |word: &str| format!("{{deny_list: {{name: {word}, words: [{word}]}}}}");
    let both = format!("{}, {}", list("bluebird"), list("goldfinch"));
    let stage = Stage::top(&top(&both, &list("herring"), "")).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for (text, guard) in [
        ("the bluebird", "deny_list;bluebird"),
        ("the goldfinch", "deny_list;goldfinch"),
        ("the herring", ""),
        ("payroll of the bluebird", ""),
        ("payroll of the goldfinch", ""),
        ("payroll of the herring", "deny_list;herring"),
    ] {
        let answer = client.post(CHAT, &chat(text)).await;
        assert_eq!(answer.header("x-vsr-guard"), guard, "{text}");
        let path = if guard.is_empty() {
            "upstream"
        } else {
            "blocked"
        };
        assert_eq!(answer.header("x-vsr-response-path"), path, "{text}");
    }

    // A decision that is only counted takes nobody's place.
    let stage = Stage::top(&top(&list("bluebird"), &list("herring"), ", shadow: true")).await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat("payroll of the bluebird")).await;
    assert_eq!(answer.header("x-vsr-guard"), "deny_list;bluebird");
    let answer = client.post(CHAT, &chat("payroll of the herring")).await;
    assert_eq!(answer.header("x-vsr-response-path"), "upstream");
    let metrics = stage.gateway.metrics().await;
    assert_eq!(
        metrics.sum("shadow_decisions_total", &[("decision", "payroll")]),
        2.0
    );
}

const ANSWER: &str = "The bluebird is 123-45-6789 and the herring swims.";

async fn gateway(top: &str) -> (Gateway, Frontend) {
    let frontend = Frontend::start().await;
    let policy = TestPolicy::new(&[frontend.addr()])
        .cluster(UNPROBED)
        .top(top);
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    (
        Gateway::start(policy.yaml(), options).await.unwrap(),
        frontend,
    )
}

/// What a client reads where the frontend says [`ANSWER`], and how it ends.
async fn read(
    gateway: &Gateway,
    frontend: &Frontend,
    text: &str,
    stream: bool,
) -> (Answer, String, Value) {
    let mut client = Client::h1(gateway.addr()).await;
    let serve = async {
        let mut exchange = frontend.request().await;
        if !stream {
            let message = json!({"role": "assistant", "content": ANSWER});
            let body =
                json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
            exchange.json(&body.to_string()).await;
            return;
        }
        let (first, second) = ANSWER.split_at(20);
        let event = |delta: Value, finish: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
            format!("data: {}\n\n", json!({"id": "c", "choices": [choice]}))
        };
        let events = [
            event(json!({"content": first}), Value::Null),
            event(json!({"content": second}), Value::Null),
            event(json!({}), json!("stop")),
            "data: [DONE]\n\n".to_owned(),
        ];
        exchange.events(&events).await;
    };
    let question = if stream { streamed(text) } else { chat(text) };
    let (answer, ()) = tokio::join!(client.post(CHAT, &question), serve);
    assert_eq!(answer.status, 200, "{}", answer.text());
    if !stream {
        let choice = &answer.json()["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap().to_owned();
        return (answer.clone(), text, choice["finish_reason"].clone());
    }
    let events = answer.events();
    let choices = || events.iter().map(|event| &event["choices"][0]);
    let text = choices()
        .filter_map(|choice| choice["delta"]["content"].as_str())
        .collect();
    let reason = choices()
        .map(|choice| &choice["finish_reason"])
        .rfind(|reason| !reason.is_null());
    (answer.clone(), text, reason.cloned().unwrap_or_default())
}

const BIRD: &str = "{answers: {stop: {words: [bluebird]}}}";
const BIRD_FLAG: &str = "{answers: {stop: {words: [bluebird], action: flag}}}";
const BIRD_MASK: &str = "{answers: {stop: {words: [bluebird], action: mask}}}";
const BIRD_SHADOW: &str = "{answers: {shadow: true, stop: {words: [bluebird]}}}";
const FISH: &str = "{answers: {stop: {words: [herring]}}}";
const NUMBER: &str = "{answers: {timeout: 60s, pii: {action: redact}}}";
const NUMBER_BLOCK: &str = "{answers: {timeout: 60s, pii: {action: block}}}";
const NUMBER_FLAG: &str = "{answers: {timeout: 60s, pii: {action: flag}}}";

const UP_TO_BIRD: &str = "The ";
const UP_TO_NUMBER: &str = "The bluebird is ";
const UP_TO_FISH: &str = "The bluebird is 123-45-6789 and the ";
const MASKED: &str = "The [WORD] is 123-45-6789 and the herring swims.";
const REDACTED: &str = "The bluebird is [US_SSN] and the herring swims.";

#[rstest]
#[case::other_words(BIRD, FISH, UP_TO_BIRD, UP_TO_FISH)]
#[case::stricter_action(BIRD_FLAG, BIRD, ANSWER, UP_TO_BIRD)]
#[case::laxer_action(BIRD, BIRD_MASK, UP_TO_BIRD, MASKED)]
#[case::stricter_shadow(BIRD_SHADOW, BIRD_MASK, ANSWER, MASKED)]
#[case::laxer_shadow(BIRD, BIRD_SHADOW, UP_TO_BIRD, ANSWER)]
#[case::words_for_numbers(NUMBER, BIRD_MASK, REDACTED, MASKED)]
#[case::numbers_for_words(BIRD, NUMBER, UP_TO_BIRD, REDACTED)]
#[case::stricter_number(NUMBER, NUMBER_BLOCK, REDACTED, UP_TO_NUMBER)]
#[case::laxer_number(NUMBER_BLOCK, NUMBER_FLAG, UP_TO_NUMBER, ANSWER)]
#[case::guards_of_requests_replace_none(
    "{pii: {timeout: 60s}}, {answers: {stop: {words: [bluebird]}}}",
    OTHER,
    UP_TO_BIRD,
    UP_TO_BIRD
)]
#[tokio::test]
async fn on_answers(
    #[case] policy: &str,
    #[case] decision: &str,
    #[case] outside: &str,
    #[case] inside: &str,
) {
    let (gateway, frontend) = gateway(&top(policy, decision, "")).await;
    for (text, expected) in [("hello", outside), ("the payroll", inside)] {
        for stream in [false, true] {
            let (answer, said, reason) = read(&gateway, &frontend, text, stream).await;
            assert_eq!(said, expected, "{text}, stream: {stream}");
            let stopped = ANSWER.starts_with(expected) && expected != ANSWER;
            let ended = if stopped { "content_filter" } else { "stop" };
            assert_eq!(reason, ended, "{text}, stream: {stream}");
            let taken = if text == "hello" { "" } else { "payroll" };
            assert_eq!(answer.header("x-vsr-selected-decision"), taken);
        }
    }
}
