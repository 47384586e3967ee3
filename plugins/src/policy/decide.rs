//! From the values of signals to a decision: pure and synchronous.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::signal::{Match, SignalKind};

use super::{Outcome, Policy, Strategy};

/// The values of the signals for one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signals {
    kinds: Vec<(SignalKind, Vec<Match>)>,
}

impl Signals {
    /// Sets the outcomes of all rules of one kind, in the policy's order. A kind that is not set has no value.
    pub fn set(&mut self, kind: SignalKind, matches: Vec<Match>) {
        match self.kinds.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, old)) => *old = matches,
            None => self.kinds.push((kind, matches)),
        }
    }

    /// The outcomes of one kind; `None` where it has no value.
    #[must_use]
    pub fn get(&self, kind: SignalKind) -> Option<&[Match]> {
        self.kinds
            .iter()
            .find(|(other, _)| *other == kind)
            .map(|(_, matches)| matches.as_slice())
    }

    /// The names of the rules that matched, by kind (the header's word) and in the policy's order.
    #[must_use]
    pub fn matched(&self) -> Vec<(&'static str, Vec<Arc<str>>)> {
        self.kinds
            .iter()
            .map(|(kind, matches)| {
                let names = matches.iter().filter(|m| m.matched);
                let names: Vec<_> = names.map(|m| Arc::clone(&m.name)).collect();
                (kind.header(), names)
            })
            .filter(|(_, names)| !names.is_empty())
            .collect()
    }

    pub(super) fn outcome(&self, kind: SignalKind, index: usize) -> Outcome {
        match self.get(kind).and_then(|matches| matches.get(index)) {
            None => Outcome::Unknown,
            Some(found) if found.unknown.is_some() => Outcome::Unknown,
            Some(found) if !found.matched => Outcome::False,
            // A NaN of an engine must not win every comparison.
            Some(found) if found.confidence.is_nan() => Outcome::True(0.0),
            Some(found) => Outcome::True(found.confidence.clamp(0.0, 1.0)),
        }
    }
}

/// A decision that matched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranked {
    /// Its position in the policy.
    pub index: usize,
    /// How surely it matched, 0 to 1.
    pub confidence: f32,
}

/// A shadow decision that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// Its name.
    pub name: Arc<str>,
    /// Would it have been taken, were it no shadow?
    pub would_win: bool,
}

/// What [`Policy::decide`] found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decided {
    /// The decisions that matched, shadows left out, the best first: that one is taken.
    pub ranking: Vec<Ranked>,
    /// The shadow decisions that matched.
    pub shadows: Vec<Shadow>,
    /// Each decision's condition and whether it counts, in the policy's order; `None` for decisions that do not look
    /// at this sort of request.
    pub outcomes: Vec<Option<Outcome>>,
}

impl Decided {
    /// The decision that is taken.
    #[must_use]
    pub fn winner(&self) -> Option<Ranked> {
        self.ranking.first().copied()
    }
}

impl Policy {
    /// Which decisions match these signals, and which of them is taken. `automatic`: the client left the choice of
    /// the model to the policy.
    #[must_use]
    pub fn decide(&self, signals: &Signals, automatic: bool) -> Decided {
        let mut decided = Decided::default();
        let mut shadows = Vec::new();
        for (index, decision) in self.decisions.iter().enumerate() {
            if !decision.is_live(automatic) {
                decided.outcomes.push(None);
                continue;
            }
            let outcome = decision.rule.evaluate(signals);
            decided.outcomes.push(Some(outcome));
            if let Outcome::True(confidence) = outcome
                && confidence >= decision.min_confidence
            {
                let list = match decision.shadow {
                    true => &mut shadows,
                    false => &mut decided.ranking,
                };
                list.push(Ranked { index, confidence });
            }
        }
        decided.ranking.sort_by(|a, b| self.order(*a, *b));
        let winner = decided.winner();
        decided.shadows = shadows
            .into_iter()
            .map(|shadow| Shadow {
                name: Arc::clone(&self.decisions[shadow.index].name),
                would_win: winner.is_none_or(|w| self.order(shadow, w) == Ordering::Less),
            })
            .collect();
        decided
    }

    /// The better one is less.
    fn order(&self, a: Ranked, b: Ranked) -> Ordering {
        let (one, other) = (&self.decisions[a.index], &self.decisions[b.index]);
        let priority = other.priority.cmp(&one.priority);
        let confidence = b.confidence.total_cmp(&a.confidence);
        match self.strategy {
            Strategy::Priority => priority.then(confidence),
            Strategy::Confidence => confidence.then(priority),
        }
        .then_with(|| one.name.cmp(&other.name))
    }
}
