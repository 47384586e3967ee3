#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use commutator_models::ModelError;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::Api;
use crate::exchange::{Exchange, RequestHead};
use crate::model::ModelConfig;
use crate::plugin::{Flow, Reply};
use crate::policy::{Environment, Policy};
use crate::signal::testing::policy;
use crate::testing::rendered;
use crate::understand::fake::FakeUnderstanding;
use crate::understand::{Question, Understand};

struct World;

impl Environment for World {
    fn ready(&self, _: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        attacks: vec![("ignore", 0.95), ("pretend", 0.7)],
        pii: vec![
            ("Ana", "PERSON", 0.9),
            ("Berlin", "GPE", 0.8),
            ("4711", "US_SSN", 0.99),
        ],
        ..FakeUnderstanding::default()
    }
}

async fn attached(plugins: Value, fake: FakeUnderstanding) -> (Policy, Arc<FakeUnderstanding>) {
    let mut policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}, {"name": "safe", "cluster": "main"}],
        "default_model": "m",
        "plugins": plugins,
    }));
    let fake = Arc::new(fake);
    policy
        .attach(Arc::clone(&fake) as Arc<dyn Understand>)
        .await
        .unwrap();
    (policy, fake)
}

async fn run_chat(policy: &Policy, text: &str) -> (Exchange, Flow) {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    run_body(policy, body).await
}

async fn run_body(policy: &Policy, body: Value) -> (Exchange, Flow) {
    let head = RequestHead::default();
    let bytes = body.to_string().into();
    let mut exchange = policy
        .begin("id".into(), head, Api::ChatCompletions, bytes)
        .unwrap();
    let flow = policy.run(&mut exchange, &World, None).await.unwrap();
    (exchange, flow)
}

fn says(flow: &Flow) -> &str {
    match flow {
        Flow::Continue => "continue",
        Flow::Reply(Reply::Completion { finish_reason, .. }) => finish_reason,
        Flow::Reply(Reply::Error(error)) => &error.code,
        Flow::Reply(Reply::Raw { .. }) => "raw",
    }
}

fn outcomes(exchange: &Exchange) -> Vec<(&'static str, VerdictOutcome)> {
    exchange
        .verdicts
        .iter()
        .map(|v| (v.guard, v.outcome))
        .collect()
}

#[tokio::test]
async fn two_guards_ask_the_models_once() {
    let (policy, fake) = attached(json!([{"pii": {}}, {"jailbreak": {}}]), fake()).await;
    let (exchange, flow) = run_chat(&policy, "Hello there").await;
    assert_eq!(says(&flow), "continue");
    assert_eq!(
        outcomes(&exchange),
        [
            ("pii", VerdictOutcome::Clean),
            ("jailbreak", VerdictOutcome::Clean)
        ]
    );
    assert_eq!(
        *fake.calls.lock(),
        [vec![Question::Jailbreak, Question::Pii]]
    );
}

#[tokio::test]
async fn the_first_violation_ends_it() {
    let (policy, _) = attached(json!([{"pii": {}}, {"jailbreak": {}}]), fake()).await;
    let (exchange, flow) = run_chat(&policy, "ignore 4711").await;
    assert_eq!(says(&flow), "content_filter");
    assert_eq!(outcomes(&exchange), [("pii", VerdictOutcome::Blocked)]);
    assert_eq!(exchange.verdicts[0].labels, ["B-US_SSN"]);
    assert_eq!(exchange.findings[0].span, Some(7..11));
}

#[tokio::test]
async fn guards_run_before_other_plugins_wherever_they_stand() {
    let plugins = json!([
        {"system_prompt": {"text": "Ana is here.", "mode": "append"}},
        {"pii": {"action": "redact", "deny": ["PERSON"], "scope": ["system", "user"]}},
    ]);
    let (policy, _) = attached(plugins, fake()).await;
    let body = json!({"model": "m", "messages": [{"role": "system", "content": "Ana asks."}, {"role": "user", "content": "I am Ana"}]});
    let (exchange, _) = run_body(&policy, body).await;
    let seen: Value = serde_json::from_str(&rendered(&exchange)).unwrap();
    assert_eq!(
        seen["messages"][0]["content"],
        "<PERSON_1> asks.\n\nAna is here."
    );
    assert_eq!(seen["messages"][1]["content"], "I am <PERSON_1>");
}

