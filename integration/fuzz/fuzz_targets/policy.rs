//! A policy, or a single plugin's entry, either fails with problems or keeps every request valid.
//!
//! Input: JSON, either a plugin's entry (`{"headers": {...}}`) or the routing part of a policy; behind the first NUL byte
//! a request body (a plain chat where there is none).
#![no_main]

use bytes::Bytes;
use commutator_plugins::api::Api;
use commutator_plugins::exchange::RequestHead;
use commutator_plugins::json::Document;
use commutator_plugins::model::{ModelConfig, ReasoningFamily};
use commutator_plugins::plugin::Flow;
use commutator_plugins::policy::{Environment, Policy, RoutingConfig};
use commutator_plugins::registry::{BuildContext, PluginConfig};
use commutator_plugins::testing;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

const CHAT: &str = r#"{"model":"auto","messages":[{"role":"system","content":"s"},{"role":"user","content":"hello 2+2"}]}"#;
const APIS: [Api; 5] = [
    Api::ChatCompletions,
    Api::Messages,
    Api::Responses,
    Api::Completions,
    Api::Embeddings,
];

fuzz_target!(|text: &str| {
    let (entry, body) = text.split_once('\0').unwrap_or((text, CHAT));
    if let Ok(config) = serde_json::from_str::<PluginConfig>(entry) {
        plugin(&config, body);
    } else if let Ok(config) = serde_json::from_str::<RoutingConfig>(entry) {
        policy(&config, body);
    }
});

fn plugin(config: &PluginConfig, body: &str) {
    let written = serde_json::to_string(config).expect("a configuration can be written");
    let again: PluginConfig = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again.name(), config.name());
    let families = ReasoningFamily::builtin();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    let plugin = match config.build(&context, "plugins[0]") {
        Ok(plugin) => plugin,
        Err(problems) => return assert!(problems.has_errors()),
    };
    for api in APIS {
        let Ok(mut exchange) = testing::exchange(api, body) else {
            continue;
        };
        if !body.trim_start().starts_with('{') {
            continue;
        }
        block_on(plugin.on_request(&mut exchange)).expect("no built-in plugin fails");
        let out = exchange.body.render(&[]).expect("one plugin's edits agree");
        Document::parse(out).expect("an edited body is no JSON");
    }
}

fn policy(config: &RoutingConfig, body: &str) {
    let families = config.families();
    let context = BuildContext {
        families: &families,
        models: &config.models,
        foreign_pii: false,
    };
    let policy = match Policy::compile(config, &["c"], &context) {
        Ok(policy) => policy,
        Err(problems) => return assert!(problems.has_errors()),
    };
    for api in APIS {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let Ok(mut exchange) = policy.begin("id".to_owned(), RequestHead::default(), api, body)
        else {
            continue;
        };
        let Ok(Flow::Continue) = block_on(policy.run(&mut exchange, &Fixed, None)) else {
            continue;
        };
        let Some(chosen) = exchange.chosen.clone() else {
            continue;
        };
        for model in std::iter::once(&chosen.model).chain(&chosen.fallback) {
            let out = policy
                .render(&exchange, model)
                .expect("the built-in plugins' edits agree");
            Document::parse(out).expect("an edited body is no JSON");
        }
    }
}

/// Everything is ready, and chance is none.
struct Fixed;

impl Environment for Fixed {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.5
    }
}
