//! From which probability on a text is an attack.

use std::sync::OnceLock;

use crate::problem::Problems;
use crate::understand::Understand;

/// What the policy says (a probability, or a share of false alarms), or else what the loaded model says.
#[derive(Debug)]
pub struct AttackThreshold {
    share: Option<f32>,
    value: OnceLock<f32>,
}

impl AttackThreshold {
    /// From `threshold` and `false_positive_rate` of the section at `path`.
    pub fn build(
        threshold: Option<f32>,
        share: Option<f32>,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        for (field, value) in [("threshold", threshold), ("false_positive_rate", share)] {
            if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
                let what = format!("{value} does not lie between 0 and 1");
                problems.error(format!("{path}.{field}"), what);
            }
        }
        if threshold.is_some() && share.is_some() {
            problems
                .error(
                    format!("{path}.false_positive_rate"),
                    "`threshold` and `false_positive_rate` contradict each other",
                )
                .with_hint("give one of them");
        }
        Self {
            share,
            value: threshold.map_or_else(OnceLock::new, OnceLock::from),
        }
    }

    /// Asks the loaded model, once.
    ///
    /// # Errors
    /// Nobody measured the policy's share of false alarms.
    pub fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        let said = match self.share {
            Some(share) => understand.jailbreak_threshold_at(share).ok_or_else(|| {
                format!(
                    "false_positive_rate: nobody measured at which threshold the model flags {share} of harmless \
                     texts (set `threshold` instead)"
                )
            })?,
            None => understand.jailbreak_threshold(),
        };
        self.value.get_or_init(|| said);
        Ok(())
    }

    /// The threshold; `None` before [`AttackThreshold::prepare`], unless the policy says it.
    #[must_use]
    pub fn get(&self) -> Option<f32> {
        self.value.get().copied()
    }
}
