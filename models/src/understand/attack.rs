//! How probably a text is an attack, in whichever of its disguises.

use std::ops::Range;

use crate::Score;
use crate::normalize::{Candidates, Kind};

/// How probably a text is an attack on the model: an injection, a jailbreak.
#[derive(Debug, Clone, PartialEq)]
pub struct Attack {
    /// Probability, 0 to 1: of the worst passage, disguised or not.
    pub score: f32,
    /// The disguises of that passage, outermost first; empty for plain text.
    pub disguise: Vec<Kind>,
    /// Where that disguise is, in bytes of the text as given; only for a disguised passage.
    pub range: Option<Range<usize>>,
    /// There were more hidden texts than the limits allow to look at.
    pub truncated: bool,
}

/// The probability that a text is any of these.
pub(super) fn probability(scores: &[Score], attack_labels: &[String]) -> f32 {
    let attacks = scores
        .iter()
        .filter(|score| attack_labels.contains(&score.label));
    attacks
        .map(|score| score.score)
        .sum::<f32>()
        .clamp(0.0, 1.0)
}

/// The worst of the plain text and the hidden ones, whose scores are in the same order.
pub(super) fn worst(plain: f32, hidden: &Candidates, scores: &[f32]) -> Attack {
    let worst = hidden
        .items
        .iter()
        .zip(scores)
        .max_by(|a, b| a.1.total_cmp(b.1));
    match worst {
        Some((hidden_text, &score)) if score > plain => Attack {
            score,
            disguise: hidden_text.chain.clone(),
            range: Some(hidden_text.span.clone()),
            truncated: hidden.truncated,
        },
        _ => Attack {
            score: plain,
            disguise: Vec::new(),
            range: None,
            truncated: hidden.truncated,
        },
    }
}
