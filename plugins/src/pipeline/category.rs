//! The subject of a request, for `x-vsr-selected-category`.

use commutator_models::Score;

use crate::exchange::Exchange;
use crate::passage::last_user;
use crate::policy::Signals;
use crate::signal::{Match, SignalKind};
use crate::understand::Question;

/// From this probability on a subject is the request's category, even if no rule is about it.
const SURE: f32 = 0.5;

/// The subject of the request, where domains were classified.
pub(super) fn category(exchange: &Exchange, signals: &Signals) -> Option<String> {
    let rules = signals.get(SignalKind::Domain)?;
    let passage = last_user(exchange)?;
    let inspection = exchange.inspections.known(&passage, Question::Domain)?;
    winner(inspection.domain.as_ref()?, rules)
}

/// The most probable subject, if the model is sure of it or a rule matched.
fn winner(scores: &[Score], rules: &[Match]) -> Option<String> {
    let best = scores.first()?;
    let counts = best.score >= SURE || rules.iter().any(|rule| rule.matched);
    counts.then(|| best.label.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scores: &[(&str, f32)], matched: bool) -> Option<String> {
        let scores = scores.iter().map(|(label, score)| Score {
            label: (*label).to_owned(),
            score: *score,
        });
        let rule = Match {
            name: "rule".into(),
            matched,
            unknown: None,
            confidence: 0.4,
            detail: None,
        };
        winner(&scores.collect::<Vec<_>>(), &[rule])
    }

    #[test]
    fn a_subject_wins_if_the_model_or_a_rule_is_sure() {
        let sure = [("math", 0.5), ("law", 0.5)];
        let unsure = [("law", 0.4), ("math", 0.35), ("other", 0.25)];
        assert_eq!(of(&sure, false).as_deref(), Some("math"));
        assert_eq!(of(&unsure, false), None);
        assert_eq!(of(&unsure, true).as_deref(), Some("law"));
        assert_eq!(of(&[], true), None);
    }
}
