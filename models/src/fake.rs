//! Stand-ins for an engine, for unit tests of what uses one. They understand nothing: they look for words.

use async_trait::async_trait;

use crate::{
    Classification, Classifier, Embedder, Embedding, ModelError, Score, Span, Spans, Timing,
    TokenClassifier,
};

/// Gives a text the label of the first rule whose word it contains, else the last label.
#[derive(Debug, Clone)]
pub struct FakeClassifier {
    labels: Vec<String>,
    rules: Vec<(String, usize)>,
    /// When set, every call fails with it.
    pub failure: Option<ModelError>,
}

impl FakeClassifier {
    /// `rules` are (word, label); texts without any of the words get `otherwise`.
    #[must_use]
    pub fn new(rules: &[(&str, &str)], otherwise: &str) -> Self {
        let mut labels: Vec<String> = Vec::new();
        let mut index = |label: &str| match labels.iter().position(|l| l == label) {
            Some(index) => index,
            None => {
                labels.push(label.to_owned());
                labels.len() - 1
            }
        };
        let rules = rules
            .iter()
            .map(|(word, label)| ((*word).to_owned(), index(label)))
            .collect();
        index(otherwise);
        Self {
            labels,
            rules,
            failure: None,
        }
    }
}

#[async_trait]
impl Classifier for FakeClassifier {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    async fn classify(&self, text: &str) -> Result<Classification, ModelError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let best = self
            .rules
            .iter()
            .find(|(word, _)| text.contains(word))
            .map_or(self.labels.len() - 1, |(_, label)| *label);
        let others = self.labels.len() - 1;
        let rest = if others == 0 {
            0.0
        } else {
            0.1 / others as f32
        };
        let mut scores: Vec<Score> = self
            .labels
            .iter()
            .enumerate()
            .map(|(index, label)| Score {
                label: label.clone(),
                score: match index == best {
                    true if others == 0 => 1.0,
                    true => 0.9,
                    false => rest,
                },
            })
            .collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Classification {
            scores,
            windows: 1,
            unread_bytes: 0,
            timing: Timing::default(),
        })
    }
}

/// Labels every occurrence of some words.
#[derive(Debug, Clone)]
pub struct FakeTokenClassifier {
    labels: Vec<String>,
    words: Vec<(String, String)>,
    /// When set, every call fails with it.
    pub failure: Option<ModelError>,
}

impl FakeTokenClassifier {
    /// `words` are (word, label).
    #[must_use]
    pub fn new(words: &[(&str, &str)]) -> Self {
        let words: Vec<_> = words
            .iter()
            .map(|(word, label)| ((*word).to_owned(), (*label).to_owned()))
            .collect();
        let mut labels: Vec<String> = words.iter().map(|(_, label)| label.clone()).collect();
        labels.sort();
        labels.dedup();
        Self {
            labels,
            words,
            failure: None,
        }
    }
}

#[async_trait]
impl TokenClassifier for FakeTokenClassifier {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    async fn find(&self, text: &str) -> Result<Spans, ModelError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let mut spans: Vec<Span> = self
            .words
            .iter()
            .flat_map(|(word, label)| {
                text.match_indices(word.as_str())
                    .map(|(start, found)| Span {
                        label: label.clone(),
                        range: start..start + found.len(),
                        score: 0.99,
                    })
            })
            .collect();
        spans.sort_by_key(|span| span.range.start);
        Ok(Spans {
            spans,
            windows: 1,
            unread_bytes: 0,
            timing: Timing::default(),
        })
    }
}

/// Counts letters: texts with the same letters have the same vector.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeEmbedder;

/// One component a letter of the alphabet.
const LETTERS: usize = 26;

#[async_trait]
impl Embedder for FakeEmbedder {
    fn dimensions(&self) -> usize {
        LETTERS
    }

    async fn embed(&self, text: &str) -> Result<Embedding, ModelError> {
        let mut vector = vec![0.0_f32; LETTERS];
        for letter in text.bytes().map(|b| b.to_ascii_lowercase()) {
            if letter.is_ascii_lowercase() {
                vector[usize::from(letter - b'a')] += 1.0;
            }
        }
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            for x in &mut vector {
                *x /= length;
            }
        }
        Ok(Embedding {
            vector,
            windows: 1,
            unread_bytes: 0,
            timing: Timing::default(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_classifier_prefers_the_first_rule_and_its_scores_sum_to_one() {
        let fake = FakeClassifier::new(&[("integral", "math"), ("court", "law")], "other");
        let result = fake.classify("the court and the integral").await.unwrap();
        assert_eq!(result.scores[0].label, "math");
        let sum: f32 = result.scores.iter().map(|s| s.score).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert_eq!(
            fake.classify("hello").await.unwrap().scores[0].label,
            "other"
        );
    }

    #[tokio::test]
    async fn the_token_classifier_gives_byte_ranges() {
        let fake = FakeTokenClassifier::new(&[("Ana", "PERSON"), ("Köln", "GPE")]);
        let text = "Ana lebt in Köln.";
        let found = fake.find(text).await.unwrap();
        let texts: Vec<&str> = found.spans.iter().map(|s| &text[s.range.clone()]).collect();
        assert_eq!(texts, ["Ana", "Köln"]);
    }

    #[tokio::test]
    async fn a_failure_is_an_error_and_not_an_empty_finding() {
        let mut fake = FakeTokenClassifier::new(&[("Ana", "PERSON")]);
        fake.failure = Some(ModelError::Overloaded);
        assert_eq!(fake.find("Ana").await.unwrap_err(), ModelError::Overloaded);
    }

    #[tokio::test]
    async fn vectors_have_length_one() {
        let vector = FakeEmbedder.embed("Commutator").await.unwrap().vector;
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
    }
}
