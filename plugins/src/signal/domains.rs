//! `domains`: the subject of the last user turn.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_models::Score;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::policy::compile::hint;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Expectation, Question, Understand};

use super::ask;

/// Matches requests by the subject of the last user turn, which a model tells. Of turns over 4 KiB it reads the
/// beginning and the end. All limits that are given must hold. The confidence is the probability that reached the
/// threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainConfig {
    /// The name that decisions use.
    pub name: String,
    /// The subjects. Default: the rule's name. The bundle's model knows `biology`, `business`, `chemistry`, `computer
    /// science`, `economics`, `engineering`, `health`, `history`, `law`, `math`, `other`, `philosophy`, `physics` and
    /// `psychology`; another model may know others.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// One of the subjects has at least this probability, 0 to 1.
    #[serde(default = "half")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
    /// The most probable subject is at least this much more probable than the second.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_margin: Option<f32>,
    /// The model is at least this sure: at most this entropy, where 0 means that one subject has all of the
    /// probability, and 1 that all have the same.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_entropy: Option<f32>,
    /// How many of the most probable subjects are looked at: with 2, the second one may match as well.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub top: usize,
    /// The rule's subjects count as one subject, before anything else is looked at: their probabilities are added.
    #[serde(default)]
    pub sum: bool,
}

fn half() -> f32 {
    0.5
}

fn one() -> usize {
    1
}

/// The rules of `domains`.
#[derive(Debug)]
pub struct Domains {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    subjects: Vec<String>,
    /// Are the subjects written down, or the rule's name?
    named: bool,
    threshold: f32,
    min_margin: f32,
    max_entropy: f32,
    top: usize,
    sum: bool,
}

pub(super) fn build(
    rules: &[DomainConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Domains {
    for (index, rule) in rules.iter().enumerate() {
        check(rule, &format!("[{index}]"), problems);
    }
    let compiled = |rule: &DomainConfig| Rule {
        name: rule.name.as_str().into(),
        subjects: match rule.subjects.is_empty() {
            true => vec![rule.name.clone()],
            false => rule.subjects.clone(),
        },
        named: !rule.subjects.is_empty(),
        threshold: rule.threshold,
        min_margin: rule.min_margin.unwrap_or(0.0),
        max_entropy: rule.max_entropy.unwrap_or(1.0),
        top: rule.top,
        sum: rule.sum,
    };
    Domains {
        rules: rules.iter().map(compiled).collect(),
    }
}

fn check(rule: &DomainConfig, path: &str, problems: &mut Problems) {
    let shares = [
        ("threshold", Some(rule.threshold)),
        ("min_margin", rule.min_margin),
        ("max_entropy", rule.max_entropy),
    ];
    for (field, share) in shares {
        if let Some(share) = share {
            ask::check_share(share, format!("{path}.{field}"), problems);
        }
    }
    if rule.top == 0 {
        problems
            .error(format!("{path}.top"), "no subject is looked at")
            .with_hint("1 looks at the most probable one");
    }
    for (index, subject) in rule.subjects.iter().enumerate() {
        if rule.subjects[..index].contains(subject) {
            problems.error(
                format!("{path}.subjects[{index}]"),
                format!("`{subject}` stands here twice"),
            );
        }
    }
}

/// Subjects with their probabilities, the most probable first.
struct Ranking<'a> {
    /// `None` stands for the rule's subjects together.
    items: Vec<(Option<&'a str>, f32)>,
}

impl<'a> Ranking<'a> {
    fn new(scores: &'a [Score], rule: &Rule) -> Self {
        let mut items: Vec<(Option<&str>, f32)> = Vec::with_capacity(scores.len());
        let mut together = 0.0;
        for score in scores {
            match rule.sum && rule.counts(&score.label) {
                true => together += score.score,
                false => items.push((Some(score.label.as_str()), score.score)),
            }
        }
        if rule.sum {
            items.push((None, together));
        }
        items.sort_by(|a, b| b.1.total_cmp(&a.1));
        Self { items }
    }

    /// How much more probable the first is than the second.
    fn margin(&self) -> f32 {
        let at = |index: usize| self.items.get(index).map_or(0.0, |item| item.1);
        at(0) - at(1)
    }

    /// Shannon's entropy over that of equal probabilities: 0 to 1.
    fn entropy(&self) -> f32 {
        let terms = self.items.iter().map(|(_, p)| match *p > 0.0 {
            true => -p * p.ln(),
            false => 0.0,
        });
        let most = (self.items.len().max(2) as f32).ln();
        (terms.sum::<f32>() / most).clamp(0.0, 1.0)
    }
}

impl Rule {
    fn counts(&self, label: &str) -> bool {
        self.subjects.iter().any(|subject| subject == label)
    }

    fn outcome(&self, scores: &[Score]) -> Match {
        let ranking = Ranking::new(scores, self);
        let mine = |label: &Option<&str>| label.is_none_or(|label| self.counts(label));
        let mut looked_at = ranking.items.iter().take(self.top);
        // The first one is the most probable.
        let best = looked_at.find(|(label, _)| mine(label)).map(|item| item.1);
        let (margin, entropy) = (ranking.margin(), ranking.entropy());
        let sure = margin >= self.min_margin && entropy <= self.max_entropy;
        Match {
            name: Arc::clone(&self.name),
            matched: sure && best.is_some_and(|best| best >= self.threshold),
            unknown: None,
            confidence: best.unwrap_or(0.0),
            detail: Some(self.detail(scores, margin, entropy)),
        }
    }

    fn detail(&self, scores: &[Score], margin: f32, entropy: f32) -> String {
        let first: Vec<String> = (scores.iter().take(self.top.max(2)))
            .map(|score| format!("{} {:.4}", score.label, score.score))
            .collect();
        format!(
            "{}; from {:.4}, margin {margin:.4}, entropy {entropy:.4}",
            first.join(", "),
            self.threshold
        )
    }
}

#[async_trait]
impl Signal for Domains {
    fn kind(&self) -> &'static str {
        "domains"
    }

    fn cost(&self) -> Cost {
        Cost::Model
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::last_user(Question::Domain)]
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        let known = understand.domains();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let mut wrong = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            for (index, subject) in rule.subjects.iter().enumerate() {
                if known.contains(&subject.as_str()) {
                    continue;
                }
                let path = match rule.named {
                    true => format!("[{at}].subjects[{index}]"),
                    false => format!("[{at}].name"),
                };
                let advice = match (hint(subject, &known), rule.named) {
                    (Some(hint), _) => hint,
                    (None, false) => {
                        format!("give `subjects`; the model knows {}", known.join(", "))
                    }
                    (None, true) => format!("the model knows {}", known.join(", ")),
                };
                wrong.push(format!("{path}: unknown subject `{subject}` ({advice})"));
            }
        }
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong.join("; ")),
        }
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let found = ask::about_last_user(exchange, Question::Domain).await?;
        let Some(inspection) = found else {
            return Ok(self
                .rules
                .iter()
                .map(|rule| ask::silent(&rule.name))
                .collect());
        };
        let scores = inspection.domain.as_deref().unwrap_or_default();
        if scores.is_empty() {
            return Err(ask::unanswered(Question::Domain));
        }
        for score in scores {
            ask::finite(score.score, Question::Domain)?;
        }
        Ok(self.rules.iter().map(|rule| rule.outcome(scores)).collect())
    }
}

#[cfg(test)]
mod tests;
