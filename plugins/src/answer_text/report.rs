//! What the filters of an answer found, for the guard's verdict.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::guard::{GuardError, VerdictOutcome};

/// How many findings are kept one by one; labels are kept all.
const MAX_FINDINGS: usize = 100;

/// What was found so far.
#[derive(Debug, Clone)]
pub struct Report {
    /// The strictest of what was done.
    pub outcome: VerdictOutcome,
    /// Labels in order of appearance, each once; `B-US_SSN` for personal data.
    pub labels: Vec<String>,
    /// Label and score of each piece, the first hundred.
    pub findings: Vec<(String, f32)>,
    /// The best score.
    pub score: Option<f32>,
    /// Why the guard could not tell, in a word.
    pub failure: Option<&'static str>,
    /// Time spent finding out.
    pub took: Duration,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            outcome: VerdictOutcome::Clean,
            labels: Vec::new(),
            findings: Vec::new(),
            score: None,
            failure: None,
            took: Duration::ZERO,
        }
    }
}

/// One report for all channels of an answer.
pub type SharedReport = Arc<Mutex<Report>>;

impl Report {
    /// Notes a piece, and what becomes of it. `label` is as it stands in the verdict, `kind` as in the finding.
    pub fn found(&mut self, label: String, kind: &str, score: f32, outcome: VerdictOutcome) {
        self.outcome = self.outcome.max(outcome);
        self.score = Some(self.score.map_or(score, |best| best.max(score)));
        if !self.labels.contains(&label) {
            self.labels.push(label);
        }
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push((kind.to_owned(), score));
        }
    }

    /// Notes that the guard could not tell.
    pub fn failed(&mut self, error: &GuardError, outcome: VerdictOutcome) {
        self.outcome = self.outcome.max(outcome);
        self.failure.get_or_insert(error.word());
    }
}
