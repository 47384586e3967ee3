//! A second look at what looks like an attack in a long text.
//!
//! A text of five thousand words is read in some seventy windows, and one is enough to stop it: a mistake that a guard
//! makes in one window of three hundred stops every fifth of such texts. But such a mistake hangs on where the window
//! happens to begin, and an attack does not. So a suspicious window of a long text is read again a little before and
//! behind, and the mean of what is said there counts. `models/training/README.md` has what that changes.

use std::time::Instant;

use futures::future::{join_all, try_join_all};

use super::Engine;
use super::answer::{Analysis, HeadResult, Request};
use super::suspects::Suspect;
use crate::ModelError;

/// Up to so many windows the first look is believed: with so few, mistakes are as rare as in short texts.
const BELIEVED: usize = 4;

/// Windows below this are not suspicious.
const SUSPICIOUS: f32 = 0.3;

/// At most so many windows are looked at again; where there are more, the text is suspicious all over.
pub(crate) const LOOKS: usize = 4;

/// Probabilities are taken as this far from 0 and 1 at least, so that no single one outweighs all others.
const DOUBT: f32 = 1e-4;

impl Engine {
    /// What [`Combine::Max`](super::Combine::Max) looks for, with a second look at a long text's suspicious windows: its
    /// probability in the worst of them. `None` where the first look is believed: `result`, which is this head's of the
    /// text.
    ///
    /// What could not be looked at again stays as suspicious as it was.
    pub async fn look_again(
        &self,
        text: &str,
        head: usize,
        result: &HeadResult,
        deadline: Option<Instant>,
    ) -> Option<f32> {
        if result.windows <= BELIEVED {
            return None;
        }
        let suspicious = |suspect: &&Suspect| suspect.score >= SUSPICIOUS;
        let doubted: Vec<&Suspect> = (result.suspects.iter())
            .take_while(suspicious)
            .take(LOOKS)
            .collect();
        if doubted.is_empty() {
            return None;
        }
        let rest = result.suspects.get(doubted.len());
        let looks = doubted
            .iter()
            .map(|suspect| self.look(text, head, suspect, deadline));
        let found = join_all(looks).await;
        let scores = (found.into_iter().zip(&doubted))
            .map(|(found, suspect)| found.unwrap_or(suspect.score))
            .chain(rest.map(|suspect| suspect.score));
        Some(scores.fold(0.0, f32::max))
    }

    /// What is said of a window and of the pieces around it, together.
    async fn look(
        &self,
        text: &str,
        head: usize,
        suspect: &Suspect,
        deadline: Option<Instant>,
    ) -> Result<f32, ModelError> {
        let heads = [head];
        let pieces = suspect.around.iter().map(|range| {
            self.analyze(Request {
                text: text.get(range.clone()).unwrap_or_default(),
                heads: &heads,
                deadline,
            })
        });
        let analyses = try_join_all(pieces).await?;
        let around = analyses.iter().map(worst);
        Ok(together(std::iter::once(suspect.score).chain(around)))
    }
}

/// The score of the worst window in an analysis for one head.
fn worst(analysis: &Analysis) -> f32 {
    let suspects = analysis.results.iter().flat_map(|head| &head.suspects);
    suspects.map(|suspect| suspect.score).fold(0.0, f32::max)
}

/// The probability whose log-odds are the mean of theirs.
fn together(scores: impl Iterator<Item = f32>) -> f32 {
    let (mut sum, mut count) = (0.0, 0.0);
    for score in scores {
        let score = score.clamp(DOUBT, 1.0 - DOUBT);
        sum += (score / (1.0 - score)).ln();
        count += 1.0;
    }
    1.0 / (1.0 + (-sum / f32::max(count, 1.0)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_taken_of_log_odds() {
        let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} {b}");
        near(together([0.9].into_iter()), 0.9);
        near(together([0.9, 0.1].into_iter()), 0.5);
        near(together([0.8, 0.8, 0.8].into_iter()), 0.8);
        // Odds of 99, 99 and 1 / 99: their geometric mean is the cube root of 99.
        let root = 99.0_f32.cbrt();
        near(
            together([0.99, 0.99, 0.01].into_iter()),
            root / (1.0 + root),
        );
        // Nobody is so certain that the others do not count.
        assert!(together([1.0, 0.02, 0.02, 0.02, 0.02].into_iter()) < 0.5);
        assert!(together([0.0, 0.98, 0.98, 0.98, 0.98].into_iter()) > 0.5);
    }
}
