//! The faces of single heads: thin views of [`Engine::analyze`].

use std::sync::Arc;

use async_trait::async_trait;

use super::head::Kind;
use super::{Analysis, Answer, Engine, HeadResult, Request};
use crate::encoder::Task;
use crate::{
    Classification, Classifier, Embedder, Embedding, ModelError, Spans, Timing, TokenClassifier,
};

/// A head that classifies texts.
#[derive(Debug, Clone)]
pub struct HeadClassifier {
    engine: Arc<Engine>,
    head: usize,
    labels: Vec<String>,
}

/// A head that labels pieces of texts.
#[derive(Debug, Clone)]
pub struct HeadTokenClassifier {
    engine: Arc<Engine>,
    head: usize,
    labels: Vec<String>,
}

/// A head that turns texts into vectors.
#[derive(Debug, Clone)]
pub struct HeadEmbedder {
    engine: Arc<Engine>,
    head: usize,
}

impl Engine {
    /// The face of a head that classifies texts.
    ///
    /// # Errors
    /// [`ModelError::Load`] when there is no such head, or it does something else.
    pub fn classifier(self: &Arc<Self>, head: &str) -> Result<HeadClassifier, ModelError> {
        let head = self.find(head, Task::Sequence)?;
        Ok(HeadClassifier {
            labels: self.shared.heads[head].info.labels.clone(),
            engine: Arc::clone(self),
            head,
        })
    }

    /// The face of a head that labels pieces of texts.
    ///
    /// # Errors
    /// As [`Engine::classifier`].
    pub fn token_classifier(
        self: &Arc<Self>,
        head: &str,
    ) -> Result<HeadTokenClassifier, ModelError> {
        let head = self.find(head, Task::Token)?;
        let labels = match &self.shared.heads[head].kind {
            Kind::Tags(tags) => tags.names(),
            Kind::Mean | Kind::Max(_) | Kind::Vector => Vec::new(),
        };
        Ok(HeadTokenClassifier {
            engine: Arc::clone(self),
            head,
            labels,
        })
    }

    /// The face of a head that turns texts into vectors.
    ///
    /// # Errors
    /// As [`Engine::classifier`].
    pub fn embedder(self: &Arc<Self>, head: &str) -> Result<HeadEmbedder, ModelError> {
        Ok(HeadEmbedder {
            head: self.find(head, Task::Embedding)?,
            engine: Arc::clone(self),
        })
    }

    fn find(&self, name: &str, task: Task) -> Result<usize, ModelError> {
        let of_task: Vec<&str> = self
            .heads()
            .filter(|head| head.task == task)
            .map(|head| head.name.as_str())
            .collect();
        match self.head(name) {
            Some(head) if of_task.contains(&name) => Ok(head),
            _ => Err(ModelError::Load {
                model: self.model().to_owned(),
                reason: format!(
                    "no head `{name}` for this task; there are: {}",
                    of_task.join(", ")
                ),
            }),
        }
    }

    async fn one(&self, text: &str, head: usize) -> Result<(Arc<HeadResult>, Timing), ModelError> {
        let Analysis { results, timing } = self
            .analyze(Request {
                text,
                heads: &[head],
                deadline: None,
            })
            .await?;
        let result = results.into_iter().next();
        result
            .map(|result| (result, timing))
            .ok_or_else(wrong_answer)
    }
}

/// A head's kind decides what it answers, and the faces are made by kind.
fn wrong_answer() -> ModelError {
    ModelError::Infer("the head answered something else than it should".to_owned())
}

#[async_trait]
impl Classifier for HeadClassifier {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    async fn classify(&self, text: &str) -> Result<Classification, ModelError> {
        let (result, timing) = self.engine.one(text, self.head).await?;
        match &result.answer {
            Answer::Classes(scores) => Ok(Classification {
                scores: scores.clone(),
                windows: result.windows,
                unread_bytes: result.unread_bytes,
                timing,
            }),
            _ => Err(wrong_answer()),
        }
    }
}

#[async_trait]
impl TokenClassifier for HeadTokenClassifier {
    fn labels(&self) -> &[String] {
        &self.labels
    }

    async fn find(&self, text: &str) -> Result<Spans, ModelError> {
        let (result, timing) = self.engine.one(text, self.head).await?;
        match &result.answer {
            Answer::Spans(spans) => Ok(Spans {
                spans: spans.clone(),
                windows: result.windows,
                unread_bytes: result.unread_bytes,
                timing,
            }),
            _ => Err(wrong_answer()),
        }
    }
}

#[async_trait]
impl Embedder for HeadEmbedder {
    fn dimensions(&self) -> usize {
        self.engine.shared.heads[self.head].info.width
    }

    async fn embed(&self, text: &str) -> Result<Embedding, ModelError> {
        let (result, timing) = self.engine.one(text, self.head).await?;
        match &result.answer {
            Answer::Vector(vector) => Ok(Embedding {
                vector: vector.clone(),
                windows: result.windows,
                unread_bytes: result.unread_bytes,
                timing,
            }),
            _ => Err(wrong_answer()),
        }
    }
}