#[tokio::test]
async fn each_type_has_its_action_and_the_strictest_counts() {
    let plugins = json!([{"pii": {"allow": [], "action": "flag", "actions": {"PERSON": "redact", "US_SSN": "block", "GPE": "mask"}}}]);
    let (policy, _) = attached(plugins, fake()).await;
    let (exchange, flow) = run_chat(&policy, "Ana lives in Berlin with Ana").await;
    assert_eq!(says(&flow), "continue");
    assert!(rendered(&exchange).contains("<PERSON_1> lives in [GPE] with <PERSON_1>"));
    assert_eq!(exchange.verdicts[0].outcome, VerdictOutcome::Redacted);
    assert_eq!(exchange.verdicts[0].labels, ["B-PERSON", "B-GPE"]);
    let (_, flow) = run_chat(&policy, "Ana is 4711").await;
    assert_eq!(says(&flow), "content_filter");
}

#[tokio::test]
async fn a_placeholder_of_the_clients_own_is_passed_over() {
    let plugins = json!([{"pii": {"action": "redact", "deny": ["PERSON"]}}]);
    let (policy, _) = attached(plugins, fake()).await;
    let (exchange, _) = run_chat(&policy, "Is <PERSON_1> Ana?").await;
    assert!(rendered(&exchange).contains("Is <PERSON_1> <PERSON_2>?"));
}

#[tokio::test]
async fn an_attack_goes_where_the_policy_sends_it() {
    let (policy, _) = attached(
        json!([{"jailbreak": {"action": {"route": "safe"}}}]),
        fake(),
    )
    .await;
    let (exchange, flow) = run_chat(&policy, "ignore it").await;
    assert_eq!(says(&flow), "continue");
    assert_eq!(exchange.chosen.unwrap().model.name, "safe");
}

#[tokio::test]
async fn a_threshold_is_the_policys_the_models_or_that_of_a_share() {
    for (setting, stopped) in [
        (json!({}), true),
        (json!({"threshold": 0.8}), false),
        (json!({"threshold": 0.7}), true),
        (json!({"false_positive_rate": 0.01}), false),
    ] {
        let (policy, _) = attached(json!([{"jailbreak": setting}]), fake()).await;
        let (_, flow) = run_chat(&policy, "pretend").await;
        assert_eq!(says(&flow) == "content_filter", stopped, "{setting}");
    }
}

#[tokio::test]
async fn a_share_that_nobody_measured_is_refused() {
    let mut policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "plugins": [{"jailbreak": {"false_positive_rate": 0.001}}],
    }));
    let wrong = policy.attach(Arc::new(fake())).await.unwrap_err();
    assert!(wrong[0].contains("0.001"), "{wrong:?}");
}

/// A full queue, a deadline, an engine that is gone: nothing of that is a clean verdict.
#[tokio::test(start_paused = true)]
async fn what_happens_without_a_verdict_is_said_by_the_policy() {
    let failures = [
        ("overloaded", Some(ModelError::Overloaded), Duration::ZERO),
        (
            "unavailable",
            Some(ModelError::Infer("the model thread is gone".to_owned())),
            Duration::ZERO,
        ),
        ("deadline", None, Duration::from_secs(3)),
    ];
    for (word, failure, delay) in failures {
        for mode in ["before", "overlap"] {
            for (on_error, end) in [("deny", "guard_unavailable"), ("allow", "continue")] {
                let fake = FakeUnderstanding {
                    failure: failure.clone(),
                    delay,
                    ..fake()
                };
                let guard = json!({"on_error": on_error, "timeout": "2s", "mode": mode});
                let (policy, _) = attached(json!([{"pii": guard}]), fake).await;
                let (mut exchange, flow) = run_chat(&policy, "Hello").await;
                // What fails at once does so before a frontend begins.
                let flow = match flow {
                    Flow::Continue => exchange.conclude().await,
                    stopped => stopped,
                };
                assert_eq!(says(&flow), end, "{word} {mode}");
                let verdict = &exchange.verdicts[0];
                assert_eq!(verdict.failure, Some(word));
                let warned = exchange.warnings.contains(&"guard_skipped");
                assert_eq!(warned, on_error == "allow");
                let expected = match on_error {
                    "deny" => VerdictOutcome::Denied,
                    _ => VerdictOutcome::Skipped,
                };
                assert_eq!(verdict.outcome, expected);
            }
        }
    }
}

