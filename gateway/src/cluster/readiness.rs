//! Which models an endpoint can serve now, as it says itself. Never from Dynamo's `/health`, which
//! says "healthy" without a single worker.

mod probe;
mod watch;

pub(super) use probe::Prober;
pub(super) use watch::watch;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What an endpoint's last probe says about it as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum State {
    /// It has not been asked yet.
    #[default]
    Unknown,
    /// It can serve at least one model.
    Ready,
    /// It answers, but can serve no model.
    NotReady {
        /// What it says.
        reason: String,
    },
    /// It does not answer.
    Unreachable {
        /// What happened instead.
        reason: String,
    },
    /// It answers 503 to everything: it is shutting down.
    Draining,
}

impl State {
    /// The name of the state in metrics and logs.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ready => "ready",
            Self::NotReady { .. } => "not_ready",
            Self::Unreachable { .. } => "unreachable",
            Self::Draining => "draining",
        }
    }
}

/// A model in a frontend's listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ListedModel {
    /// Its name upstream.
    pub(crate) id: String,
    /// Who owns it, as the frontend says.
    #[serde(default)]
    pub(crate) owned_by: String,
    /// When it was made, in seconds since 1970, if the frontend says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<u64>,
}

/// Whether an endpoint can serve one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It can.
    Ready,
    /// It cannot, for this reason.
    NotReady(String),
}

/// The result of an endpoint's last probe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Probed {
    pub(super) state: State,
    pub(super) listed: Vec<ListedModel>,
    /// The answers for the models that were asked for one by one.
    pub(super) verdicts: BTreeMap<String, Verdict>,
}

impl Probed {
    /// A result without any model.
    pub(super) fn without_models(state: State) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    /// Keeps each model's time of creation from the probe before: Dynamo gives the time of the
    /// question, which would make every probe look like a change.
    pub(super) fn with_creation_times_of(mut self, before: &Self) -> Self {
        for model in &mut self.listed {
            if let Some(known) = before.listed.iter().find(|m| m.id == model.id) {
                model.created = known.created;
            }
        }
        self
    }

    /// The models that the endpoint can serve: those with a good answer, and of the others those it
    /// lists.
    pub(super) fn served(&self) -> BTreeSet<&str> {
        let ready = self.verdicts.iter().filter(|(_, v)| **v == Verdict::Ready);
        let listed = self.listed.iter().map(|model| model.id.as_str());
        ready
            .map(|(id, _)| id.as_str())
            .chain(listed.filter(|id| !self.verdicts.contains_key(*id)))
            .collect()
    }
}

#[cfg(test)]
mod tests;
