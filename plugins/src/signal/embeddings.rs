//! `embeddings`: the likeness of the last user turn to examples.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Expectation, Question, Understand};

use super::ask;
use super::examples::Examples;

pub use super::examples::Aggregate;

/// Matches requests whose last user turn is like some examples: a model gives each text a place, and the cosine between
/// both is their likeness. Of turns over 4 KiB it reads the beginning and the end. The confidence is the likeness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingConfig {
    /// The name that decisions use.
    pub name: String,
    /// What such requests say. Some ten, worded as users do, are better than one.
    pub examples: Vec<String>,
    /// From this likeness on, 0 to 1. 0.6 is the same matter in other words; try some prompts with `commutator explain`.
    #[serde(default = "six_tenths")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
    /// What the likeness to several examples is.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// What requests say that look alike and are not meant: a request must be more like `examples` than like these.
    #[serde(default)]
    pub against: Vec<String>,
}

fn six_tenths() -> f32 {
    0.6
}

/// The rules of `embeddings`.
#[derive(Debug)]
pub struct Embeddings {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    examples: Examples,
    threshold: f32,
    aggregate: Aggregate,
}

pub(super) fn build(
    rules: &[EmbeddingConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Embeddings {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("[{index}]");
        ask::check_share(rule.threshold, format!("{path}.threshold"), problems);
        if rule.examples.is_empty() {
            problems
                .error(format!("{path}.examples"), "the rule has no examples")
                .with_hint("write down some requests that should match");
        }
        Examples::check(&rule.examples, &rule.against, &path, problems);
    }
    let compiled = |rule: &EmbeddingConfig| Rule {
        name: rule.name.as_str().into(),
        examples: Examples::new(&rule.examples, &rule.against),
        threshold: rule.threshold,
        aggregate: rule.aggregate,
    };
    Embeddings {
        rules: rules.iter().map(compiled).collect(),
    }
}

impl Rule {
    fn outcome(&self, vector: &[f32]) -> Result<Match, SignalError> {
        let (likeness, other) = self.examples.likeness(self.aggregate, vector)?;
        let mut detail = format!("likeness {likeness:.4}, from {:.4}", self.threshold);
        if let Some(other) = other {
            detail.push_str(&format!(", against {other:.4}"));
        }
        Ok(Match {
            name: Arc::clone(&self.name),
            matched: likeness >= self.threshold && other.is_none_or(|other| likeness > other),
            unknown: None,
            confidence: likeness.clamp(0.0, 1.0),
            detail: Some(detail),
        })
    }
}

#[async_trait]
impl Signal for Embeddings {
    fn kind(&self) -> &'static str {
        "embeddings"
    }

    fn cost(&self) -> Cost {
        Cost::Model
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::last_user(Question::Embedding)]
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        for (index, rule) in self.rules.iter().enumerate() {
            let prepared = rule.examples.prepare(understand).await;
            prepared.map_err(|error| format!("[{index}]: {error}"))?;
        }
        Ok(())
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        ask::by_vector(exchange, &self.rules, |rule| &rule.name, Rule::outcome).await
    }
}

#[cfg(test)]
mod tests;
