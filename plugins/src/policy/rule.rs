//! A decision's condition with its names resolved, and its value for a request.

use std::sync::Arc;

use crate::signal::SignalKind;

use super::decide::Signals;

/// How deep `all`, `any` and `not` may be nested.
pub const MAX_DEPTH: usize = 16;

/// The value of a condition. Three-valued (Kleene): a signal that failed is neither true nor false, so that `not` of
/// it does not let a request through.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It holds, with this confidence (0 to 1).
    True(f32),
    /// It does not hold.
    False,
    /// Nobody knows: a signal that it depends on has no value.
    Unknown,
}

impl Outcome {
    /// Does it hold?
    #[must_use]
    pub fn is_true(self) -> bool {
        matches!(self, Self::True(_))
    }
}

/// A compiled condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Rule {
    All(Vec<Rule>),
    Any(Vec<Rule>),
    Not(Box<Rule>),
    Leaf {
        kind: SignalKind,
        index: usize,
        name: Arc<str>,
    },
}

impl Rule {
    /// Its value for a request.
    pub(crate) fn evaluate(&self, signals: &Signals) -> Outcome {
        match self {
            Self::All(rules) => all(rules.iter().map(|rule| rule.evaluate(signals))),
            Self::Any(rules) => any(rules.iter().map(|rule| rule.evaluate(signals))),
            Self::Not(rule) => match rule.evaluate(signals) {
                Outcome::True(_) => Outcome::False,
                Outcome::False => Outcome::True(1.0),
                Outcome::Unknown => Outcome::Unknown,
            },
            Self::Leaf { kind, index, .. } => signals.outcome(*kind, *index),
        }
    }

    /// Does it hold for every request?
    pub(crate) fn is_catch_all(&self) -> bool {
        matches!(self, Self::All(rules) if rules.is_empty())
    }

    /// Calls `f` for each leaf.
    pub(crate) fn leaves(&self, f: &mut impl FnMut(SignalKind, usize)) {
        match self {
            Self::All(rules) | Self::Any(rules) => rules.iter().for_each(|rule| rule.leaves(f)),
            Self::Not(rule) => rule.leaves(f),
            Self::Leaf { kind, index, .. } => f(*kind, *index),
        }
    }
}

/// The mean of all; an empty list holds with confidence 0.
fn all(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let (mut sum, mut count, mut unknown) = (0.0, 0.0_f32, false);
    for outcome in outcomes {
        match outcome {
            Outcome::True(confidence) => sum += confidence,
            Outcome::False => return Outcome::False,
            Outcome::Unknown => unknown = true,
        }
        count += 1.0;
    }
    match unknown {
        true => Outcome::Unknown,
        false => Outcome::True(sum / count.max(1.0)),
    }
}

/// The best of all.
fn any(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let mut best = Outcome::False;
    for outcome in outcomes {
        best = match (best, outcome) {
            (Outcome::True(a), Outcome::True(b)) => Outcome::True(a.max(b)),
            (Outcome::True(a), _) | (_, Outcome::True(a)) => Outcome::True(a),
            (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
            (Outcome::False, Outcome::False) => Outcome::False,
        };
    }
    best
}
