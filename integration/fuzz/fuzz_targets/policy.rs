//! Any plugin entry of a policy either fails with problems or builds a plugin that keeps requests valid.
//!
//! Input: a plugin's entry as JSON, and behind the first NUL byte a request body (a plain chat where there is none).
#![no_main]

use commutator_plugins::api::Api;
use commutator_plugins::json::Document;
use commutator_plugins::model::ReasoningFamily;
use commutator_plugins::registry::{BuildContext, PluginConfig};
use commutator_plugins::testing;
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

const CHAT: &str =
    r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}]}"#;

fuzz_target!(|text: &str| {
    let (entry, body) = text.split_once('\0').unwrap_or((text, CHAT));
    let Ok(config) = serde_json::from_str::<PluginConfig>(entry) else {
        return;
    };
    let written = serde_json::to_string(&config).expect("a configuration can be written");
    let again: PluginConfig = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(again.name(), config.name());
    let families = ReasoningFamily::builtin();
    let context = BuildContext {
        families: &families,
        models: &[],
    };
    let plugin = match config.build(&context, "plugins[0]") {
        Ok(plugin) => plugin,
        Err(problems) => return assert!(problems.has_errors()),
    };
    for api in [
        Api::ChatCompletions,
        Api::Messages,
        Api::Responses,
        Api::Embeddings,
    ] {
        let Ok(mut exchange) = testing::exchange(api, body) else {
            continue;
        };
        if exchange.body.document().root().members().next().is_none() {
            continue;
        }
        block_on(plugin.on_request(&mut exchange)).expect("no built-in plugin fails");
        let out = exchange.body.render(&[]).expect("one plugin's edits agree");
        Document::parse(out).expect("an edited body is no JSON");
    }
});
