//! `fact_check`: does the last user turn want facts that somebody could check, or something made up?
//!
//! By its likeness to questions about facts and to other prompts: creative ones, and those about the user's own texts,
//! code and plans, which no reference book answers. The built-in examples are English, as the bundle's model is.

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

const FACTS: &str = include_str!("fact_check/facts.txt");
const CREATIVE: &str = include_str!("fact_check/creative.txt");

/// Matches requests by whether the last user turn asks for facts that can be checked: by its likeness to examples. A
/// typical question about facts has 0.9, a typical other prompt 0.1. The confidence is that number for `wants: facts`,
/// and what is missing from it to 1 for `wants: creative`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactCheckConfig {
    /// The name that decisions use.
    pub name: String,
    /// Which prompts match.
    #[serde(default)]
    pub wants: Wants,
    /// From this confidence on, 0 to 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
    /// Questions about facts, instead of the built-in ones.
    #[serde(default)]
    pub facts: Vec<String>,
    /// Prompts that ask for no facts, instead of the built-in ones.
    #[serde(default)]
    pub creative: Vec<String>,
}

fn half() -> f32 {
    0.5
}

/// What a prompt wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Facts that can be checked.
    #[default]
    Facts,
    /// Something made up, or help with the user's own matters: nothing to check.
    Creative,
}

/// The rules of `fact_check`.
#[derive(Debug)]
pub struct FactCheck {
    rules: Vec<Rule>,
    contrasts: Contrasts,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    wants: Wants,
    threshold: f32,
    contrast: Arc<Contrast>,
}

pub(super) fn build(
    rules: &[FactCheckConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> FactCheck {
    let mut contrasts = Contrasts::default();
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("[{index}]");
        ask::check_share(rule.threshold, format!("{path}.threshold"), problems);
        check_examples(&rule.facts, "facts", &path, problems);
        check_examples(&rule.creative, "creative", &path, problems);
        compiled.push(Rule {
            name: rule.name.as_str().into(),
            wants: rule.wants,
            threshold: rule.threshold,
            contrast: contrasts.of((&rule.facts, FACTS), (&rule.creative, CREATIVE)),
        });
    }
    FactCheck {
        rules: compiled,
        contrasts,
    }
}

impl Rule {
    fn outcome(&self, facts: f32) -> Match {
        let confidence = match self.wants {
            Wants::Facts => facts,
            Wants::Creative => 1.0 - facts,
        };
        Match {
            name: Arc::clone(&self.name),
            matched: confidence >= self.threshold,
            unknown: None,
            confidence,
            detail: Some(format!("facts {facts:.4}, from {:.4}", self.threshold)),
        }
    }
}

#[async_trait]
impl Signal for FactCheck {
    fn kind(&self) -> &'static str {
        "fact_check"
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
