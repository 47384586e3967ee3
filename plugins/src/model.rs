//! Models as the policy names them, and how each family is told to reason.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::body::RequestBody;

/// A model that requests can be routed to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The name that clients and decisions use; unique in the policy.
    pub name: String,
    /// The cluster of frontends that serves the model.
    pub cluster: String,
    /// The name that the frontends know the model by. Default: `name`.
    #[serde(default)]
    pub upstream_name: Option<String>,
    /// The family that says how reasoning is switched on and off: a built-in one (`qwen3`, `deepseek`,
    /// `gpt-oss`, `openai`, `granite`, `glm`) or one of `reasoning_families`. Without a family, reasoning is
    /// left as the client sent it.
    #[serde(default)]
    pub reasoning_family: Option<String>,
    /// The longest context the model takes, in tokens. Decisions skip a model that is too short for a request.
    #[serde(default)]
    pub context_length: Option<u32>,
    /// What the model costs, for the cost metrics.
    #[serde(default)]
    pub prices: Option<Prices>,
    /// Other names that clients may use for this model.
    #[serde(default)]
    pub aliases: Vec<String>,
}

impl ModelConfig {
    /// The name in requests to the frontends.
    #[must_use]
    pub fn upstream_name(&self) -> &str {
        self.upstream_name.as_deref().unwrap_or(&self.name)
    }
}

/// Prices per million tokens.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Three-letter currency code.
    #[serde(default = "usd")]
    pub currency: String,
    /// Per million prompt tokens.
    #[serde(default)]
    pub prompt_per_1m: f64,
    /// Per million prompt tokens that came from the cache. Default: `prompt_per_1m`.
    #[serde(default)]
    pub cached_input_per_1m: Option<f64>,
    /// Per million completion tokens.
    #[serde(default)]
    pub completion_per_1m: f64,
}

fn usd() -> String {
    "USD".to_owned()
}

/// How the models of a family are told to reason or not to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ReasoningFamily {
    /// Where the switch stands in the request.
    #[serde(rename = "type")]
    pub kind: ReasoningSwitch,
    /// The name of the parameter, for example `enable_thinking` or `thinking`. Not used by
    /// `reasoning_effort`, whose parameter is always `reasoning_effort`.
    #[serde(default)]
    pub parameter: Option<String>,
    /// The efforts the family knows, weakest first; another effort is refused by `commutator check`.
    /// Default: `low`, `medium`, `high`.
    #[serde(default = "default_efforts")]
    pub efforts: Vec<String>,
}

fn default_efforts() -> Vec<String> {
    ["low", "medium", "high"].map(str::to_owned).to_vec()
}

/// Where a family's reasoning switch stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningSwitch {
    /// A boolean inside `chat_template_kwargs`.
    ChatTemplateKwargs,
    /// The top-level string `reasoning_effort`.
    ReasoningEffort,
    /// A string inside `chat_template_kwargs`, named by `parameter` (default `reasoning_effort`).
    ChatTemplateEffort,
}

/// Reasoning on or off, and how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reasoning {
    /// On or off.
    pub enabled: bool,
    /// `low`, `medium`, `high`, ... where the family knows efforts.
    pub effort: Option<String>,
}

impl ReasoningFamily {
    /// The families that need no configuration. Parameter names: the chat templates of Qwen3, DeepSeek V3.1+,
    /// Granite 3.x and GLM 4.5+, and OpenAI's API for gpt-oss and OpenAI.
    #[must_use]
    pub fn builtin() -> BTreeMap<String, Self> {
        let flag = |parameter: &str| Self {
            kind: ReasoningSwitch::ChatTemplateKwargs,
            parameter: Some(parameter.to_owned()),
            efforts: default_efforts(),
        };
        let effort = || Self {
            kind: ReasoningSwitch::ReasoningEffort,
            parameter: None,
            efforts: default_efforts(),
        };
        [
            ("qwen3", flag("enable_thinking")),
            ("deepseek", flag("thinking")),
            ("granite", flag("thinking")),
            ("glm", flag("enable_thinking")),
            ("gpt-oss", effort()),
            ("openai", effort()),
        ]
        .map(|(name, family)| (name.to_owned(), family))
        .into()
    }

    /// The top-level fields that put `reasoning` into `body`, as raw JSON (`None` removes the field). Nothing is
    /// written that the family does not take: Dynamo answers 400 to fields it does not know.
    #[must_use]
    pub fn fields(
        &self,
        body: &RequestBody,
        reasoning: &Reasoning,
    ) -> Vec<(&'static str, Option<String>)> {
        let effort = || match (&reasoning.effort, reasoning.enabled) {
            (Some(effort), true) => Some(effort.clone()),
            (None, true) => self.efforts.get(self.efforts.len() / 2).cloned(),
            // "Off" is the weakest effort: these models cannot be kept from reasoning altogether.
            (_, false) => self.efforts.first().cloned(),
        };
        match self.kind {
            ReasoningSwitch::ReasoningEffort => {
                vec![("reasoning_effort", effort().map(|e| json!(e).to_string()))]
            }
            ReasoningSwitch::ChatTemplateKwargs => {
                let name = self.parameter.as_deref().unwrap_or("enable_thinking");
                let kwargs = with_kwarg(body, name, json!(reasoning.enabled));
                vec![("chat_template_kwargs", Some(kwargs))]
            }
            ReasoningSwitch::ChatTemplateEffort => {
                let name = self.parameter.as_deref().unwrap_or("reasoning_effort");
                let kwargs = with_kwarg(body, name, json!(effort()));
                vec![("chat_template_kwargs", Some(kwargs))]
            }
        }
    }
}

/// The client's `chat_template_kwargs` with one entry set; the others stay.
fn with_kwarg(body: &RequestBody, name: &str, value: serde_json::Value) -> String {
    let mut kwargs: serde_json::Map<String, serde_json::Value> = body
        .field("chat_template_kwargs")
        .and_then(|raw| serde_json::from_str(&raw).ok())
        .unwrap_or_default();
    kwargs.insert(name.to_owned(), value);
    serde_json::Value::Object(kwargs).to_string()
}
