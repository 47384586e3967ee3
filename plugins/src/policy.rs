//! The compiled policy: which model answers a request and which plugins it passes.
//!
//! [`Policy::compile`] checks the configuration and builds everything once; [`Policy::begin`] turns a request into an
//! [`Exchange`]; [`Policy::run`] (in [`crate::pipeline`]) takes it through signals, decision and plugins;
//! [`Policy::render`] makes the bytes for a frontend.

mod begin;
pub(crate) mod choose;
pub(crate) mod compile;
pub mod config;
mod decide;
mod models;
mod open;
mod render;
pub(crate) mod rule;
pub mod trace;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::Exchange;
use crate::model::{ModelConfig, Reasoning, ReasoningFamily};
use crate::plugin::Plugin;
use crate::problem::Problems;
use crate::signal::{Signal, SignalKind};
use crate::understand::{Expectation, Understand};

pub use choose::Environment;
pub use config::{
    AppliesTo, DecisionConfig, DecisionModel, ReasoningChoice, RoutingConfig, Sticky, Strategy,
    UsageConfig,
};
pub use decide::{Decided, Ranked, Shadow, Signals};
pub use rule::{MAX_DEPTH, Outcome};
pub use trace::Trace;

use rule::Rule;

/// A policy, ready to run. Immutable: a new configuration is a new policy.
#[derive(Debug)]
pub struct Policy {
    pub(crate) models: Vec<Arc<ModelConfig>>,
    /// Names, aliases and upstream names, in this order of preference.
    pub(crate) by_name: HashMap<String, Arc<ModelConfig>>,
    pub(crate) families: BTreeMap<String, ReasoningFamily>,
    pub(crate) automatic: Vec<String>,
    pub(crate) default_model: Option<Arc<ModelConfig>>,
    pub(crate) pass_through: Option<String>,
    pub(crate) signals: Vec<(SignalKind, Arc<dyn Signal>)>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) strategy: Strategy,
    pub(crate) plugins: Vec<Arc<dyn Plugin>>,
    pub(crate) force_usage: bool,
    pub(crate) warnings: Problems,
    pub(crate) signal_timeout: Duration,
    pub(crate) understanding: Option<Arc<dyn Understand>>,
    /// What the policy's own guards will ask about any request; known once the models are.
    pub(crate) expected: Vec<Expectation>,
}

/// A compiled decision.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) name: Arc<str>,
    pub(crate) priority: i32,
    pub(crate) rule: Rule,
    /// The kinds of signals that `rule` looks at.
    pub(crate) kinds: Vec<SignalKind>,
    pub(crate) applies_to: AppliesTo,
    pub(crate) models: Vec<Candidate>,
    pub(crate) fallback: Vec<Arc<ModelConfig>>,
    pub(crate) plugins: Vec<Arc<dyn Plugin>>,
    pub(crate) shadow: bool,
    pub(crate) min_confidence: f32,
    pub(crate) sticky: Option<Sticky>,
}

/// A model that a decision may choose.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) model: Arc<ModelConfig>,
    pub(crate) weight: f64,
    pub(crate) reasoning: Option<Reasoning>,
}

impl Decision {
    /// Does the decision look at this sort of request?
    pub(crate) fn is_live(&self, automatic: bool) -> bool {
        automatic || self.applies_to == AppliesTo::All
    }
}

/// The plugins that were called for a request, in [`Exchange::extensions`].
#[derive(Debug, Default)]
pub(crate) struct Chain(pub(crate) Vec<Arc<dyn Plugin>>);

/// The shadow decisions that matched a request, in [`Exchange::extensions`], for the metrics.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Shadows(pub Vec<Shadow>);

impl Policy {
    /// All models, in the order of the configuration.
    #[must_use]
    pub fn models(&self) -> &[Arc<ModelConfig>] {
        &self.models
    }

    /// The model names that leave the choice to the policy. Empty where the policy has neither decisions nor a
    /// default model.
    #[must_use]
    pub fn automatic_names(&self) -> &[String] {
        &self.automatic
    }

    /// The model that a client means by `name`: the model of that name, else the one with that alias, else the first
    /// that frontends know by it.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Arc<ModelConfig>> {
        self.by_name.get(name)
    }

    /// The cluster for models that the policy does not name.
    #[must_use]
    pub fn pass_through_cluster(&self) -> Option<&str> {
        self.pass_through.as_deref()
    }

    /// What is odd in the configuration without being wrong.
    #[must_use]
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// The names of all decisions, for metrics that show zeros before the first match.
    pub fn decision_names(&self) -> impl Iterator<Item = &str> {
        self.decisions.iter().map(|decision| &*decision.name)
    }

    /// The plugins that were called for this request, in the order of the calls: the policy's, then the decision's;
    /// none after one that replied or failed. Hooks on the answer run in the reverse order.
    #[must_use]
    pub fn plugins_of(&self, exchange: &Exchange) -> Vec<Arc<dyn Plugin>> {
        (exchange.extensions.get::<Chain>()).map_or_else(Vec::new, |chain| chain.0.clone())
    }

    fn decision(&self, name: &str) -> Option<&Decision> {
        self.decisions.iter().find(|d| &*d.name == name)
    }
}

#[cfg(test)]
mod tests;
