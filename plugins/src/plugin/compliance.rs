//! What every built-in plugin must do; each plugin's tests call [`check`].

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use futures::executor::block_on;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{Flow, Plugin, Reply};
use crate::api::Api;
use crate::model::ReasoningFamily;
use crate::problem::Problems;
use crate::registry::{BuildContext, PluginConfig};
use crate::testing;

/// In every text of every request that [`check`] makes.
const SECRET: &str = "PROMPT-4711";

/// Builds a plugin from its entry in a policy, without models.
pub(crate) fn build(entry: &Value) -> Result<Arc<dyn Plugin>, Problems> {
    let config: PluginConfig = serde_json::from_value(entry.clone()).unwrap();
    let families = ReasoningFamily::builtin();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    config.build(&context, "plugins[0]")
}

/// Runs the plugin on a request.
pub(crate) fn run(entry: &Value, api: Api, body: &str) -> (crate::exchange::Exchange, Flow) {
    let plugin = build(entry).unwrap();
    let mut exchange = testing::exchange(api, body).unwrap();
    let flow = block_on(plugin.on_request(&mut exchange)).unwrap();
    (exchange, flow)
}

/// The body that a frontend gets, after the plugin.
pub(crate) fn edited(entry: &Value, api: Api, body: &str) -> String {
    let (exchange, flow) = run(entry, api, body);
    assert!(matches!(flow, Flow::Continue), "{flow:?}");
    testing::rendered(&exchange)
}

/// The problems of a configuration that must not build, one a line.
pub(crate) fn problems(entry: &Value) -> String {
    build(entry).unwrap_err().to_string()
}

/// `entry` is an example of the plugin's configuration, as in a policy: `{"name": {...}}`.
pub(crate) fn check(entry: &Value) {
    let name = configuration(entry);
    assert_eq!(build(entry).unwrap().name(), name);
    leaves_others_alone(entry);
    keeps_bodies_valid(entry);
}

/// The example round-trips, fits the schema, and an unknown key is an error that names it.
fn configuration(entry: &Value) -> &'static str {
    let config: PluginConfig = serde_json::from_value(entry.clone()).unwrap();
    let written = serde_json::to_value(&config).unwrap();
    let again: PluginConfig = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(config, again);
    assert!(written.get(config.name()).is_some());

    let schema = serde_json::to_value(schemars::schema_for!(PluginConfig)).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(entry), "{entry} does not fit the schema");

    let mut odd = entry.clone();
    odd[config.name()]["no_such_key"] = json!(1);
    assert!(!validator.is_valid(&odd));
    let error = serde_json::from_value::<PluginConfig>(odd).unwrap_err();
    assert!(error.to_string().contains("no_such_key"), "{error}");
    config.name()
}

/// Requests of APIs that no plugin edits keep their bytes: the buffer itself, not a copy.
fn leaves_others_alone(entry: &Value) {
    for (api, body) in [
        (
            Api::Embeddings,
            r#"{ "input" : "PROMPT-4711", "model":"e", "odd": 1.50 }"#,
        ),
        (
            Api::Rerank,
            r#"{"query":"PROMPT-4711","documents":["a"],"model":"r"}"#,
        ),
        (Api::Other, r#"{"anything":["PROMPT-4711"]}"#),
    ] {
        let (exchange, _) = run(entry, api, body);
        let rendered = exchange.body.render(&[]).unwrap();
        let original = exchange.body.document().bytes();
        assert_eq!(rendered.as_ptr(), original.as_ptr(), "{api:?} was edited");
    }
}

/// Any chat stays valid JSON, keeps its fields that the plugin has no business with, and no error tells its text.
fn keeps_bodies_valid(entry: &Value) {
    let plugin = build(entry).unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let result = runner.run(&(chat(), any::<bool>()), |(body, pretty)| {
        let text = if pretty {
            serde_json::to_string_pretty(&body).unwrap()
        } else {
            body.to_string()
        };
        for api in [Api::ChatCompletions, Api::Messages, Api::Responses] {
            let mut exchange = testing::exchange(api, &text).unwrap();
            // Twice: a plugin must bear its own edits, and those of others.
            for _ in 0..2 {
                match block_on(plugin.on_request(&mut exchange)) {
                    Ok(Flow::Reply(Reply::Error(error))) => {
                        prop_assert!(!error.to_json().contains(SECRET));
                    }
                    Err(error) => prop_assert!(!error.to_string().contains(SECRET)),
                    Ok(_) => {}
                }
            }
            let out: Value = serde_json::from_str(&testing::rendered(&exchange)).unwrap();
            prop_assert_eq!(&out["x-own"], &body["x-own"]);
            let user = |body: &Value| {
                let messages = body["messages"].as_array().unwrap().iter();
                messages
                    .filter(|m| m["role"] == "user")
                    .cloned()
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(user(&out), user(&body));
        }
        Ok(())
    });
    result.unwrap();
}

fn chat() -> impl Strategy<Value = Value> {
    let text = "[a-z\"\\\\\n ]{0,8}".prop_map(|text| format!("{text}{SECRET}"));
    let part = text
        .clone()
        .prop_map(|text| json!({"type": "text", "text": text}));
    let content = prop_oneof![
        text.prop_map(Value::from),
        prop::collection::vec(part, 0..3).prop_map(Value::from),
        Just(Value::Null),
        Just(json!("")),
    ];
    let role = prop::sample::select(vec!["system", "developer", "user", "assistant", "tool"]);
    let message = (role, prop::option::of(content)).prop_map(|(role, content)| match content {
        Some(content) => json!({"role": role, "content": content}),
        None => json!({"role": role}),
    });
    let number = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        (-4.0..4.0f64).prop_map(Value::from),
        Just(json!("many")),
    ];
    (
        prop::collection::vec(message, 1..5),
        prop::collection::vec(number, 4),
    )
        .prop_map(|(messages, numbers)| {
            json!({
                "model": "m",
                "messages": messages,
                "max_tokens": numbers[0],
                "n": numbers[1],
                "temperature": numbers[2],
                "x-own": numbers[3],
            })
        })
}
