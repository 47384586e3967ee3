//! Structs with the shapes of the real policy.

use std::collections::BTreeMap;

use commutator_plugins::{
    problem,
    secret::Secret,
    units::{ByteSize, HumanDuration},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the gateway does with a request.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Format of this file; `1` is the only one.
    pub(super) version: u8,
    /// Worker threads.
    #[serde(default = "four")]
    pub(super) threads: u16,
    /// Names that let the policy choose.
    #[serde(default)]
    pub(super) automatic: Vec<String>,
    #[serde(default)]
    pub(super) listener: Option<Listener>,
    /// What may be decided, best first.
    #[serde(default)]
    pub(super) decisions: Vec<Decision>,
    /// Models by name.
    #[serde(default)]
    pub(super) models: BTreeMap<String, Model>,
    /// Answers by status code.
    #[serde(default)]
    pub(super) answers: BTreeMap<u16, String>,
    /// Anything, for notes.
    #[serde(default)]
    pub(super) notes: serde_json::Value,
}

fn four() -> u16 {
    4
}

/// Where requests come in.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    /// Address and port.
    pub(super) address: std::net::SocketAddr,
    /// Total time for a request.
    #[serde(default = "minute")]
    pub(super) timeout: HumanDuration,
    /// Largest body.
    #[serde(default = "body")]
    pub(super) max_body: ByteSize,
    /// Whether to speak TLS.
    #[serde(default)]
    pub(super) tls: bool,
    /// Who may see the admin pages.
    #[serde(default)]
    pub(super) admin_token: Option<Secret>,
}

fn minute() -> HumanDuration {
    HumanDuration::from_secs(60)
}

fn body() -> ByteSize {
    ByteSize::from_mib(45)
}

/// A model that answers.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    /// The cluster that serves it.
    pub(super) cluster: String,
    /// Share of the requests.
    #[serde(default)]
    pub(super) weight: Option<Share>,
    /// Key for the frontends.
    #[serde(default)]
    pub(super) api_key: Option<Secret>,
}

/// From zero to one.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
pub(super) struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(problem::with_hint(
                "a share lies between 0 and 1",
                "write 20 percent as `0.2`",
            ))
        }
    }
}

/// One way to answer.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// Unique.
    pub(super) name: String,
    /// The highest that matches wins.
    #[serde(default)]
    pub(super) priority: i32,
    /// When it applies.
    pub(super) rule: Rule,
    /// Models and their order.
    pub(super) models: Vec<String>,
    /// What is done on the way.
    #[serde(default)]
    pub(super) plugins: Vec<Plugin>,
}

/// A condition on the signals of a request.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Rule {
    /// Every one of these.
    All(Vec<Rule>),
    /// At least one of these.
    Any(Vec<Rule>),
    /// The opposite.
    Not(Box<Rule>),
    /// A keyword signal by name.
    Keyword(String),
    /// The context is so long, in tokens.
    Context {
        /// At least.
        min: u32,
        /// At most.
        #[serde(default)]
        max: Option<u32>,
    },
    /// Always true.
    Always,
}

/// A step on the way.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Plugin {
    /// Personal data.
    Pii(PiiConfig),
    /// A text put before the conversation.
    SystemPrompt(PromptConfig),
    /// The exact cache.
    Cache(CacheConfig),
}

/// What to do about personal data.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PiiConfig {
    /// What happens to a request.
    pub(super) action: Action,
    /// Kinds that may pass.
    pub(super) allow: Vec<String>,
}

/// What a guard does.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// Answer instead of the model.
    #[default]
    Block,
    /// Replace the spans.
    Redact,
    /// Only count.
    Flag,
}

/// A system prompt.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PromptConfig {
    /// The text.
    pub(super) text: String,
    /// How it joins what is there.
    #[serde(default)]
    pub(super) mode: PromptMode,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum PromptMode {
    #[default]
    Prepend,
    Append,
    Replace,
}

/// An exact cache.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "RawCache")]
pub(super) struct CacheConfig {
    min: u32,
    max: u32,
}

/// An exact cache.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawCache {
    /// Fewest messages.
    min: u32,
    /// Most messages.
    max: u32,
}

impl TryFrom<RawCache> for CacheConfig {
    type Error = String;

    fn try_from(raw: RawCache) -> Result<Self, String> {
        if raw.min > raw.max {
            return Err("`min` is greater than `max`".into());
        }
        Ok(Self {
            min: raw.min,
            max: raw.max,
        })
    }
}
