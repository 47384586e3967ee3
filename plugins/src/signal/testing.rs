//! Helpers for the tests of signals and policies.
#![allow(clippy::unwrap_used)]

use futures::FutureExt;
use serde_json::{Value, json};

use crate::api::Api;
use crate::exchange::{Exchange, RequestHead};
use crate::policy::{Policy, RoutingConfig};
use crate::registry::BuildContext;
use crate::signal::{Match, Signal};

/// A policy from its JSON.
pub(crate) fn policy(config: Value) -> Policy {
    let config: RoutingConfig = serde_json::from_value(config).unwrap();
    let context = BuildContext {
        families: &config.families(),
        models: &config.models,
        foreign_pii: false,
    };
    match Policy::compile(&config, &["main"], &context) {
        Ok(policy) => policy,
        Err(problems) => panic!("{problems}"),
    }
}

/// The exchange of a chat request.
pub(crate) fn exchange(body: Value) -> Exchange {
    of(Api::ChatCompletions, RequestHead::default(), body)
}

/// The exchange of a request.
pub(crate) fn of(api: Api, head: RequestHead, body: Value) -> Exchange {
    let policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
    }));
    let body = body.to_string().into();
    policy.begin("id".into(), head, api, body).unwrap()
}

/// The exchange of a chat request with one user turn.
pub(crate) fn user(text: &str) -> Exchange {
    exchange(json!({"model": "auto", "messages": [{"role": "user", "content": text}]}))
}

/// A signal's outcomes; built-in signals answer at once.
pub(crate) fn evaluate(signal: &dyn Signal, exchange: &Exchange) -> Vec<Match> {
    signal.evaluate(exchange).now_or_never().unwrap().unwrap()
}
