//! `complexity`: how difficult the last user turn is.
//!
//! A text is difficult if its vector lies nearer to those of difficult examples than to those of easy ones. The built-in
//! examples come in pairs, a difficult and an easy one about the same field, so that the contrast shows how much is
//! asked and not what about. They are English, as the bundle's model is; other languages need examples of their own and
//! a model that reads them.

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
use super::contrast::{Contrast, Contrasts};
use super::examples::check_examples;

const HARD: &str = include_str!("complexity/hard.txt");
const EASY: &str = include_str!("complexity/easy.txt");

/// Matches requests by how difficult the last user turn is, from 0 (easy) to 1 (difficult): by its likeness to examples
/// of both. A typical difficult example has 0.9, a typical easy one 0.1. The confidence is the difficulty where only
/// `min` is given, what is missing from it to 1 where only `max` is given, and with both, how near it is to their
/// middle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComplexityConfig {
    /// The name that decisions use.
    pub name: String,
    /// At least this difficult, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min: Option<f32>,
    /// At most this difficult, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max: Option<f32>,
    /// Prompts that are difficult, instead of the built-in ones.
    #[serde(default)]
    pub hard: Vec<String>,
    /// Prompts that are easy, instead of the built-in ones.
    #[serde(default)]
    pub easy: Vec<String>,
}

/// The rules of `complexity`.
#[derive(Debug)]
pub struct Complexity {
    rules: Vec<Rule>,
    contrasts: Contrasts,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    min: Option<f32>,
    max: Option<f32>,
    contrast: Arc<Contrast>,
}

pub(super) fn build(
    rules: &[ComplexityConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Complexity {
    let mut contrasts = Contrasts::default();
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        check(rule, &format!("[{index}]"), problems);
        compiled.push(Rule {
            name: rule.name.as_str().into(),
            min: rule.min,
            max: rule.max,
            contrast: contrasts.of((&rule.hard, HARD), (&rule.easy, EASY)),
        });
    }
    Complexity {
        rules: compiled,
        contrasts,
    }
}

fn check(rule: &ComplexityConfig, path: &str, problems: &mut Problems) {
    for (field, limit) in [("min", rule.min), ("max", rule.max)] {
        if let Some(limit) = limit {
            ask::check_share(limit, format!("{path}.{field}"), problems);
        }
    }
    match (rule.min, rule.max) {
        (None, None) => {
            problems
                .error(path, "the rule says nothing")
                .with_hint("give `min`, `max` or both");
        }
        (Some(min), Some(max)) if min > max => {
            problems.error(
                format!("{path}.min"),
                format!("{min} is more than `max`, {max}: nothing can match"),
            );
        }
        _ => {}
    }
    check_examples(&rule.hard, "hard", path, problems);
    check_examples(&rule.easy, "easy", path, problems);
}

impl Rule {
    fn outcome(&self, difficulty: f32) -> Match {
        let (confidence, wanted) = match (self.min, self.max) {
            (Some(min), Some(max)) => (
                1.0 - (difficulty - (min + max) / 2.0).abs(),
                format!("from {min:.4} to {max:.4}"),
            ),
            (None, Some(max)) => (1.0 - difficulty, format!("to {max:.4}")),
            (min, None) => (difficulty, format!("from {:.4}", min.unwrap_or(0.0))),
        };
        Match {
            name: Arc::clone(&self.name),
            matched: self.min.is_none_or(|min| difficulty >= min)
                && self.max.is_none_or(|max| difficulty <= max),
            unknown: None,
            confidence,
            detail: Some(format!("difficulty {difficulty:.4}, {wanted}")),
        }
    }
}

#[async_trait]
impl Signal for Complexity {
    fn kind(&self) -> &'static str {
        "complexity"
    }

    fn cost(&self) -> Cost {
        Cost::Model
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::last_user(Question::Embedding)]
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        self.contrasts.prepare(understand).await
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let outcome = |rule: &Rule, vector: &[f32]| Ok(rule.outcome(rule.contrast.share(vector)?));
        ask::by_vector(exchange, &self.rules, |rule| &rule.name, outcome).await
    }
}

#[cfg(test)]
mod tests;
