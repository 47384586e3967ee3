//! The trait of the things that decisions look at.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::exchange::Exchange;

/// One rule's outcome: did it match, and how surely.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// The rule's name in the policy.
    pub name: Arc<str>,
    /// Did it match?
    pub matched: bool,
    /// Confidence of a match, 0 to 1; 1 for rules that cannot be in doubt.
    pub confidence: f32,
    /// What was seen, for `explain`: numbers, labels and offsets, never text of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why a signal has no value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignalError {
    /// The engine refused or failed.
    #[error("{0}")]
    Unavailable(String),
    /// It took longer than its deadline.
    #[error("deadline exceeded")]
    Deadline,
}

/// All rules of one kind (`keywords`, `languages`, `context`, ...), evaluated together in one pass.
#[async_trait]
pub trait Signal: Send + Sync + std::fmt::Debug {
    /// The kind: the word for its section under `signals` in the policy.
    fn kind(&self) -> &'static str;

    /// The outcome of every rule of this kind, in the policy's order.
    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError>;
}
