//! Signals that ask the models, together and with the guards.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use commutator_models::ModelError;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::api::Api;
use crate::exchange::{Exchange, RequestHead};
use crate::model::ModelConfig;
use crate::policy::{Environment, Policy, Shadows, Trace};
use crate::signal::testing::understood;
use crate::understand::Question;
use crate::understand::fake::FakeUnderstanding;

/// Everything is ready, and the dice always show the same.
struct Calm;

impl Environment for Calm {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

fn fake() -> FakeUnderstanding {
    FakeUnderstanding {
        subjects: vec![("sum", "math", 0.8), ("perhaps", "law", 0.45)],
        attacks: vec![("ignore", 0.9)],
        pii: vec![("Ada", "PERSON", 0.9)],
        directions: vec!["bill", "poem"],
        ..FakeUnderstanding::default()
    }
}

/// A decision on each of the kinds, and both guards.
fn config() -> Value {
    let decision = |priority: i32, kind: &str, rule: &str| json!({"name": rule, "priority": priority, "when": {kind: rule}, "models": [{"name": "m"}]});
    json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "signals": {
            "keywords": [{"name": "now", "any": ["now"]}],
            "domains": [{"name": "math"}, {"name": "law", "threshold": 0.4, "top": 2}],
            "embeddings": [{"name": "billing", "examples": ["my bill"]}],
            "complexity": [{"name": "hard", "min": 0.6, "hard": ["bill"], "easy": ["poem"]}],
            "fact_check": [{"name": "facts", "facts": ["bill"], "creative": ["poem"]}],
            "jailbreak": [{"name": "attack"}],
            "pii": [{"name": "person", "deny": ["PERSON"]}],
        },
        "decisions": [
            decision(9, "keyword", "now"),
            decision(8, "pii", "person"),
            decision(7, "jailbreak", "attack"),
            decision(6, "domain", "math"),
            decision(5, "domain", "law"),
            decision(4, "embedding", "billing"),
            decision(3, "complexity", "hard"),
            decision(2, "fact_check", "facts"),
        ],
        "plugins": [
            {"pii": {"deny": ["PERSON"], "action": "flag"}},
            {"jailbreak": {"action": "flag"}},
        ],
    })
}

fn begin(policy: &Policy, text: &str) -> Exchange {
    let body = json!({"model": "MoM", "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": text},
    ]});
    let body = body.to_string().into();
    let head = RequestHead::default();
    let api = Api::ChatCompletions;
    policy.begin("id".into(), head, api, body).unwrap()
}

async fn run(policy: &Policy, text: &str, trace: Option<&mut Trace>) -> Exchange {
    let mut exchange = begin(policy, text);
    policy.run(&mut exchange, &Calm, trace).await.unwrap();
    exchange
}

fn decision(exchange: &Exchange) -> Option<String> {
    let chosen = exchange.chosen.as_ref().unwrap();
    chosen.decision.as_deref().map(str::to_owned)
}

/// A policy that has not asked anything yet but about its examples.
async fn fresh(config: Value, fake: FakeUnderstanding) -> (Policy, Arc<FakeUnderstanding>) {
    let fake = Arc::new(fake);
    let policy = understood(config, &fake).await;
    fake.calls.lock().clear();
    (policy, fake)
}

#[tokio::test]
async fn signals_and_guards_ask_once_about_a_text() {
    let (policy, fake) = fresh(config(), fake()).await;
    let exchange = run(&policy, "a sum for Ada, ignore the rest", None).await;
    assert_eq!(*fake.calls.lock(), [Question::ALL.to_vec()]);
    assert_eq!(decision(&exchange).as_deref(), Some("person"));
    let flagged: Vec<&str> = exchange
        .verdicts
        .iter()
        .map(|v| v.outcome.as_str())
        .collect();
    assert_eq!(flagged, ["flagged", "flagged"]);
}

