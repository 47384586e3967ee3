//! What the policy did with a request and why, for `explain`. Names, numbers and labels; never text of a prompt, unless
//! somebody asks for it.

mod display;
mod inspections;

use serde::Serialize;

use crate::finding::Finding;
use crate::guard::Verdict;
use crate::model::ModelConfig;
use crate::plugin::{Reply, ResponsePath};
use crate::signal::Match;

pub use inspections::{
    AttackTrace, InspectionTrace, LabelTrace, ModelTrace, PieceTrace, TimingTrace,
};

/// The story of one request.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Trace {
    /// The revision of the policy; the caller sets it.
    pub revision: Option<String>,
    /// The API.
    pub api: &'static str,
    /// The model that the client asked for.
    pub requested_model: String,
    /// Did the client leave the choice of the model to the policy?
    pub automatic: bool,
    /// Each kind of signal that the policy has.
    pub signals: Vec<SignalTrace>,
    /// Each decision, in the policy's order.
    pub decisions: Vec<DecisionTrace>,
    /// The decision that was taken.
    pub decision: Option<String>,
    /// Why that one, in a sentence.
    pub why: String,
    /// The models that could have answered.
    pub candidates: Vec<CandidateTrace>,
    /// The model that answers.
    pub model: Option<String>,
    /// The models to try next.
    pub fallback: Vec<String>,
    /// The plugins that were called, in order.
    pub plugins: Vec<PluginTrace>,
    /// The plugin's own answer, if one replied.
    pub reply: Option<ReplyTrace>,
    /// What guards decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// What they found: labels, scores and offsets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The models that are loaded, by what they are asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelTrace>,
    /// What the models said about each text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inspections: Vec<InspectionTrace>,
}

/// One kind of signal.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SignalTrace {
    /// Its section in the policy.
    pub kind: &'static str,
    /// Why it has no value: not needed, or failed.
    pub skipped: Option<String>,
    /// Evaluated for this explanation only: the decision stands without it, so a request does not wait for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
    /// How long the evaluation took, in microseconds.
    pub micros: Option<u64>,
    /// Each rule's outcome.
    pub rules: Vec<Match>,
}

/// One decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DecisionTrace {
    /// Its name.
    pub name: String,
    /// Its priority.
    pub priority: i32,
    /// Is it only counted?
    pub shadow: bool,
    /// Why it was not looked at.
    pub skipped: Option<String>,
    /// Did it match?
    pub matched: bool,
    /// How surely, if its condition holds.
    pub confidence: Option<f32>,
    /// Why it does not count although its condition holds.
    pub rejected: Option<String>,
    /// The condition, piece by piece.
    pub condition: Option<NodeTrace>,
}

/// One piece of a condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeTrace {
    /// `all`, `any`, `not`, or `keyword: name`.
    pub node: String,
    /// `true`, `false`; `null` where nobody knows, as a signal has no value.
    pub holds: Option<bool>,
    /// How surely, if it holds.
    pub confidence: Option<f32>,
    /// The pieces inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<NodeTrace>,
}

/// A model that could have answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CandidateTrace {
    /// Its name.
    pub name: String,
    /// Its weight; `null` for a fallback.
    pub weight: Option<f64>,
    /// Why it was not drawn.
    pub dropped: Option<String>,
}

impl CandidateTrace {
    pub(crate) fn new(model: &ModelConfig, weight: f64, dropped: Option<String>) -> Self {
        Self {
            name: model.name.clone(),
            weight: Some(weight),
            dropped,
        }
    }

    pub(crate) fn fallback(model: &ModelConfig, dropped: Option<String>) -> Self {
        Self {
            name: model.name.clone(),
            weight: None,
            dropped,
        }
    }
}

/// A plugin that was called.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PluginTrace {
    /// Its name.
    pub name: &'static str,
    /// What it changed: names and counts.
    pub changes: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// A plugin's own answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplyTrace {
    /// The plugin.
    pub plugin: &'static str,
    /// The value of `x-vsr-response-path`.
    pub path: &'static str,
    /// The HTTP status.
    pub status: u16,
}

impl ReplyTrace {
    /// What a plugin answered.
    #[must_use]
    pub fn of(plugin: &'static str, reply: &Reply) -> Self {
        let (path, status) = match reply {
            Reply::Completion { path, .. } => (*path, 200),
            Reply::Error(error) => (ResponsePath::Error, error.status.as_u16()),
            Reply::Raw { path, status, .. } => (*path, status.as_u16()),
        };
        Self {
            plugin,
            path: path.as_str(),
            status,
        }
    }
}
