//! What a guard decided about an exchange, for headers, metrics and the log.

use std::time::Duration;

use serde::Serialize;

/// Which side of an exchange was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the client sent.
    Request,
    /// What the model said.
    Answer,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictOutcome {
    /// Nothing found.
    Clean,
    /// Found and reported; nothing else happens.
    Flagged,
    /// Replaced by placeholders that the answer's way back undoes.
    Redacted,
    /// Replaced for good.
    Masked,
    /// Sent to another model.
    Rerouted,
    /// Stopped.
    Blocked,
    /// The guard could not tell, and the policy lets such requests pass.
    Skipped,
    /// The guard could not tell, and the policy refuses such requests.
    Denied,
    /// It was still thinking when the request ended otherwise: another guard stopped it, the frontend failed, or the
    /// client left.
    Abandoned,
}

impl VerdictOutcome {
    /// The word in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Flagged => "flagged",
            Self::Redacted => "redacted",
            Self::Masked => "masked",
            Self::Rerouted => "rerouted",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
            Self::Denied => "denied",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What one guard decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The guard's name.
    pub guard: &'static str,
    /// Which side it judged.
    pub side: Side,
    /// What became of it; in the shadow, what would have.
    pub outcome: VerdictOutcome,
    /// Was it only counted?
    pub shadow: bool,
    /// Labels in order of appearance, each once; `B-US_SSN` for pieces of a text, else the label alone.
    pub labels: Vec<String>,
    /// The best score of what was found, 0 to 1; of a guard with one threshold for everything also below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The least score that counts, where the guard has one for everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Why the guard could not tell, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<&'static str>,
    /// Did a frontend already work on the request when the verdict came?
    pub overlapped: bool,
    /// From the guard's start to its verdict.
    #[serde(serialize_with = "micros", rename = "micros")]
    pub took: Duration,
}

fn micros<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}