#[tokio::test]
async fn a_text_of_several_parts_is_asked_about_by_part_and_as_a_whole() {
    let (policy, fake) = fresh(config(), fake()).await;
    let body = json!({"model": "MoM", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "a sum"}, {"type": "text", "text": "of one"},
    ]}]});
    let body = body.to_string().into();
    let head = RequestHead::default();
    let api = Api::ChatCompletions;
    let mut exchange = policy.begin("id".into(), head, api, body).unwrap();
    policy.run(&mut exchange, &Calm, None).await.unwrap();
    let mut calls = fake.calls.lock().clone();
    calls.sort();
    let guards = vec![Question::Jailbreak, Question::Pii];
    let about = vec![Question::Domain, Question::Embedding];
    assert_eq!(calls, [about, guards.clone(), guards]);
    assert_eq!(exchange.category.as_deref(), Some("math"));
}

#[tokio::test]
async fn models_are_asked_only_while_the_decision_depends_on_them() {
    let mut config = config();
    config["plugins"] = json!([]);
    let (policy, fake) = fresh(config, fake()).await;
    let exchange = run(&policy, "a sum for Ada now", None).await;
    assert_eq!(decision(&exchange).as_deref(), Some("now"));
    assert!(fake.calls.lock().is_empty());
    assert_eq!(exchange.category, None);
}

#[tokio::test]
async fn each_kind_decides_and_names_what_matched() {
    let cases = [
        ("I am Ada", "person", "pii"),
        ("ignore it", "attack", "jailbreak"),
        ("a sum", "math", "domains"),
        ("perhaps", "law", "domains"),
        ("pay the bill", "billing", "embeddings"),
        ("pay the bill", "hard", "complexity"),
        ("pay the bill", "facts", "fact-check"),
    ];
    for (text, rule, kind) in cases {
        let mut config = config();
        let all = config["decisions"].as_array_mut().unwrap();
        all.retain(|decision| decision["name"] == rule);
        let (policy, _) = fresh(config, fake()).await;
        let exchange = run(&policy, text, None).await;
        assert_eq!(decision(&exchange).as_deref(), Some(rule), "{text}");
        assert_eq!(exchange.matched(kind), [rule.into()], "{text}");
        let exchange = run(&policy, "a poem", None).await;
        assert_eq!(decision(&exchange), None, "{rule}");
    }
}

#[tokio::test]
async fn the_category_is_the_most_probable_subject() {
    let (policy, _) = fresh(config(), fake()).await;
    for (text, category) in [("a sum", Some("math")), ("perhaps", Some("other"))] {
        let exchange = run(&policy, text, None).await;
        assert_eq!(exchange.category.as_deref(), category, "{text}");
    }
}

#[tokio::test]
async fn a_failure_leaves_the_decision_open_and_warns() {
    let mut config = config();
    config["plugins"] = json!([]);
    config["decisions"] = json!([
        {"name": "harmless", "priority": 2, "when": {"not": {"jailbreak": "attack"}}, "models": [{"name": "m"}]},
        {"name": "clean", "priority": 1, "when": {"not": {"pii": "person"}}, "models": [{"name": "m"}]},
    ]);
    let (mut policy, _) = fresh(config, fake()).await;
    let exchange = run(&policy, "hello", None).await;
    assert_eq!(decision(&exchange).as_deref(), Some("harmless"));
    let broken: [FakeUnderstanding; 2] = [
        FakeUnderstanding {
            failure: Some(ModelError::Overloaded),
            ..fake()
        },
        FakeUnderstanding {
            delay: Duration::from_secs(600),
            ..fake()
        },
    ];
    policy.signal_timeout = Duration::from_millis(20);
    for broken in broken {
        policy.understanding = Some(Arc::new(broken));
        let exchange = run(&policy, "hello", None).await;
        assert_eq!(decision(&exchange), None);
        assert_eq!(exchange.warnings, ["signal_skipped"]);
        assert_eq!(exchange.category, None);
    }
}

const KINDS: [(&str, &str); 7] = [
    ("keyword", "now"),
    ("domain", "math"),
    ("domain", "law"),
    ("embedding", "billing"),
    ("fact_check", "facts"),
    ("jailbreak", "attack"),
    ("pii", "person"),
];

fn condition() -> impl Strategy<Value = Value> {
    let leaf = (0..KINDS.len()).prop_map(|index| {
        let (kind, rule) = KINDS[index];
        json!({kind: rule})
    });
    leaf.prop_recursive(3, 10, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            list.clone().prop_map(|list| json!({"all": list})),
            list.prop_map(|list| json!({"any": list})),
            inner.prop_map(|one| json!({"not": one})),
        ]
    })
}

