//! The built-in examples of `complexity` and `fact_check` with the bundled models, on prompts that were not used to
//! choose them.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use commutator_models::engine::EngineMetrics;
use commutator_models::source::HubOptions;
use commutator_models::understand::{Understanding, UnderstandingConfig};
use commutator_plugins::api::Api;
use commutator_plugins::exchange::RequestHead;
use commutator_plugins::model::ModelConfig;
use commutator_plugins::policy::{Environment, Policy, RoutingConfig};
use commutator_plugins::registry::BuildContext;
use serde_json::{Value, json};

struct Calm;

impl Environment for Calm {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

/// A policy with one decision on one rule, and the bundled models.
async fn policy(signals: Value, condition: Value) -> Policy {
    let config = json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "signal_timeout": "60s",
        "signals": signals,
        "decisions": [{"name": "yes", "when": condition, "models": [{"name": "m"}]}],
    });
    let config: RoutingConfig = serde_json::from_value(config).unwrap();
    let families = config.families();
    let context = BuildContext {
        families: &families,
        models: &config.models,
        foreign_pii: false,
    };
    let mut policy = Policy::compile(&config, &["main"], &context).unwrap();
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/bundle");
    let hub = HubOptions {
        bundle: Some(bundle),
        ..HubOptions::from_env(&|_| None)
    };
    let models = Understanding::load(
        &UnderstandingConfig::default(),
        &hub,
        &EngineMetrics::unregistered(),
    );
    let models = Arc::new(models.unwrap());
    policy.attach(Arc::new(models)).await.unwrap();
    policy
}

async fn says_yes(policy: &Policy, text: &str) -> bool {
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
    let head = RequestHead::default();
    let body = body.to_string().into();
    let mut exchange = policy
        .begin("id".to_owned(), head, Api::ChatCompletions, body)
        .unwrap();
    policy.run(&mut exchange, &Calm, None).await.unwrap();
    assert!(exchange.warnings.is_empty(), "{:?}", exchange.warnings);
    exchange.chosen.unwrap().decision.is_some()
}

/// The share of prompts on which the rule says what the file says: `yes` for those with that label.
async fn accuracy(policy: &Policy, file: &str, yes: &str) -> f64 {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let (mut right, mut all) = (0.0, 0.0);
    for line in lines {
        let (label, text) = line.split_once('\t').unwrap();
        let said = says_yes(policy, text).await;
        if said == (label == yes) {
            right += 1.0;
        } else {
            println!("{label}, but not so the rule: {text}");
        }
        all += 1.0;
    }
    println!("{right} of {all}");
    assert!(all >= 60.0);
    right / all
}

#[tokio::test]
async fn difficult_prompts_are_told_from_easy_ones() {
    let signals = json!({"complexity": [{"name": "hard", "min": 0.5}]});
    let policy = policy(signals, json!({"complexity": "hard"})).await;
    let file = include_str!("data/complexity.tsv");
    assert!(accuracy(&policy, file, "hard").await >= 0.9);
}

#[tokio::test]
async fn questions_about_facts_are_told_from_other_prompts() {
    let signals = json!({"fact_check": [{"name": "facts"}]});
    let policy = policy(signals, json!({"fact_check": "facts"})).await;
    let file = include_str!("data/fact_check.tsv");
    assert!(accuracy(&policy, file, "facts").await >= 0.9);
}
