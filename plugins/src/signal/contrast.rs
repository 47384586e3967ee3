//! Texts compared with examples by their vectors.

use std::sync::{Arc, OnceLock};

use crate::signal::SignalError;
use crate::understand::{Question, Understand};

use super::ask;
use super::examples::{cosine, lines, vectors};

/// Two lists of examples, and where between them a text lies.
///
/// With `a` and `b` the mean vectors of both sides, a text's vector is projected onto `a - b`; the middle between both
/// means is 0, the means themselves lie at 1 and -1. The logistic function makes a share of it: a typical example of
/// the first side has 0.9, one of the second 0.1.
#[derive(Debug)]
pub(super) struct Contrast {
    first: Vec<String>,
    second: Vec<String>,
    axis: OnceLock<Axis>,
}

#[derive(Debug)]
struct Axis {
    /// `2 (a - b) / |a - b|²`
    direction: Vec<f32>,
    /// The projection of the middle.
    middle: f32,
}

/// Below this distance between the means the two sides say the same.
const TOO_ALIKE: f32 = 1e-3;

impl Contrast {
    /// The share of the first side in a text with this vector, 0 to 1.
    ///
    /// # Errors
    /// [`Contrasts::prepare`] was not called, or the vector holds no numbers.
    pub(super) fn share(&self, vector: &[f32]) -> Result<f32, SignalError> {
        let axis = self.axis.get().ok_or_else(ask::not_prepared)?;
        let at = cosine(&axis.direction, vector) - axis.middle;
        ask::finite(
            1.0 / (1.0 + (-at * 9.0_f32.ln()).exp()),
            Question::Embedding,
        )
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        let texts: Vec<&str> = (self.first.iter().chain(&self.second))
            .map(String::as_str)
            .collect();
        let vectors = vectors(understand, &texts).await?;
        let (first, second) = vectors.split_at(self.first.len());
        let (a, b) = (mean(first), mean(second));
        let difference: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let square = cosine(&difference, &difference);
        if square.sqrt() < TOO_ALIKE {
            return Err("the model sees no difference between both lists of examples".to_owned());
        }
        let direction: Vec<f32> = difference.iter().map(|d| 2.0 * d / square).collect();
        let middle = (cosine(&direction, &a) + cosine(&direction, &b)) / 2.0;
        self.axis.get_or_init(|| Axis { direction, middle });
        Ok(())
    }
}

fn mean(vectors: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = vec![0.0; vectors.first().map_or(0, Vec::len)];
    for vector in vectors {
        for (sum, value) in mean.iter_mut().zip(vector) {
            *sum += value / vectors.len() as f32;
        }
    }
    mean
}

/// The contrasts of a kind's rules; rules with the same examples share one.
#[derive(Debug, Default)]
pub(super) struct Contrasts(Vec<Arc<Contrast>>);

impl Contrasts {
    /// The contrast of a rule's own examples; where it has none, of those of a file.
    pub(super) fn of(
        &mut self,
        first: (&[String], &str),
        second: (&[String], &str),
    ) -> Arc<Contrast> {
        let or = |(own, file): (&[String], &str)| match own.is_empty() {
            true => lines(file),
            false => own.to_vec(),
        };
        let (first, second) = (or(first), or(second));
        let mut known = self.0.iter();
        if let Some(known) = known.find(|known| known.first == first && known.second == second) {
            return Arc::clone(known);
        }
        let contrast = Arc::new(Contrast {
            first,
            second,
            axis: OnceLock::new(),
        });
        self.0.push(Arc::clone(&contrast));
        contrast
    }

    /// Asks the model about the examples, once.
    ///
    /// # Errors
    /// It fails, or sees no difference between both sides.
    pub(super) async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        for contrast in &self.0 {
            contrast.prepare(understand).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
