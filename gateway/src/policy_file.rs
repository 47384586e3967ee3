//! `policy.yaml`: everything that can change while requests run.

use std::collections::BTreeMap;

use commutator_models::understand::UnderstandingConfig;
use commutator_plugins::model::{ModelConfig, ReasoningFamily};
use commutator_plugins::policy::{DecisionConfig, RoutingConfig, Strategy, UsageConfig};
use commutator_plugins::problem::Problems;
use commutator_plugins::registry::PluginConfig;
use commutator_plugins::signal::SignalsConfig;
use commutator_plugins::units::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterConfig;

/// The format of the policy file that this build reads.
pub(crate) const VERSION: u32 = 1;

/// Commutator's policy: which models there are, where their frontends are, and what is done to which request.
/// Reloaded by SIGHUP, by `POST /reload` and when the file changes; a file with a mistake changes nothing.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    /// The format of this file: 1.
    pub version: u32,
    /// Which `x-vsr-*` headers answers carry.
    #[serde(default)]
    pub headers: HeadersMode,
    /// Sets of Dynamo frontends.
    pub clusters: Vec<ClusterConfig>,
    /// The models that clients and decisions can name.
    #[serde(default)]
    pub models: Vec<ModelConfig>,
    /// Families of models by how reasoning is switched, besides the built-in ones.
    #[serde(default)]
    pub reasoning_families: BTreeMap<String, ReasoningFamily>,
    /// Model names by which a client leaves the choice to the policy.
    #[serde(default = "automatic_models")]
    pub automatic_models: Vec<String>,
    /// The model for automatic requests that no decision matches. Needed unless one decision always matches.
    #[serde(default)]
    pub default_model: Option<String>,
    /// A cluster for models that this policy does not name but its frontends serve. Without it such a model is
    /// unknown (404).
    #[serde(default)]
    pub pass_through_cluster: Option<String>,
    /// The models that read requests for signals and guards. They are loaded only if something in this policy asks
    /// them, and loaded anew when this section or their files change.
    #[serde(default)]
    pub understanding: UnderstandingConfig,
    /// What is looked at in a request; decisions refer to these by name. Cheap kinds come first: `metadata`,
    /// `conversation` and `context`, then `keywords`, then `languages`, then those that ask a model. A kind is evaluated only while the decision
    /// still depends on it, so `x-vsr-matched-*` does not name rules that could no longer change anything; `explain`
    /// shows all.
    #[serde(default)]
    pub signals: SignalsConfig,
    /// How the best of several matching decisions is found.
    #[serde(default)]
    pub strategy: Strategy,
    /// What is done to which request.
    #[serde(default)]
    pub decisions: Vec<DecisionConfig>,
    /// Plugins that run for every request, before those of its decision.
    #[serde(default)]
    pub plugins: Vec<PluginConfig>,
    /// Token usage of streams.
    #[serde(default)]
    pub usage: UsageConfig,
    /// How long signals that ask a model may take; without them the decision is taken as if they did not match.
    #[serde(default = "commutator_plugins::policy::config::signal_timeout")]
    pub signal_timeout: HumanDuration,
    /// What happens to the client's own credentials and steering headers.
    #[serde(default)]
    pub client: ClientConfig,
}

fn automatic_models() -> Vec<String> {
    vec!["MoM".to_owned(), "auto".to_owned()]
}

/// Which `x-vsr-*` headers answers carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HeadersMode {
    /// All of them.
    #[default]
    Full,
    /// Path, model, decision, and why a request was stopped.
    Minimal,
    /// None; `x-request-id` stays.
    Off,
}

/// What happens to the client's own credentials and steering headers.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientConfig {
    /// Pass the client's `authorization` on to the frontends. Off by default: Dynamo checks none, so a secret
    /// would only travel further than it must.
    pub pass_authorization: bool,
    /// Let clients steer Dynamo's workers by `x-dynamo-*` and `x-tenant-id` headers and the body's `nvext`. Off by
    /// default: any client could pin a worker, jump the queue or salt another tenant's cache.
    pub pass_steering: bool,
}

impl PolicyFile {
    /// The part that the plugins crate compiles.
    #[must_use]
    pub(crate) fn routing(&self) -> RoutingConfig {
        RoutingConfig {
            models: self.models.clone(),
            reasoning_families: self.reasoning_families.clone(),
            automatic_models: self.automatic_models.clone(),
            default_model: self.default_model.clone(),
            pass_through_cluster: self.pass_through_cluster.clone(),
            signals: self.signals.clone(),
            strategy: self.strategy,
            decisions: self.decisions.clone(),
            plugins: self.plugins.clone(),
            usage: self.usage.clone(),
            signal_timeout: self.signal_timeout,
        }
    }

    /// What serde cannot see in the gateway's own part.
    #[must_use]
    pub(crate) fn problems(&self) -> Problems {
        let mut problems = Problems::new();
        if self.version != VERSION {
            problems
                .error(
                    "version",
                    format!("this build reads version {VERSION}, not {}", self.version),
                )
                .with_hint(format!("write `version: {VERSION}`"));
        }
        if self.signal_timeout.get().is_zero() {
            problems.error("signal_timeout", "the signals have no time at all");
        }
        if self.clusters.is_empty() {
            problems.error("clusters", "at least one cluster is needed");
        }
        for (index, cluster) in self.clusters.iter().enumerate() {
            if self.clusters[..index]
                .iter()
                .any(|other| other.name == cluster.name)
            {
                problems.error(
                    format!("clusters[{index}].name"),
                    format!("there are two clusters named `{}`", cluster.name),
                );
            }
        }
        problems
    }
}
