//! What guards and signals found in a text.

use std::ops::Range;

use serde::Serialize;

/// One thing found: a label, where, and how sure. Never the text itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The plugin or signal that found it.
    pub source: String,
    /// What it is, for example `US_SSN`.
    pub label: String,
    /// Probability, 0 to 1.
    pub score: f32,
    /// The least probability that counts; `None` where it is a matter of yes or no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Index of the text in [`crate::conversation::Conversation::texts`]; `None` where it concerns the whole.
    pub text: Option<usize>,
    /// Bytes of that text.
    pub span: Option<Range<usize>>,
}