#[tokio::test]
async fn without_models_nothing_is_clean() {
    let policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "plugins": [{"pii": {}}],
    }));
    assert!(policy.needs_models());
    let (_, flow) = run_chat(&policy, "Hello").await;
    assert_eq!(says(&flow), "guard_unavailable");
}

#[tokio::test]
async fn the_shadow_writes_down_and_leaves_the_rest() {
    let plugins = json!([{"pii": {"shadow": true, "action": "redact", "deny": ["PERSON"]}}, {"jailbreak": {"shadow": true}}]);
    let (policy, _) = attached(plugins, fake()).await;
    let (exchange, flow) = run_chat(&policy, "Ana, ignore it").await;
    assert_eq!(says(&flow), "continue");
    assert!(rendered(&exchange).contains("Ana, ignore it"));
    assert_eq!(
        outcomes(&exchange),
        [
            ("pii", VerdictOutcome::Redacted),
            ("jailbreak", VerdictOutcome::Blocked)
        ]
    );
    assert!(exchange.verdicts.iter().all(|verdict| verdict.shadow));
    let names = exchange.extensions.get::<Placeholders>();
    assert!(names.is_none_or(Placeholders::is_empty));
}

/// While a guard thinks beside the frontend, the request is on its way already.
#[tokio::test(start_paused = true)]
async fn overlapping_guards_conclude_later_and_at_once() {
    let slow = FakeUnderstanding {
        delay: Duration::from_millis(500),
        ..fake()
    };
    let guards = json!([{"pii": {"mode": "overlap"}}, {"jailbreak": {"mode": "overlap"}}]);
    let (policy, _) = attached(guards, slow).await;
    let start = tokio::time::Instant::now();
    let (mut exchange, flow) = run_chat(&policy, "ignore 4711").await;
    assert_eq!(says(&flow), "continue");
    assert_eq!(
        (start.elapsed(), exchange.thoughts.len()),
        (Duration::ZERO, 2)
    );
    // Dropped in the middle, as Pingora does when the frontend says something: nothing is lost.
    let short = tokio::time::timeout(Duration::from_millis(100), exchange.conclude()).await;
    assert!(short.is_err());
    let flow = exchange.conclude().await;
    assert_eq!(says(&flow), "content_filter");
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert!(exchange.thoughts.is_empty() && exchange.verdicts[0].overlapped);
}

/// Where the frontend fails first, what guards know by then is told all the same.
#[tokio::test(start_paused = true)]
async fn a_guard_that_is_given_up_is_counted() {
    let slow = || FakeUnderstanding {
        delay: Duration::from_millis(500),
        ..fake()
    };
    for (waited, outcome) in [
        (0, VerdictOutcome::Abandoned),
        (600, VerdictOutcome::Blocked),
    ] {
        let (policy, _) = attached(json!([{"pii": {"mode": "overlap"}}]), slow()).await;
        let (mut exchange, flow) = run_chat(&policy, "my number is 4711").await;
        assert_eq!(says(&flow), "continue");
        tokio::time::sleep(Duration::from_millis(waited)).await;
        exchange.give_up_thoughts();
        assert_eq!(outcomes(&exchange), [("pii", outcome)]);
        assert!(exchange.verdicts[0].overlapped && exchange.thoughts.is_empty());
        exchange.give_up_thoughts();
        assert_eq!(exchange.verdicts.len(), 1, "once");
    }
}

#[tokio::test]
async fn rules_alone_stop_a_long_request() {
    let fake = FakeUnderstanding {
        ruled: vec![("4711", "US_SSN", 0.99)],
        ..fake()
    };
    let (policy, fake) = attached(json!([{"pii": {}}]), fake).await;
    let long = "word ".repeat(1000);
    let (_, flow) = run_chat(&policy, &format!("{long} 4711")).await;
    assert_eq!(says(&flow), "content_filter");
    assert!(fake.calls.lock().is_empty(), "no model was asked");
    let (_, flow) = run_chat(&policy, &long).await;
    assert_eq!(says(&flow), "continue");
    assert_eq!(fake.calls.lock().len(), 1);
}

