//! `jailbreak`: attacks on the model in the request's texts, as something that decisions look at.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::guard::AttackThreshold;
use crate::passage::{Passage, Scope, passages};
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Attack, Expectation, Inspection, Question, Understand};

use super::ask::{self, Answers};
use super::examples::{Aggregate, Examples};

/// Matches requests that attack the model: jailbreaks and injected instructions, also in results and descriptions of
/// tools and in disguise. The worst text counts; the confidence is its probability. The plugin `jailbreak` does the
/// same as a guard, for requests that name a model, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JailbreakSignal")]
pub struct JailbreakConfig {
    /// The name that decisions use.
    pub name: String,
    /// From this probability on a text is an attack, 0 to 1. Default: what the model's files say. With `examples`: from this
    /// difference on; default 0.1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: Option<f32>,
    /// Instead of `threshold`: the share of harmless texts, 0 to 1, that may be taken for attacks, as measured when
    /// the model was made.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub false_positive_rate: Option<f32>,
    /// Attacks to compare with, instead of asking the model for attacks: a text is one if its likeness to the most similar
    /// of these is greater than that to the most similar of `against`, by `threshold` at least; and if it says one of
    /// them word for word. Of texts over 4 KiB the beginning and the end are compared. The confidence is the difference.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Harmless texts that look like attacks. Without any, the likeness to `examples` alone counts.
    #[serde(default)]
    pub against: Vec<String>,
    /// Whose texts are looked at.
    #[serde(default)]
    pub scope: Scope,
}

/// From this difference on a text is more like attacks than like harmless texts, unless the policy says otherwise.
const DIFFERENCE: f32 = 0.1;

/// The rules of `jailbreak`.
#[derive(Debug)]
pub struct Jailbreak {
    rules: Vec<Rule>,
    /// Whose texts the model for attacks reads.
    judged: Scope,
    /// Whose texts are compared with examples.
    compared: Scope,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    scope: Scope,
    judge: Judge,
}

/// Who tells what an attack is.
#[derive(Debug)]
enum Judge {
    Model(AttackThreshold),
    Likeness {
        examples: Examples,
        /// The examples of attacks, folded.
        words: Vec<String>,
        threshold: f32,
    },
}

