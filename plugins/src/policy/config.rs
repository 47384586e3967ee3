//! How a policy looks in the configuration. The doc comments become the reference page.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ModelConfig, Reasoning, ReasoningFamily};
use crate::registry::PluginConfig;
use crate::signal::{Condition, SignalsConfig};
use crate::units::HumanDuration;

/// Which model answers which request, and what is done to the request on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutingConfig {
    /// The models that requests can be routed to.
    #[serde(default)]
    pub models: Vec<ModelConfig>,
    /// Families of models that are told to reason in a way that no built-in family has, by name.
    #[serde(default)]
    pub reasoning_families: BTreeMap<String, ReasoningFamily>,
    /// The model names by which a client leaves the choice to the policy.
    #[serde(default = "automatic_models")]
    pub automatic_models: Vec<String>,
    /// The model for requests that leave the choice to the policy and match no decision.
    #[serde(default)]
    pub default_model: Option<String>,
    /// The cluster that gets requests for models that this policy does not name. Default: such a model is
    /// unknown, and the answer is 404.
    #[serde(default)]
    pub pass_through_cluster: Option<String>,
    /// The rules that decisions are made of, by kind.
    #[serde(default)]
    pub signals: SignalsConfig,
    /// What to do with requests that match.
    #[serde(default)]
    pub decisions: Vec<DecisionConfig>,
    /// Which decision is taken when several match.
    #[serde(default)]
    pub strategy: Strategy,
    /// Plugins for every request that holds text or asks for text, before the plugins of the decision.
    #[serde(default)]
    pub plugins: Vec<PluginConfig>,
    /// Token counts of streamed answers.
    #[serde(default)]
    pub usage: UsageConfig,
    /// How long signals that ask a model may take; without them the decision is taken as if they did not match.
    #[serde(default = "signal_timeout")]
    pub signal_timeout: HumanDuration,
}

impl Default for RoutingConfig {
    fn default() -> Self {
        Self {
            models: Vec::new(),
            reasoning_families: BTreeMap::new(),
            automatic_models: automatic_models(),
            default_model: None,
            pass_through_cluster: None,
            signals: SignalsConfig::default(),
            decisions: Vec::new(),
            strategy: Strategy::default(),
            plugins: Vec::new(),
            usage: UsageConfig::default(),
            signal_timeout: signal_timeout(),
        }
    }
}

impl RoutingConfig {
    /// The reasoning families by name: the built-in ones and those of this configuration, which win.
    #[must_use]
    pub fn families(&self) -> BTreeMap<String, ReasoningFamily> {
        let mut families = ReasoningFamily::builtin();
        families.extend(self.reasoning_families.clone());
        families
    }
}

fn automatic_models() -> Vec<String> {
    ["MoM", "auto"].map(str::to_owned).to_vec()
}

/// How long models may take before a decision, unless the policy says otherwise.
#[must_use]
pub fn signal_timeout() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(1))
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

/// Which decision is taken when several match.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The one with the highest priority, then the highest confidence, then the first name.
    #[default]
    Priority,
    /// The one with the highest confidence, then the highest priority, then the first name.
    Confidence,
}

/// Token counts of streamed answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsageConfig {
    /// Ask frontends for the token counts of every stream (`stream_options.include_usage`), so that they can be
    /// metered; clients that did not ask do not see them.
    #[serde(default = "yes")]
    pub force: bool,
}

impl Default for UsageConfig {
    fn default() -> Self {
        Self { force: true }
    }
}

/// What to do with requests that match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionConfig {
    /// The name in headers, metrics and logs; unique in the policy.
    pub name: String,
    /// For readers of the policy.
    #[serde(default)]
    pub description: Option<String>,
    /// The decision with the highest priority is taken; see `strategy`.
    #[serde(default)]
    pub priority: i32,
    /// Which requests match. Without it every request does, with confidence 0.
    #[serde(default)]
    pub when: Option<Condition>,
    /// Which requests the decision looks at.
    #[serde(default)]
    pub applies_to: AppliesTo,
    /// The models that may answer. Without any, the default model does.
    #[serde(default)]
    pub models: Vec<DecisionModel>,
    /// Models to try, in this order, when none of `models` can be served.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// Plugins for the requests of this decision, after those of the whole policy.
    #[serde(default)]
    pub plugins: Vec<PluginConfig>,
    /// Evaluate and count this decision, but never take it.
    #[serde(default)]
    pub shadow: bool,
    /// A match below this confidence (0 to 1) does not count.
    #[serde(default)]
    pub min_confidence: Option<f32>,
    /// What keeps requests that belong together on one of several `models`. Default: each request is drawn anew.
    #[serde(default)]
    pub sticky: Option<Sticky>,
}

/// Which requests a decision looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AppliesTo {
    /// Those that leave the choice of the model to the policy.
    #[default]
    Automatic,
    /// Also those that name a model. They keep it; the decision contributes its plugins.
    All,
}

/// A model that a decision may choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionModel {
    /// The name of one of the policy's models.
    pub name: String,
    /// The share of requests it gets, relative to the other models' weights. 0 sends it nothing.
    #[serde(default = "one")]
    pub weight: f64,
    /// How the model is told to reason. Default: as the client asked.
    #[serde(default)]
    pub reasoning: Option<ReasoningChoice>,
}

/// Reasoning on or off, and how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasoningChoice {
    /// On or off.
    pub enabled: bool,
    /// An effort that the model's family knows. Default: the family's middle one.
    #[serde(default)]
    pub effort: Option<String>,
}

impl From<&ReasoningChoice> for Reasoning {
    fn from(choice: &ReasoningChoice) -> Self {
        Self {
            enabled: choice.enabled,
            effort: choice.effort.clone(),
        }
    }
}

/// What requests that belong together have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// The value of this request header. Requests without it are drawn anew.
    Header(String),
    /// The beginning of the conversation: its system prompt and its first user turn.
    Session,
}
