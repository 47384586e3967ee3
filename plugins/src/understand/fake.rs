//! A stand-in for the models in tests. It understands nothing: it looks for words.

use std::time::Duration;

use async_trait::async_trait;
use commutator_models::understand::{Attack, Finding, FoundBy, Inspection, Question};
use commutator_models::{ModelError, Score};
use parking_lot::Mutex;

use super::Understand;

/// Says what its word lists say.
#[derive(Debug, Default)]
pub struct FakeUnderstanding {
    /// Words and the subject of a text that contains them, with its probability; the rest goes to `other`.
    pub subjects: Vec<(&'static str, &'static str, f32)>,
    /// Words that make a text an attack, with the probability.
    pub attacks: Vec<(&'static str, f32)>,
    /// Words that are personal data, with their type and probability.
    pub pii: Vec<(&'static str, &'static str, f32)>,
    /// The same for what rules find without a model.
    pub ruled: Vec<(&'static str, &'static str, f32)>,
    /// Words and the direction of a text that contains them; texts without any lie in a direction of their own.
    pub directions: Vec<&'static str>,
    /// The name of what gives vectors.
    pub embedding_model: Option<&'static str>,
    /// When set, every call fails with it.
    pub failure: Option<ModelError>,
    /// Calls about texts with this word fail as overloaded.
    pub fails_at: Option<&'static str>,
    /// How long a call takes.
    pub delay: Duration,
    /// Only calls about texts with this word take that long.
    pub delayed_at: Option<&'static str>,
    /// The questions of every call so far.
    pub calls: Mutex<Vec<Vec<Question>>>,
    /// The bytes of the texts of all calls so far.
    pub looked: Mutex<usize>,
}

#[async_trait]
impl Understand for FakeUnderstanding {
    async fn inspect(&self, text: &str, questions: &[Question]) -> Result<Inspection, ModelError> {
        self.calls.lock().push(questions.to_vec());
        *self.looked.lock() += text.len();
        let delayed = self.delayed_at.is_none_or(|word| text.contains(word));
        if !self.delay.is_zero() && delayed {
            tokio::time::sleep(self.delay).await;
        }
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.fails_at.is_some_and(|word| text.contains(word)) {
            return Err(ModelError::Overloaded);
        }
        let asked = |question: Question| questions.contains(&question);
        Ok(Inspection {
            domain: asked(Question::Domain).then(|| self.domain(text)),
            jailbreak: asked(Question::Jailbreak).then(|| self.attack(text)),
            pii: asked(Question::Pii).then(|| self.personal(text)),
            embedding: asked(Question::Embedding).then(|| self.vector(text)),
            windows: 1,
            ..Inspection::default()
        })
    }

    async fn find_by_rules(&self, text: &str) -> Result<Vec<Finding>, ModelError> {
        match &self.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(self.find(&self.ruled, text, FoundBy::Rule)),
        }
    }

    fn jailbreak_threshold(&self) -> f32 {
        0.5
    }

    fn jailbreak_threshold_at(&self, share: f32) -> Option<f32> {
        (share >= 0.01).then_some(0.9)
    }

    fn domains(&self) -> Vec<String> {
        let named = self.subjects.iter().map(|(_, label, _)| *label);
        let mut all: Vec<String> = named.chain(["other", "none"]).map(str::to_owned).collect();
        all.sort();
        all.dedup();
        all
    }

    fn embedding_model(&self) -> Option<String> {
        self.embedding_model.map(str::to_owned)
    }

    fn pii_types(&self) -> Vec<String> {
        self.pii
            .iter()
            .map(|(_, kind, _)| (*kind).to_owned())
            .collect()
    }
}

impl FakeUnderstanding {
    /// Another one that says the same, and was not asked yet.
    #[must_use]
    pub fn like(&self) -> Self {
        Self {
            subjects: self.subjects.clone(),
            attacks: self.attacks.clone(),
            pii: self.pii.clone(),
            ruled: self.ruled.clone(),
            directions: self.directions.clone(),
            embedding_model: self.embedding_model,
            failure: self.failure.clone(),
            fails_at: self.fails_at,
            delay: self.delay,
            delayed_at: self.delayed_at,
            calls: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    fn domain(&self, text: &str) -> Vec<Score> {
        let found = self.subjects.iter().find(|(word, ..)| text.contains(word));
        let (label, score) = found.map_or(("other", 1.0), |(_, label, score)| (*label, *score));
        let rest = if label == "other" { "none" } else { "other" };
        let score_of = |label: &str, score: f32| Score {
            label: label.to_owned(),
            score,
        };
        let mut scores = vec![score_of(label, score), score_of(rest, 1.0 - score)];
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        scores
    }

    fn attack(&self, text: &str) -> Attack {
        let found = self.attacks.iter().filter(|(word, _)| text.contains(word));
        Attack {
            score: found.map(|(_, score)| *score).fold(0.01, f32::max),
            disguise: Vec::new(),
            range: None,
            truncated: false,
        }
    }

    fn personal(&self, text: &str) -> Vec<Finding> {
        let mut all = self.find(&self.ruled, text, FoundBy::Rule);
        all.extend(self.find(&self.pii, text, FoundBy::Model));
        all.sort_by_key(|finding| finding.range.start);
        all
    }

    fn find(
        &self,
        words: &[(&'static str, &'static str, f32)],
        text: &str,
        by: FoundBy,
    ) -> Vec<Finding> {
        let mut all = Vec::new();
        for (word, kind, score) in words {
            all.extend(text.match_indices(word).map(|(at, _)| Finding {
                label: (*kind).to_owned(),
                range: at..at + word.len(),
                score: *score,
                by,
            }));
        }
        all.sort_by_key(|finding: &Finding| finding.range.start);
        all
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector: Vec<f32> = self
            .directions
            .iter()
            .map(|word| if text.contains(word) { 1.0 } else { 0.0 })
            .collect();
        let none = vector.iter().all(|value| *value == 0.0);
        vector.push(if none { 1.0 } else { 0.0 });
        let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter().map(|value| value / length).collect()
    }
}
