//! A plugin of your own: answers a mere greeting without asking a model. `WRITING_PLUGINS.md` walks through it.
//!
//! `cargo run -p commutator-plugins --example greeting` shows it at work; `cargo test -p commutator-plugins
//! --example greeting` tests it.

use async_trait::async_trait;
use commutator_plugins::api::Api;
use commutator_plugins::exchange::{Exchange, HeaderChange};
use commutator_plugins::plugin::{Flow, Plugin, PluginError, Reply, ResponseHead, ResponsePath};
use commutator_plugins::problem::Problems;
use commutator_plugins::registry::{BuildContext, BuiltIn};
use commutator_plugins::testing;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers a mere greeting without asking a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GreetingConfig {
    /// What counts as a greeting, in any case: the whole text of the last user turn.
    pub words: Vec<String>,
    /// What the assistant says.
    #[serde(default = "hello")]
    pub answer: String,
}

fn hello() -> String {
    "Hello! How can I help?".to_owned()
}

/// The built plugin: configuration only, shared by all requests.
#[derive(Debug)]
pub struct Greeting {
    words: Vec<String>,
    answer: String,
}

/// What it remembers about one request between its calls.
#[derive(Default)]
struct Seen {
    characters: usize,
}

impl BuiltIn for Greeting {
    type Config = GreetingConfig;

    fn build(
        config: &GreetingConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.words.is_empty() {
            problems
                .error(format!("{path}.words"), "no word counts as a greeting")
                .with_hint("add one, for example `hello`");
        }
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self {
            words: config.words.iter().map(|w| w.to_lowercase()).collect(),
            answer: config.answer.clone(),
        })
    }
}

#[async_trait]
impl Plugin for Greeting {
    fn name(&self) -> &'static str {
        "greeting"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        if exchange.api != Api::ChatCompletions {
            return Ok(Flow::Continue);
        }
        let said: String = exchange
            .conversation
            .last_user()
            .map(|index| exchange.text(index))
            .collect();
        let said = said.trim().to_lowercase();
        if self.words.contains(&said) {
            return Ok(Flow::Reply(Reply::Completion {
                text: self.answer.clone(),
                finish_reason: "stop",
                path: ResponsePath::FastResponse,
            }));
        }
        exchange.extensions.insert(Seen {
            characters: said.chars().count(),
        });
        Ok(Flow::Continue)
    }

    async fn on_response_head(
        &self,
        exchange: &mut Exchange,
        _head: &ResponseHead<'_>,
    ) -> Result<(), PluginError> {
        if let Some(seen) = exchange.extensions.get::<Seen>() {
            let change = HeaderChange::Set(
                HeaderName::from_static("x-prompt-characters"),
                HeaderValue::from(seen.characters),
            );
            exchange.response_headers.push(change);
        }
        Ok(())
    }
}

fn main() {
    let config = GreetingConfig {
        words: vec!["hello".to_owned()],
        answer: hello(),
    };
    for text in ["Hello", "What is 2+2?"] {
        println!("{text:?} -> {:?}", ask(&config, text));
    }
}

/// What the plugin does with a chat that consists of `text`.
fn ask(config: &GreetingConfig, text: &str) -> Result<Flow, String> {
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    let plugin =
        Greeting::build(config, &context, "plugins[0].greeting").map_err(|p| p.to_string())?;
    let body = serde_json::json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    let mut exchange = testing::exchange(Api::ChatCompletions, &body.to_string())
        .map_err(|error| error.message)?;
    futures::executor::block_on(plugin.on_request(&mut exchange)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: serde_json::Value) -> GreetingConfig {
        serde_json::from_value(json).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_greeting_is_answered_and_a_question_is_not() {
        let config = config(serde_json::json!({"words": ["hello"], "answer": "Hi."}));
        let Ok(Flow::Reply(Reply::Completion { text, .. })) = ask(&config, " HELLO\n") else {
            panic!("no answer");
        };
        assert_eq!(text, "Hi.");
        assert!(matches!(
            ask(&config, "hello, what is 2+2?"),
            Ok(Flow::Continue)
        ));
    }

    #[test]
    fn a_mistake_in_the_policy_says_where() {
        let problems = ask(&config(serde_json::json!({"words": []})), "x");
        let Err(problems) = problems else {
            panic!("it was built");
        };
        assert!(
            problems.starts_with("error: plugins[0].greeting.words: no word"),
            "{problems}"
        );
    }
}
