//! `context`: the length of the whole request in estimated tokens.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError};
use crate::tokens;

/// Matches requests by their length. Both limits must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContextConfig {
    /// The name that decisions use.
    pub name: String,
    /// At least this many tokens. They are estimated: plan for a fifth more or less.
    #[serde(default)]
    pub min_tokens: Option<usize>,
    /// At most this many tokens.
    #[serde(default)]
    pub max_tokens: Option<usize>,
}

/// The rules of `context`.
#[derive(Debug)]
pub struct Context {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    min: usize,
    max: usize,
}

pub(super) fn build(
    rules: &[ContextConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Context {
    for (index, rule) in rules.iter().enumerate() {
        match (rule.min_tokens, rule.max_tokens) {
            (None, None) => {
                problems
                    .error(format!("[{index}]"), "the rule says nothing")
                    .with_hint("give `min_tokens`, `max_tokens` or both");
            }
            (Some(min), Some(max)) if min > max => {
                problems.error(
                    format!("[{index}].min_tokens"),
                    format!("{min} is more than `max_tokens`, {max}: nothing can match"),
                );
            }
            _ => {}
        }
    }
    Context {
        rules: rules
            .iter()
            .map(|rule| Rule {
                name: rule.name.as_str().into(),
                min: rule.min_tokens.unwrap_or(0),
                max: rule.max_tokens.unwrap_or(usize::MAX),
            })
            .collect(),
    }
}

#[async_trait]
impl Signal for Context {
    fn kind(&self) -> &'static str {
        "context"
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let tokens = tokens::of_request(exchange);
        Ok(self
            .rules
            .iter()
            .map(|rule| Match {
                name: Arc::clone(&rule.name),
                matched: (rule.min..=rule.max).contains(&tokens),
                unknown: None,
                confidence: 1.0,
                detail: Some(format!("about {tokens} tokens")),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
