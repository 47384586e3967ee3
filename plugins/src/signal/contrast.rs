//! Texts compared with examples by their vectors.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use futures::future::try_join_all;

use crate::problem::Problems;
use crate::understand::{Question, Understand};

/// So many examples are asked about at once: enough for full batches, and far from filling the engine's queue.
const AT_ONCE: usize = 32;

/// The vectors of examples, in order.
///
/// # Errors
/// Which example has none and why, without its text.
pub(super) async fn vectors(
    understand: &dyn Understand,
    examples: &[&str],
) -> Result<Vec<Vec<f32>>, String> {
    let mut all = Vec::with_capacity(examples.len());
    for (chunk, texts) in examples.chunks(AT_ONCE).enumerate() {
        let asked = texts.iter().enumerate().map(|(index, text)| async move {
            let at = chunk * AT_ONCE + index;
            let inspection = understand.inspect(text, &[Question::Embedding]).await;
            let inspection = inspection.map_err(|error| format!("example {at}: {error}"))?;
            let vector = inspection.embedding.unwrap_or_default();
            match !vector.is_empty() && vector.iter().all(|value| value.is_finite()) {
                true => Ok(vector),
                false => Err(format!("example {at}: the model gave no vector")),
            }
        });
        all.extend(try_join_all(asked).await?);
    }
    Ok(all)
}

/// The cosine of the angle between two vectors of length 1.
pub(super) fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The examples of a file: one a line.
pub(super) fn lines(file: &str) -> Vec<String> {
    let lines = file.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Checks that examples say something, and none of them twice.
pub(super) fn check_examples(
    examples: &[String],
    field: &str,
    path: &str,
    problems: &mut Problems,
) {
    let mut seen = HashSet::new();
    for (index, example) in examples.iter().enumerate() {
        let path = format!("{path}.{field}[{index}]");
        if example.trim().is_empty() {
            problems.error(path, "the example is empty");
        } else if !seen.insert(example.trim()) {
            problems.error(path, "the example stands here twice");
        }
    }
}

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
    /// The share of the first side in a text with this vector, 0 to 1; `None` before [`Contrasts::prepare`].
    pub(super) fn share(&self, vector: &[f32]) -> Option<f32> {
        let axis = self.axis.get()?;
        let at = cosine(&axis.direction, vector) - axis.middle;
        Some(1.0 / (1.0 + (-at * 9.0_f32.ln()).exp()))
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
    /// The contrast of these examples.
    pub(super) fn of(&mut self, first: Vec<String>, second: Vec<String>) -> Arc<Contrast> {
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