fn any_config() -> impl Strategy<Value = Value> {
    let decision = (
        -1..3,
        condition(),
        proptest::bool::weighted(0.2),
        prop_oneof![Just(0.0), Just(0.7)],
    );
    let strategy = prop_oneof![Just("priority"), Just("confidence")];
    (strategy, proptest::collection::vec(decision, 1..6)).prop_map(|(strategy, list)| {
        let decisions: Vec<Value> = (list.into_iter().enumerate())
            .map(|(index, (priority, when, shadow, least))| {
                json!({"name": format!("d{index}"), "priority": priority, "when": when, "shadow": shadow,
                    "min_confidence": least, "models": [{"name": "m"}]})
            })
            .collect();
        let mut config = config();
        config["strategy"] = json!(strategy);
        config["decisions"] = json!(decisions);
        config
    })
}

/// Words that the models have something to say about, and what they say.
fn any_fake() -> impl Strategy<Value = FakeUnderstanding> {
    (0.0_f32..=1.0, 0.0_f32..=1.0, 0.0_f32..=1.0, 0.0_f32..=1.0).prop_map(
        |(math, law, attack, person)| FakeUnderstanding {
            subjects: vec![("sum", "math", math), ("perhaps", "law", law)],
            attacks: vec![("ignore", attack)],
            pii: vec![("Ada", "PERSON", person)],
            ..fake()
        },
    )
}

/// What a client and the metrics see of a decision.
fn seen(exchange: &Exchange) -> (Option<String>, f32, Vec<(String, bool)>) {
    let shadows = exchange.extensions.get::<Shadows>();
    let shadows = shadows.iter().flat_map(|shadows| &shadows.0);
    (
        decision(exchange),
        exchange.chosen.as_ref().unwrap().confidence,
        shadows.map(|s| (s.name.to_string(), s.would_win)).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Not asking the models where nothing depends on them changes no decision; `explain` asks about everything.
    #[test]
    fn the_decision_is_that_of_all_signals(
        config in any_config(),
        fake in any_fake(),
        broken in proptest::bool::weighted(0.2),
        words in proptest::sample::subsequence(
            vec!["now", "sum", "perhaps", "bill", "poem", "ignore", "Ada"], 0..=5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut policy, _) = fresh(config, fake.like()).await;
            if broken {
                policy.understanding = Some(Arc::new(FakeUnderstanding {
                    failure: Some(ModelError::Overloaded),
                    ..fake
                }));
                policy.plugins.clear();
            }
            let text = words.join(" ");
            let lazy = run(&policy, &text, None).await;
            let all = run(&policy, &text, Some(&mut Trace::default())).await;
            prop_assert_eq!(seen(&lazy), seen(&all));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_match_stands_though_another_text_takes_too_long() {
    let fake = Arc::new(FakeUnderstanding {
        attacks: vec![("ignore", 0.9)],
        delay: Duration::from_secs(3600),
        delayed_at: Some("page"),
        ..FakeUnderstanding::default()
    });
    let decision = |name: &str, model: &str, when: Value| json!({"name": name, "models": [{"name": model}], "when": when});
    let attack = json!({"jailbreak": "attack"});
    let policy = understood(
        json!({
            "models": [{"name": "m", "cluster": "main"}, {"name": "safe", "cluster": "main"}],
            "default_model": "m",
            "signal_timeout": "1s",
            "signals": {"jailbreak": [{"name": "attack", "scope": ["user", "system"]}]},
            "decisions": [
                decision("attacked", "safe", attack.clone()),
                decision("harmless", "m", json!({"not": attack})),
            ],
        }),
        &fake,
    )
    .await;
    for (text, taken) in [("ignore it", Some("attacked")), ("hi", None)] {
        let body = json!({"model": "MoM", "messages": [
            {"role": "system", "content": "a page"},
            {"role": "user", "content": text},
        ]});
        let (head, body) = (RequestHead::default(), body.to_string().into());
        let api = Api::ChatCompletions;
        let mut exchange = policy.begin("id".into(), head, api, body).unwrap();
        policy.run(&mut exchange, &Calm, None).await.unwrap();
        let chosen = exchange.chosen.as_ref().unwrap();
        assert_eq!(chosen.decision.as_deref(), taken);
        assert_eq!(exchange.warnings.is_empty(), taken.is_some());
    }
}
