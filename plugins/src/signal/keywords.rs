//! `keywords`: words and patterns in the request's texts.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError};

/// Matches requests by words in their texts. All of `any`, `all` and `none` that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeywordConfig {
    /// The name that decisions use.
    pub name: String,
    /// At least one of these is there.
    #[serde(default)]
    pub any: Vec<String>,
    /// Every one of these is there.
    #[serde(default)]
    pub all: Vec<String>,
    /// None of these is there.
    #[serde(default)]
    pub none: Vec<String>,
    /// The words are regular expressions; `^` and `$` are the ends of a text, `whole_word` has no effect.
    #[serde(default)]
    pub regex: bool,
    /// A word counts only between word boundaries: `class` is not found in `classic`. Scripts that write no
    /// spaces between words (Chinese, Japanese, Korean particles, Thai, Lao, Khmer, Burmese) have a boundary at every
    /// character.
    #[serde(default = "yes")]
    pub whole_word: bool,
    /// Upper and lower case are different. Otherwise both are the same, in all scripts.
    #[serde(default)]
    pub case_sensitive: bool,
    /// In which texts to look.
    #[serde(default)]
    pub scope: Scope,
}

fn yes() -> bool {
    true
}

/// Which texts of a request a rule looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The last turn of the user.
    #[default]
    LastUser,
    /// Everything the user says.
    User,
    /// Everything, also what the model, the tools and the system prompt say.
    All,
    /// The system prompt (also of role `developer`).
    System,
}

/// The rules of `keywords`.
#[derive(Debug)]
pub struct Keywords {
    rules: Vec<Arc<str>>,
}

pub(super) fn build(
    rules: &[KeywordConfig],
    _context: &BuildContext<'_>,
    _problems: &mut Problems,
) -> Keywords {
    Keywords {
        rules: rules.iter().map(|r| r.name.as_str().into()).collect(),
    }
}

pub(super) fn bad_regex(error: &regex::Error) -> String {
    error.to_string()
}

#[async_trait]
impl Signal for Keywords {
    fn kind(&self) -> &'static str {
        "keywords"
    }

    async fn evaluate(&self, _exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let _ = &self.rules;
        Err(SignalError::Unavailable("not there yet".into()))
    }
}