pub(super) fn build(
    rules: &[JailbreakConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Jailbreak {
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("[{index}]");
        let threshold =
            AttackThreshold::build(rule.threshold, rule.false_positive_rate, &path, problems);
        Examples::check(&rule.examples, &rule.against, &path, problems);
        if rule.examples.is_empty() && !rule.against.is_empty() {
            problems
                .error(
                    format!("{path}.against"),
                    "there are no `examples` to compare with",
                )
                .with_hint("write down some attacks");
        }
        if !rule.examples.is_empty() && rule.false_positive_rate.is_some() {
            problems
                .error(
                    format!("{path}.false_positive_rate"),
                    "nobody measured that for `examples`",
                )
                .with_hint("give `threshold`");
        }
        ask::check_scope(&rule.scope, &path, problems);
        compiled.push(Rule::new(rule, threshold));
    }
    let scope = |likeness: bool| {
        let mine = rules.iter();
        ask::union(
            mine.filter(|rule| rule.examples.is_empty() != likeness)
                .map(|rule| &rule.scope),
        )
    };
    Jailbreak {
        rules: compiled,
        judged: scope(false),
        compared: scope(true),
    }
}

/// A text as it is compared word for word: white space and case do not count.
fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

impl Rule {
    fn new(rule: &JailbreakConfig, threshold: AttackThreshold) -> Self {
        let judge = match rule.examples.is_empty() {
            true => Judge::Model(threshold),
            false => Judge::Likeness {
                examples: Examples::new(&rule.examples, &rule.against),
                words: rule.examples.iter().map(|text| folded(text)).collect(),
                threshold: rule.threshold.unwrap_or(DIFFERENCE),
            },
        };
        Self {
            name: rule.name.as_str().into(),
            scope: rule.scope.clone(),
            judge,
        }
    }

    fn outcome(&self, exchange: &Exchange, answers: &Found) -> Result<Match, SignalError> {
        match &self.judge {
            Judge::Model(threshold) => {
                let threshold = threshold.get().ok_or_else(ask::not_prepared)?;
                Ok(self.judged(&answers.judged, threshold))
            }
            Judge::Likeness {
                examples,
                words,
                threshold,
            } => match self.quoted(exchange, words) {
                Some(found) => Ok(found),
                None => self.compared(&answers.compared, examples, *threshold),
            },
        }
    }

    fn known<'a>(
        &self,
        answers: &'a Answers,
    ) -> impl Iterator<Item = (&'a Passage, &'a Inspection)> {
        let mine = answers.known.iter();
        mine.filter(|(passage, _)| self.scope.contains(passage.speaker))
            .map(|(passage, said)| (passage, &**said))
    }

    fn judged(&self, answers: &Answers, threshold: f32) -> Match {
        let attacks = self.known(answers);
        let attacks =
            attacks.filter_map(|(passage, said)| Some((passage, said.jailbreak.as_ref()?)));
        let worst = attacks.max_by(|a, b| a.1.score.total_cmp(&b.1.score));
        let found = self.found(
            worst.map(|(_, attack)| attack.score),
            threshold,
            worst.map(|(passage, attack)| detail(passage, attack, threshold)),
        );
        answers.settle(&self.scope, found)
    }

    /// A text that says an example word for word needs no model.
    fn quoted(&self, exchange: &Exchange, words: &[String]) -> Option<Match> {
        let mut mine = passages(exchange, &self.scope).into_iter();
        let quotes = mine.find(|passage| {
            let text = folded(&passage.text(exchange));
            words.iter().any(|word| text.contains(word.as_str()))
        })?;
        let detail = format!("an example word for word in {}", ask::place(&quotes));
        Some(self.found(Some(1.0), 0.0, Some(detail)))
    }

    fn compared(
        &self,
        answers: &Answers,
        examples: &Examples,
        threshold: f32,
    ) -> Result<Match, SignalError> {
        let mut worst: Option<(&Passage, f32, Option<f32>)> = None;
        for (passage, said) in self.known(answers) {
            let vector = said.embedding.as_deref();
            let vector = vector.ok_or_else(|| ask::unanswered(Question::Embedding))?;
            let (likeness, other) = examples.likeness(Aggregate::Max, vector)?;
            let difference = |likeness: f32, other: Option<f32>| likeness - other.unwrap_or(0.0);
            let is_worse =
                worst.is_none_or(|(_, a, b)| difference(likeness, other) > difference(a, b));
            if is_worse {
                worst = Some((passage, likeness, other));
            }
        }
        let detail = worst.map(|(passage, likeness, other)| {
            let against = other.map_or_else(String::new, |other| format!(" against {other:.4}"));
            let place = ask::place(passage);
            format!("worst {likeness:.4}{against} in {place}, from a difference of {threshold:.4}")
        });
        let difference = worst.map(|(_, likeness, other)| likeness - other.unwrap_or(0.0));
        Ok(answers.settle(&self.scope, self.found(difference, threshold, detail)))
    }

    fn found(&self, worst: Option<f32>, threshold: f32, detail: Option<String>) -> Match {
        Match {
            name: Arc::clone(&self.name),
            matched: worst.is_some_and(|worst| worst >= threshold),
            unknown: None,
            confidence: worst.map_or(0.0, |worst| worst.clamp(0.0, 1.0)),
            detail: detail.or_else(|| Some("no text in scope".to_owned())),
        }
    }
}

/// What the models say about the texts.
struct Found {
    judged: Answers,
    compared: Answers,
}

impl Jailbreak {
    fn outcomes(&self, exchange: &Exchange, found: &Found) -> Result<Vec<Match>, SignalError> {
        let outcomes = self.rules.iter().map(|rule| rule.outcome(exchange, found));
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
        let expected = [
            (Question::Jailbreak, &self.judged),
            (Question::Embedding, &self.compared),
        ];
        let expected = expected
            .into_iter()
            .filter(|(_, scope)| !scope.0.is_empty());
        expected
            .map(|(question, scope)| Expectation::all_of(question, scope.clone()))
            .collect()
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        for (index, rule) in self.rules.iter().enumerate() {
            let prepared = match &rule.judge {
                Judge::Likeness { examples, .. } => examples
                    .prepare(understand)
                    .await
                    .map_err(|why| format!("[{index}]: {why}")),
                Judge::Model(threshold) => threshold
                    .prepare(understand)
                    .map_err(|why| format!("[{index}].{why}")),
            };
            prepared?;
        }
        Ok(())
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let (judged, compared) = futures::join!(
            ask::about_all(exchange, &self.judged, Question::Jailbreak),
            ask::about_all(exchange, &self.compared, Question::Embedding),
        );
        self.outcomes(exchange, &Found { judged, compared })
    }

    fn so_far(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let judged = ask::about_all_so_far(exchange, &self.judged, Question::Jailbreak);
        let compared = ask::about_all_so_far(exchange, &self.compared, Question::Embedding);
        self.outcomes(exchange, &Found { judged, compared })
    }
}

#[cfg(test)]
mod tests;
