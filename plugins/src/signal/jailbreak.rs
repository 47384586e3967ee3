//! `jailbreak`: attacks on the model in the request's texts, as something that decisions look at.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::passage::{Passage, Scope};
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Attack, Expectation, Question, Understand};

use super::ask::{self, Answers};

/// Matches requests that attack the model: jailbreaks and injected instructions, also in results and descriptions of
/// tools and in disguise. The worst text counts; the confidence is its probability. The plugin `jailbreak` does the
/// same as a guard, for requests that name a model, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JailbreakSignal")]
pub struct JailbreakConfig {
    /// The name that decisions use.
    pub name: String,
    /// From this probability on a text is an attack, 0 to 1. Default: what the model's files say.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f32>,
    /// Instead of `threshold`: the share of harmless texts, 0 to 1, that may be taken for attacks, as measured when
    /// the model was made.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub false_positive_rate: Option<f32>,
    /// Whose texts are looked at.
    #[serde(default)]
    pub scope: Scope,
}

/// The rules of `jailbreak`.
#[derive(Debug)]
pub struct Jailbreak {
    rules: Vec<Rule>,
    scope: Scope,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    scope: Scope,
    share: Option<f32>,
    /// The policy's, or what the loaded model says.
    threshold: OnceLock<f32>,
}

pub(super) fn build(
    rules: &[JailbreakConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Jailbreak {
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("[{index}]");
        let fields = [
            ("threshold", rule.threshold),
            ("false_positive_rate", rule.false_positive_rate),
        ];
        for (field, share) in fields {
            if let Some(share) = share {
                ask::check_share(share, format!("{path}.{field}"), problems);
            }
        }
        if rule.threshold.is_some() && rule.false_positive_rate.is_some() {
            problems
                .error(
                    format!("{path}.false_positive_rate"),
                    "`threshold` and `false_positive_rate` contradict each other",
                )
                .with_hint("give one of them");
        }
        ask::check_scope(&rule.scope, &path, problems);
    }
    let compiled = |rule: &JailbreakConfig| Rule {
        name: rule.name.as_str().into(),
        scope: rule.scope.clone(),
        share: rule.false_positive_rate,
        threshold: rule.threshold.map_or_else(OnceLock::new, OnceLock::from),
    };
    Jailbreak {
        rules: rules.iter().map(compiled).collect(),
        scope: ask::union(rules.iter().map(|rule| &rule.scope)),
    }
}

impl Rule {
    fn outcome(&self, answers: &Answers) -> Result<Match, SignalError> {
        let threshold = *self.threshold.get().ok_or_else(ask::not_prepared)?;
        let mine = answers.known.iter();
        let mine = mine.filter(|(passage, _)| self.scope.contains(passage.speaker));
        let attacks = mine.filter_map(|(passage, said)| Some((passage, said.jailbreak.as_ref()?)));
        let worst = attacks.max_by(|a, b| a.1.score.total_cmp(&b.1.score));
        let found = Match {
            name: Arc::clone(&self.name),
            matched: worst.is_some_and(|(_, attack)| attack.score >= threshold),
            unknown: None,
            confidence: worst.map_or(0.0, |(_, attack)| attack.score),
            detail: Some(match worst {
                Some((passage, attack)) => detail(passage, attack, threshold),
                None => "no text in scope".to_owned(),
            }),
        };
        Ok(answers.settle(&self.scope, found))
    }
}

impl Jailbreak {
    fn outcomes(&self, answers: &Answers) -> Result<Vec<Match>, SignalError> {
        let outcomes = self.rules.iter().map(|rule| rule.outcome(answers));
        ask::some_known(outcomes.collect::<Result<_, _>>()?)
    }
}

fn detail(passage: &Passage, attack: &Attack, threshold: f32) -> String {
    let mut detail = format!(
        "worst {:.4} in {}, from {threshold:.4}",
        attack.score,
        ask::place(passage)
    );
    if let Some(range) = &attack.range {
        let kinds: Vec<&str> = attack.disguise.iter().map(|kind| kind.name()).collect();
        let kinds = kinds.join(" in ");
        detail.push_str(&format!(", {kinds} at {}..{}", range.start, range.end));
    }
    detail
}

#[async_trait]
impl Signal for Jailbreak {
    fn kind(&self) -> &'static str {
        "jailbreak"
    }

    fn cost(&self) -> Cost {
        Cost::Model
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::all_of(Question::Jailbreak, self.scope.clone())]
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        for (index, rule) in self.rules.iter().enumerate() {
            let threshold = match rule.share {
                Some(share) => understand.jailbreak_threshold_at(share).ok_or_else(|| {
                    format!(
                        "[{index}].false_positive_rate: nobody measured at which threshold the model flags {share} of \
                         harmless texts (set `threshold` instead)"
                    )
                })?,
                None => understand.jailbreak_threshold(),
            };
            rule.threshold.get_or_init(|| threshold);
        }
        Ok(())
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        self.outcomes(&ask::about_all(exchange, &self.scope, Question::Jailbreak).await)
    }

    fn so_far(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        self.outcomes(&ask::about_all_so_far(
            exchange,
            &self.scope,
            Question::Jailbreak,
        ))
    }
}

#[cfg(test)]
mod tests;
