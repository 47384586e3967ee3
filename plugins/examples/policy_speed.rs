//! How long the policy takes for one request: 200 keyword rules of four words, without and with 20 patterns.
//!
//! `cargo run --release -p commutator-plugins --example policy_speed`

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Instant;

use commutator_plugins::api::Api;
use commutator_plugins::exchange::RequestHead;
use commutator_plugins::model::ModelConfig;
use commutator_plugins::policy::{Environment, Policy, RoutingConfig};
use commutator_plugins::registry::BuildContext;
use futures::executor::block_on;
use serde_json::{Value, json};

struct Ready;

impl Environment for Ready {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A word that looks like one: pronounceable, different for each `n`.
fn word(mut n: usize) -> String {
    let mut word = String::new();
    for _ in 0..4 {
        word.push(char::from(b"bdfgklmnprstvz"[n % 14]));
        word.push(char::from(b"aeiou"[n / 14 % 5]));
        n = n / 70 + n * 7;
    }
    word
}

fn policy(patterns: usize) -> Policy {
    let mut rules: Vec<Value> = (0..200)
        .map(|rule| {
            let words: Vec<String> = (0..4).map(|i| word(rule * 4 + i)).collect();
            json!({"name": format!("r{rule}"), "any": words})
        })
        .collect();
    rules.extend((0..patterns).map(|index| {
        let pattern = format!(r"\b{}\s+\d{{3,}}\b", word(9000 + index));
        json!({"name": format!("p{index}"), "any": [pattern], "regex": true})
    }));
    let any: Vec<Value> = (rules.iter())
        .map(|rule| json!({"keyword": rule["name"]}))
        .collect();
    let config: RoutingConfig = serde_json::from_value(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
        "signals": {"keywords": rules},
        "decisions": [{"name": "d", "when": {"any": any}, "models": [{"name": "m"}]}],
    }))
    .unwrap();
    let context = BuildContext {
        families: &config.families(),
        models: &config.models,
        foreign_pii: false,
    };
    Policy::compile(&config, &["main"], &context).unwrap()
}

/// The median of many runs, in microseconds: begin (parsing) and run (the policy).
fn measure(policy: &Policy, bytes: usize, rounds: usize) -> (f64, f64) {
    let mut text = String::from("Dear ");
    for n in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(&word(n + 100_000));
        text.push_str(if n % 12 == 11 { ". The " } else { " " });
    }
    text.truncate(bytes);
    let body = json!({"model": "auto", "messages": [{"role": "user", "content": text}]});
    let body = bytes::Bytes::from(body.to_string());
    let mut times: Vec<(f64, f64)> = (0..rounds)
        .map(|_| {
            let head = RequestHead::default();
            let start = Instant::now();
            let exchange = policy.begin("id".into(), head, Api::ChatCompletions, body.clone());
            let begun = start.elapsed().as_secs_f64();
            let mut exchange = exchange.unwrap();
            let start = Instant::now();
            let flow = block_on(policy.run(&mut exchange, &Ready, None));
            let ran = start.elapsed().as_secs_f64();
            black_box(flow.is_ok());
            (begun * 1e6, ran * 1e6)
        })
        .collect();
    times.sort_by(|a, b| a.1.total_cmp(&b.1));
    times[rounds / 2]
}

fn main() {
    for patterns in [0, 20] {
        let policy = policy(patterns);
        for bytes in [1 << 10, 100 << 10] {
            let (begin, run) = measure(&policy, bytes, 2000);
            println!("{patterns} patterns, {bytes} bytes: begin {begin:.1} us, run {run:.1} us");
        }
    }
}