#[test]
fn mistakes_are_named() {
    let wrong = |guard: Value| {
        let config: crate::policy::RoutingConfig = serde_json::from_value(json!({
            "models": [{"name": "m", "cluster": "main"}],
            "default_model": "m",
            "plugins": [guard],
        }))
        .unwrap();
        let context = crate::registry::BuildContext {
            families: &config.families(),
            models: &config.models,
            foreign_pii: false,
        };
        Policy::compile(&config, &["main"], &context)
            .unwrap_err()
            .to_string()
    };
    for (guard, path) in [
        (
            json!({"pii": {"deny": ["US_SNN"]}}),
            "plugins[0].pii.deny[0]",
        ),
        (
            json!({"pii": {"allow": [], "deny": []}}),
            "plugins[0].pii.allow",
        ),
        (
            json!({"pii": {"threshold": 1.5}}),
            "plugins[0].pii.threshold",
        ),
        (
            json!({"pii": {"thresholds": {"US_SSN": -1.0}}}),
            "plugins[0].pii.thresholds.US_SSN",
        ),
        (json!({"pii": {"scope": []}}), "plugins[0].pii.scope"),
        (json!({"pii": {"timeout": "0s"}}), "plugins[0].pii.timeout"),
        (
            json!({"pii": {"block": {"status": 200}}}),
            "plugins[0].pii.block.status",
        ),
        (
            json!({"pii": {"patterns": [{"name": "x", "regex": "("}]}}),
            "plugins[0].pii.patterns[0].regex",
        ),
        (
            json!({"pii": {"mode": "overlap", "action": "mask"}}),
            "plugins[0].pii.action",
        ),
        (
            json!({"jailbreak": {"threshold": 2.0}}),
            "plugins[0].jailbreak.threshold",
        ),
        (
            json!({"jailbreak": {"threshold": 0.5, "false_positive_rate": 0.1}}),
            "plugins[0].jailbreak.false_positive_rate",
        ),
        (
            json!({"jailbreak": {"action": {"route": "safer"}}}),
            "plugins[0].jailbreak.action.route",
        ),
    ] {
        let text = wrong(guard.clone());
        assert!(text.contains(path), "{guard}: {text}");
    }
}

proptest! {
    /// Whatever characters stand around and in a name: what the frontend sees is valid JSON with the name gone, and
    /// everything else as it was.
    #[test]
    fn only_the_name_is_replaced(before in "(?s).{0,8}", after in "(?s).{0,8}", escape: bool) {
        prop_assume!(!format!("{before}{after}").contains("Ana"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = format!("{before}Ana{after}");
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
        if escape {
            body = body.replace("Ana", "\\u0041\\u006ea");
        }
        let seen = runtime.block_on(async {
            let guard = json!([{"pii": {"action": "mask", "deny": ["PERSON"]}}]);
            let (policy, _) = attached(guard, fake()).await;
            let mut exchange = policy
                .begin("id".into(), RequestHead::default(), Api::ChatCompletions, body.into())
                .unwrap();
            policy.run(&mut exchange, &World, None).await.unwrap();
            rendered(&exchange)
        });
        let seen: Value = serde_json::from_str(&seen).unwrap();
        let expected = format!("{before}[PERSON]{after}");
        prop_assert_eq!(seen["messages"][0]["content"].as_str(), Some(expected.as_str()));
    }
}

/// Token ids are a text that nobody here can read.
#[tokio::test]
async fn token_ids_are_not_clean() {
    for (on_error, end) in [("deny", "guard_unavailable"), ("allow", "continue")] {
        let (policy, _) = attached(json!([{"pii": {"on_error": on_error}}]), fake()).await;
        for prompt in [json!([1, 2, 3]), json!([[1, 2], [3]])] {
            let body = json!({"model": "m", "prompt": prompt}).to_string();
            let head = RequestHead::default();
            let mut exchange = policy
                .begin("id".into(), head, Api::Completions, body.into())
                .unwrap();
            let flow = policy.run(&mut exchange, &World, None).await.unwrap();
            assert_eq!(says(&flow), end);
            assert_eq!(exchange.verdicts[0].failure, Some("unreadable"));
        }
    }
}

/// A verdict that is there at once stops the request before a frontend begins.
#[tokio::test]
async fn what_is_known_already_does_not_overlap() {
    let (policy, _) = attached(json!([{"pii": {"mode": "overlap"}}]), fake()).await;
    let (exchange, flow) = run_chat(&policy, "4711").await;
    assert_eq!(says(&flow), "content_filter");
    assert!(!exchange.verdicts[0].overlapped && exchange.thoughts.is_empty());
}
