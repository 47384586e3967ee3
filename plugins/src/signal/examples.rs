//! Examples of texts, and how like them a text is.

mod kept;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::OnceLock;

use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::problem::Problems;
use crate::signal::SignalError;
use crate::understand::{Question, Understand};

use super::ask;

/// So many examples are asked about at once: enough for full batches, and far from filling the engine's queue.
const AT_ONCE: usize = 32;

/// The vectors of examples, in order. What a model has said once about an example, it is not asked again.
///
/// # Errors
/// Which example has none and why, without its text.
pub(super) async fn vectors(
    understand: &dyn Understand,
    examples: &[&str],
) -> Result<Vec<Vec<f32>>, String> {
    let model = understand.embedding_model();
    let known = |text: &str| kept::get(model.as_deref()?, text);
    let mut all = Vec::with_capacity(examples.len());
    for (chunk, texts) in examples.chunks(AT_ONCE).enumerate() {
        let asked = texts.iter().enumerate().map(|(index, text)| async move {
            if let Some(vector) = known(text) {
                return Ok(vector);
            }
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
    if let Some(model) = &model {
        for (text, vector) in examples.iter().zip(&all) {
            kept::put(model, text, vector);
        }
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

/// How the likenesses to several examples become one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// That to the most similar example.
    #[default]
    Max,
    /// The mean of all.
    Mean,
    /// The mean of the three highest.
    Top3,
}

impl Aggregate {
    /// The likeness of a vector to those of examples; `None` where there are none.
    fn likeness(self, vector: &[f32], examples: &[Vec<f32>]) -> Option<f32> {
        let mut all: Vec<f32> = examples.iter().map(|e| cosine(e, vector)).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        let first = match self {
            Self::Max => &all[..all.len().min(1)],
            Self::Mean => &all[..],
            Self::Top3 => &all[..all.len().min(3)],
        };
        (!first.is_empty()).then(|| first.iter().sum::<f32>() / first.len() as f32)
    }
}

/// What texts should be like, and what they should not be like.
#[derive(Debug)]
pub(super) struct Examples {
    examples: Vec<String>,
    against: Vec<String>,
    /// Those of `examples`, then those of `against`.
    vectors: OnceLock<Vec<Vec<f32>>>,
}

impl Examples {
    pub(super) fn new(examples: &[String], against: &[String]) -> Self {
        Self {
            examples: examples.to_vec(),
            against: against.to_vec(),
            vectors: OnceLock::new(),
        }
    }

    /// Checks both lists of the rule at `path`.
    pub(super) fn check(
        examples: &[String],
        against: &[String],
        path: &str,
        problems: &mut Problems,
    ) {
        check_examples(examples, "examples", path, problems);
        check_examples(against, "against", path, problems);
        for (at, example) in against.iter().enumerate() {
            if examples.contains(example) {
                problems.error(
                    format!("{path}.against[{at}]"),
                    "the same stands in `examples`: a request cannot be more like it than like itself",
                );
            }
        }
    }

    /// Asks the model about the examples, once.
    ///
    /// # Errors
    /// Which example has no vector and why.
    pub(super) async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        let texts = self.examples.iter().chain(&self.against);
        let texts: Vec<&str> = texts.map(String::as_str).collect();
        let vectors = vectors(understand, &texts).await?;
        self.vectors.get_or_init(|| vectors);
        Ok(())
    }

    /// How like both lists a vector is; the second is `None` where that list is empty.
    ///
    /// # Errors
    /// [`Examples::prepare`] was not called, or the vector holds no numbers.
    pub(super) fn likeness(
        &self,
        aggregate: Aggregate,
        vector: &[f32],
    ) -> Result<(f32, Option<f32>), SignalError> {
        let vectors = self.vectors.get().ok_or_else(ask::not_prepared)?;
        let (examples, against) = vectors.split_at(self.examples.len());
        let likeness = aggregate.likeness(vector, examples).unwrap_or(0.0);
        let likeness = ask::finite(likeness, Question::Embedding)?;
        Ok((likeness, aggregate.likeness(vector, against)))
    }
}
