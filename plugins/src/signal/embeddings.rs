//! `embeddings`: the likeness of the last user turn to examples.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Expectation, Question, Understand};

use super::ask;
use super::contrast::{check_examples, cosine, vectors};

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

/// How the likenesses to several examples become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// That to the most similar example.
    #[default]
    Max,
    /// The mean of all.
    Mean,
    /// The mean of the three highest.
    Top3,
}

impl Aggregate {
    /// The likeness of a vector to those of examples; `None` where there are none.
    fn likeness(self, vector: &[f32], examples: &[Vec<f32>]) -> Option<f32> {
        let mut all: Vec<f32> = examples.iter().map(|e| cosine(e, vector)).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let first = match self {
            Self::Max => &all[..all.len().min(1)],
            Self::Mean => &all[..],
            Self::Top3 => &all[..all.len().min(3)],
        };
        (!first.is_empty()).then(|| first.iter().sum::<f32>() / first.len() as f32)
    }
}

/// The rules of `embeddings`.
#[derive(Debug)]
pub struct Embeddings {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    examples: Vec<String>,
    against: Vec<String>,
    threshold: f32,
    aggregate: Aggregate,
    /// Those of `examples`, then those of `against`.
    vectors: OnceLock<Vec<Vec<f32>>>,
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
        check_examples(&rule.examples, "examples", &path, problems);
        check_examples(&rule.against, "against", &path, problems);
        for (at, example) in rule.against.iter().enumerate() {
            if rule.examples.contains(example) {
                problems.error(
                    format!("{path}.against[{at}]"),
                    "the same stands in `examples`: a request cannot be more like it than like itself",
                );
            }
        }
    }
    let compiled = |rule: &EmbeddingConfig| Rule {
        name: rule.name.as_str().into(),
        examples: rule.examples.clone(),
        against: rule.against.clone(),
        threshold: rule.threshold,
        aggregate: rule.aggregate,
        vectors: OnceLock::new(),
    };
    Embeddings {
        rules: rules.iter().map(compiled).collect(),
    }
}

impl Rule {
    fn outcome(&self, vector: &[f32]) -> Result<Match, SignalError> {
        let vectors = self.vectors.get().ok_or_else(ask::not_prepared)?;
        let (examples, against) = vectors.split_at(self.examples.len());
        let likeness = self.aggregate.likeness(vector, examples);
        let likeness = ask::finite(likeness.unwrap_or(0.0), Question::Embedding)?;
        let other = self.aggregate.likeness(vector, against);
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
            let texts: Vec<&str> = (rule.examples.iter().chain(&rule.against))
                .map(String::as_str)
                .collect();
            let vectors = vectors(understand, &texts).await;
            let vectors = vectors.map_err(|error| format!("[{index}]: {error}"))?;
            rule.vectors.get_or_init(|| vectors);
        }
        Ok(())
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let Some(vector) = ask::vector(exchange).await? else {
            let silent = self.rules.iter().map(|rule| ask::silent(&rule.name));
            return Ok(silent.collect());
        };
        self.rules
            .iter()
            .map(|rule| rule.outcome(&vector))
            .collect()
    }
}

#[cfg(test)]
mod tests;
