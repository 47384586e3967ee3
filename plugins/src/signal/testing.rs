//! Helpers for the tests of signals and policies.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Value, json};

use crate::api::Api;
use crate::exchange::{Exchange, RequestHead};
use crate::policy::{Policy, RoutingConfig};
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError, SignalKind, SignalsConfig};
use crate::understand::fake::FakeUnderstanding;
use crate::understand::{Inspections, Understand};

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

/// The rules of one kind, and what is wrong with them.
pub(crate) fn build(kind: SignalKind, rules: Value) -> (Arc<dyn Signal>, Problems) {
    let config: SignalsConfig = serde_json::from_value(json!({kind.section(): rules})).unwrap();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    let mut problems = Problems::new();
    (config.build(kind, &context, &mut problems), problems)
}

/// The outcomes of rules that ask `fake` about `exchange`.
pub(crate) async fn ask(
    kind: SignalKind,
    rules: Value,
    fake: FakeUnderstanding,
    mut exchange: Exchange,
) -> Result<Vec<Match>, SignalError> {
    let (signal, problems) = build(kind, rules);
    assert!(problems.is_empty(), "{problems}");
    let healthy = FakeUnderstanding {
        failure: None,
        ..fake.like()
    };
    signal.prepare(&healthy).await.unwrap();
    exchange.inspections = Inspections::new(Some(Arc::new(fake)));
    signal.evaluate(&exchange).await
}

/// What [`ask`] says that matched, in order.
pub(crate) async fn matched(
    kind: SignalKind,
    rules: Value,
    fake: FakeUnderstanding,
    exchange: Exchange,
) -> Vec<bool> {
    let found = ask(kind, rules, fake, exchange).await.unwrap();
    found.iter().map(|outcome| outcome.matched).collect()
}

/// A policy from its JSON, with a fake for its models.
pub(crate) async fn understood(config: Value, fake: &Arc<FakeUnderstanding>) -> Policy {
    let mut policy = policy(config);
    let fake: Arc<dyn Understand> = Arc::<FakeUnderstanding>::clone(fake);
    policy.attach(fake).await.unwrap();
    policy
}
