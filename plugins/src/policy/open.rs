//! Which signals can still change the decision, when some of them are known.

use crate::signal::SignalKind;

use super::{Decision, Outcome, Policy, Ranked, Signals, Strategy};

impl Policy {
    /// The kinds that are not `known` yet and on which it depends which decision is taken, or whether a shadow
    /// matches. With all other kinds left out, [`Policy::decide`] takes the same decision with the same confidence.
    pub(crate) fn open_kinds(
        &self,
        signals: &Signals,
        known: &[SignalKind],
        automatic: bool,
    ) -> Vec<SignalKind> {
        let winner = self.decide(signals, automatic).winner();
        // A winner that hangs on a signal may yet lose its rank: then everything counts.
        let settled = winner.filter(|w| self.decisions[w.index].is_settled(signals, known));
        let mut open = Vec::new();
        for decision in self.decisions.iter().filter(|d| d.is_live(automatic)) {
            let passed = settled.is_some_and(|w| !self.could_beat(decision, w));
            if decision.is_settled(signals, known) || (passed && !decision.shadow) {
                continue;
            }
            for kind in &decision.kinds {
                if !known.contains(kind) && !open.contains(kind) {
                    open.push(*kind);
                }
            }
        }
        open
    }

    /// Could the decision, with the best confidence that there is, come before the winner?
    fn could_beat(&self, decision: &Decision, winner: Ranked) -> bool {
        let priority = self.decisions[winner.index].priority;
        match self.strategy {
            Strategy::Priority => decision.priority >= priority,
            Strategy::Confidence => winner.confidence < 1.0 || decision.priority >= priority,
        }
    }
}

impl Decision {
    /// Is its outcome what it will be when all signals are known?
    fn is_settled(&self, signals: &Signals, known: &[SignalKind]) -> bool {
        if self.kinds.iter().all(|kind| known.contains(kind)) {
            return true;
        }
        match self.rule.evaluate(signals) {
            Outcome::False => true,
            // With `any`, another rule may still add confidence, up to 1.
            Outcome::True(confidence) => confidence >= 1.0,
            Outcome::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests;
