//! `languages`: the language of the last user turn.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError};

/// Matches requests by the language of the last user turn. Texts that are too short to tell match nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// The name that decisions use.
    pub name: String,
    /// The languages, as ISO 639 codes of two or three letters: `de`, `deu`.
    pub codes: Vec<String>,
    /// How sure the detection must be, 0 to 1. Default: 0.5.
    #[serde(default)]
    pub min_confidence: Option<f32>,
}

/// The rules of `languages`.
#[derive(Debug)]
pub struct Languages {
    rules: Vec<Arc<str>>,
}

pub(super) fn build(
    rules: &[LanguageConfig],
    _context: &BuildContext<'_>,
    _problems: &mut Problems,
) -> Languages {
    Languages {
        rules: rules.iter().map(|r| r.name.as_str().into()).collect(),
    }
}

#[async_trait]
impl Signal for Languages {
    fn kind(&self) -> &'static str {
        "languages"
    }

    async fn evaluate(&self, _exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let _ = &self.rules;
        Err(SignalError::Unavailable("not there yet".into()))
    }
}
