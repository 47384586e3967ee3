//! `pii`: personal data and secrets in the request's texts, as something that decisions look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::guard::Types;
use crate::passage::{Passage, Scope};
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};
use crate::understand::{Expectation, Piece, Question};

use super::ask::{self, Answers};

/// Matches requests that hold personal data or secrets, as a model and rules find them. The confidence is the best
/// probability of a piece that counts. The plugin `pii` does the same as a guard, for requests that name a model, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PiiSignal")]
pub struct PiiConfig {
    /// The name that decisions use.
    pub name: String,
    /// The types that count. Default: numbers of cards, accounts, identities and documents, secrets, e-mail addresses
    /// and phone numbers.
    #[serde(default)]
    pub deny: Option<Vec<String>>,
    /// The types that do not count; all others do. Instead of `deny`.
    #[serde(default)]
    pub allow: Option<Vec<String>>,
    /// A piece counts from this probability on, 0 to 1. The model's own thresholds apply besides.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub threshold: f32,
    /// The same by type, where it differs.
    #[serde(default)]
    pub thresholds: BTreeMap<String, f32>,
    /// Whose texts are looked at.
    #[serde(default)]
    pub scope: Scope,
}

/// The rules of `pii`.
#[derive(Debug)]
pub struct Pii {
    rules: Vec<Rule>,
    scope: Scope,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    types: Types,
    scope: Scope,
}

pub(super) fn build(
    rules: &[PiiConfig],
    context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Pii {
    let mut compiled = Vec::with_capacity(rules.len());
    for (index, rule) in rules.iter().enumerate() {
        let path = format!("[{index}]");
        ask::check_scope(&rule.scope, &path, problems);
        if rule.deny.as_ref().is_some_and(Vec::is_empty) {
            problems
                .error(format!("{path}.deny"), "no type counts: nothing can match")
                .with_hint(
                    "leave it out for the sensitive types, or say which do not count with `allow`",
                );
        }
        compiled.push(Rule {
            name: rule.name.as_str().into(),
            types: Types::build(
                rule.allow.as_deref(),
                rule.deny.as_deref(),
                rule.threshold,
                &rule.thresholds,
                &[],
                context.foreign_pii,
                &path,
                problems,
            ),
            scope: rule.scope.clone(),
        });
    }
    Pii {
        rules: compiled,
        scope: ask::union(rules.iter().map(|rule| &rule.scope)),
    }
}

/// So many pieces are listed in a rule's detail.
const LISTED: usize = 8;

impl Rule {
    fn outcome(&self, answers: &Answers) -> Match {
        let mine = answers.known.iter();
        let mine = mine.filter(|(passage, _)| self.scope.contains(passage.speaker));
        let pieces = mine.flat_map(|(passage, inspection)| {
            let pieces = inspection.pii.iter().flatten();
            pieces.map(move |piece| (passage, piece))
        });
        let pieces: Vec<(&Passage, &Piece)> = pieces
            .filter(|(_, piece)| self.types.count(&piece.label, piece.score))
            .collect();
        let scores = pieces.iter().map(|(_, piece)| piece.score);
        let found = Match {
            name: Arc::clone(&self.name),
            matched: !pieces.is_empty(),
            unknown: None,
            confidence: scores.fold(0.0, f32::max),
            detail: (!pieces.is_empty()).then(|| detail(&pieces)),
        };
        answers.settle(&self.scope, found)
    }
}

impl Pii {
    fn outcomes(&self, answers: &Answers) -> Result<Vec<Match>, SignalError> {
        let outcomes = self.rules.iter().map(|rule| rule.outcome(answers));
        ask::some_known(outcomes.collect())
    }
}

fn detail(pieces: &[(&Passage, &Piece)]) -> String {
    let listed: Vec<String> = (pieces.iter().take(LISTED))
        .map(|(passage, piece)| {
            let (start, end) = (piece.range.start, piece.range.end);
            let place = ask::place(passage);
            format!(
                "{} {:.4} at {start}..{end} of {place}",
                piece.label, piece.score
            )
        })
        .collect();
    match pieces.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{}, and {more} more", listed.join(", ")),
    }
}

#[async_trait]
impl Signal for Pii {
    fn kind(&self) -> &'static str {
        "pii"
    }

    fn cost(&self) -> Cost {
        Cost::Model
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::all_of(Question::Pii, self.scope.clone())]
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        self.outcomes(&ask::about_all(exchange, &self.scope, Question::Pii).await)
    }

    fn so_far(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        self.outcomes(&ask::about_all_so_far(exchange, &self.scope, Question::Pii))
    }
}

#[cfg(test)]
mod tests;
