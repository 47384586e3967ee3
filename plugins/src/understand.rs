//! Asking the models about a request's texts: each text once, for everything that signals and guards want to know.

pub mod fake;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use commutator_models::ModelError;
use commutator_models::understand::{LoadedModel, Understanding};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt};
use parking_lot::Mutex;

pub use commutator_models::understand::{Attack, Finding as Piece, FoundBy, Inspection, Question};

use crate::exchange::Exchange;
use crate::passage::{Passage, Scope};

/// What answers questions about texts: the models and rules of [`commutator_models`], or a fake in tests.
#[async_trait]
pub trait Understand: Send + Sync + fmt::Debug {
    /// Answers the questions about a text. Dropping the call gives its work up.
    ///
    /// # Errors
    /// No answer is never "nothing found".
    async fn inspect(&self, text: &str, questions: &[Question]) -> Result<Inspection, ModelError>;

    /// The personal data that rules find without any model.
    ///
    /// # Errors
    /// No answer is never "nothing found".
    async fn find_by_rules(&self, text: &str) -> Result<Vec<Piece>, ModelError>;

    /// From this probability on a text counts as an attack, unless the policy says otherwise.
    fn jailbreak_threshold(&self) -> f32;

    /// The threshold at which about `share` (0 to 1) of harmless texts are taken for attacks; `None` where nobody
    /// measured that.
    fn jailbreak_threshold_at(&self, share: f32) -> Option<f32>;

    /// The subjects that the model knows.
    fn domains(&self) -> Vec<String>;

    /// The types of personal data that the model can find, rules left out.
    fn pii_types(&self) -> Vec<String>;

    /// The models in use, for `explain`.
    fn models(&self) -> Vec<LoadedModel> {
        Vec::new()
    }

    /// Which model gives vectors, and in which way it runs: whoever says the same gives the same vectors. `None`: nobody
    /// knows.
    fn embedding_model(&self) -> Option<String> {
        let word = Question::Embedding.word();
        let models = self.models();
        let model = models
            .iter()
            .find(|model| model.questions.contains(&word))?;
        Some(format!("{} {}", model.content, model.backend))
    }
}

#[async_trait]
impl Understand for Arc<Understanding> {
    async fn inspect(&self, text: &str, questions: &[Question]) -> Result<Inspection, ModelError> {
        Understanding::inspect(self, text, questions, None).await
    }

    async fn find_by_rules(&self, text: &str) -> Result<Vec<Piece>, ModelError> {
        Understanding::find_by_rules(self, text).await
    }

    fn jailbreak_threshold(&self) -> f32 {
        Understanding::jailbreak_threshold(self)
    }

    fn jailbreak_threshold_at(&self, share: f32) -> Option<f32> {
        Understanding::jailbreak_threshold_at(self, share)
    }

    fn domains(&self) -> Vec<String> {
        Understanding::domains(self)
    }

    fn pii_types(&self) -> Vec<String> {
        Understanding::pii_types(self)
    }

    fn models(&self) -> Vec<LoadedModel> {
        Understanding::models(self).to_vec()
    }
}

/// Which texts of a request somebody will have a question about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The question.
    pub question: Question,
    /// The texts; `None` means the last user turn.
    pub scope: Option<Scope>,
}

impl Expectation {
    /// A question about the last user turn.
    #[must_use]
    pub fn last_user(question: Question) -> Self {
        Self {
            question,
            scope: None,
        }
    }

    /// A question about all texts of these speakers.
    #[must_use]
    pub fn all_of(question: Question, scope: Scope) -> Self {
        Self {
            question,
            scope: Some(scope),
        }
    }

    fn concerns(&self, passage: &Passage) -> bool {
        match &self.scope {
            Some(scope) => scope.contains(passage.speaker) && !passage.excerpt,
            None => passage.last_user,
        }
    }
}

/// An answer on its way; whoever asks the same gets the same.
pub type Asked = Shared<BoxFuture<'static, Result<Arc<Inspection>, ModelError>>>;

/// What was asked about the texts of one request.
#[derive(Default)]
pub struct Inspections {
    understand: Option<Arc<dyn Understand>>,
    expected: Vec<Expectation>,
    asked: Mutex<Vec<Entry>>,
}

/// A question about a text, and the answer on its way.
struct Entry {
    passage: Passage,
    question: Question,
    answer: Asked,
}

impl Entry {
    /// Is it about this text? Its place in the body says so, and whether it is only a part of what stands there.
    fn concerns(&self, passage: &Passage) -> bool {
        self.passage.start() == passage.start() && self.passage.excerpt == passage.excerpt
    }
}

/// What was asked about one text in one go, and the answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The text.
    pub passage: Passage,
    /// What was asked.
    pub questions: Vec<Question>,
    /// The answer; `None` where nobody waited for it.
    pub result: Option<Result<Arc<Inspection>, ModelError>>,
}

impl fmt::Debug for Inspections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = self.asked.lock();
        let questions = asked.iter().map(|one| (one.passage.start(), one.question));
        f.debug_list().entries(questions).finish()
    }
}

impl Inspections {
    /// Nothing asked yet; `None` where no models are loaded.
    #[must_use]
    pub fn new(understand: Option<Arc<dyn Understand>>) -> Self {
        Self {
            understand,
            ..Self::default()
        }
    }

    /// Who answers; `None` where no models are loaded.
    #[must_use]
    pub fn understand(&self) -> Option<&Arc<dyn Understand>> {
        self.understand.as_ref()
    }

    /// Says what will be asked, so that the first question about a text brings the others along: models that share
    /// their lower layers then run those once.
    pub fn expect(&mut self, expected: impl IntoIterator<Item = Expectation>) {
        self.expected.extend(expected);
    }

    /// Asks about a passage, whose text is `text`; nothing runs before the answer is polled.
    pub fn ask(&self, passage: &Passage, text: &str, question: Question) -> Asked {
        let mut asked = self.asked.lock();
        let known = |wanted: Question| find(&asked, passage, wanted);
        if let Some(answer) = known(question) {
            return answer;
        }
        let expected = |other: &Question| {
            let mut all = self.expected.iter();
            all.any(|e| e.question == *other && e.concerns(passage)) && known(*other).is_none()
        };
        let all = Question::ALL.into_iter();
        let questions: Vec<Question> = all.filter(|q| *q == question || expected(q)).collect();
        let answer = answer(self.understand.clone(), text.to_owned(), questions.clone());
        for question in questions {
            asked.push(Entry {
                passage: passage.clone(),
                question,
                answer: answer.clone(),
            });
        }
        answer
    }

    /// The answer to a question about a passage, if somebody has it already.
    #[must_use]
    pub fn known(&self, passage: &Passage, question: Question) -> Option<Arc<Inspection>> {
        let answer = find(&self.asked.lock(), passage, question)?;
        answer.peek()?.clone().ok()
    }

    /// Everything that was asked, in the order of the questions, for `explain`.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        let mut all: Vec<(Asked, Answered)> = Vec::new();
        for entry in self.asked.lock().iter() {
            match all
                .iter_mut()
                .find(|(asked, _)| asked.ptr_eq(&entry.answer))
            {
                Some((_, answered)) => answered.questions.push(entry.question),
                None => all.push((
                    entry.answer.clone(),
                    Answered {
                        passage: entry.passage.clone(),
                        questions: vec![entry.question],
                        result: entry.answer.peek().cloned(),
                    },
                )),
            }
        }
        all.into_iter().map(|(_, answered)| answered).collect()
    }
}

fn find(asked: &[Entry], passage: &Passage, question: Question) -> Option<Asked> {
    let mut all = asked.iter();
    all.find(|one| one.question == question && one.concerns(passage))
        .map(|one| one.answer.clone())
}

/// How many texts of one request are with the models at the same time: a request with thousands must not fill the
/// queue for all others.
const AT_ONCE: usize = 32;

/// Asks about each of these passages; nothing runs before the answers are polled.
pub fn ask_each(exchange: &Exchange, passages: &[Passage], question: Question) -> Vec<Asked> {
    let ask = |passage: &Passage| {
        let text = passage.text(exchange);
        exchange.inspections.ask(passage, &text, question)
    };
    passages.iter().map(ask).collect()
}

/// The answers to `question`, in order.
///
/// # Errors
/// The first failure, and an answer that does not say what was asked or is no number: neither may pass for "nothing
/// found".
pub async fn all(
    asked: Vec<Asked>,
    question: Question,
) -> Result<Vec<Arc<Inspection>>, ModelError> {
    let answers = futures::stream::iter(asked).buffered(AT_ONCE);
    let answers = answers.map(|answer| checked(answer, question));
    answers.try_collect().await
}

/// The answers to `question`, in order, failures among them: those of [`all`].
pub async fn each(
    asked: Vec<Asked>,
    question: Question,
) -> Vec<Result<Arc<Inspection>, ModelError>> {
    let answers = futures::stream::iter(asked).buffered(AT_ONCE);
    let answers = answers.map(|answer| checked(answer, question));
    answers.collect().await
}

/// The answers to `question` that are there already, in order; who has not answered yet is late.
pub fn so_far(asked: &[Asked], question: Question) -> Vec<Result<Arc<Inspection>, ModelError>> {
    let late = || Err(ModelError::Deadline);
    let answers = asked.iter().map(|asked| asked.peek().cloned());
    answers
        .map(|answer| checked(answer.unwrap_or_else(late), question))
        .collect()
}

/// An answer that says what was asked.
fn checked(
    answer: Result<Arc<Inspection>, ModelError>,
    question: Question,
) -> Result<Arc<Inspection>, ModelError> {
    let answer = answer?;
    match says(&answer, question) {
        true => Ok(answer),
        false => Err(ModelError::Infer(format!("{}: no answer", question.word()))),
    }
}

fn says(inspection: &Inspection, question: Question) -> bool {
    let sure = |score: f32| score.is_finite();
    match question {
        Question::Domain => {
            let scores = inspection.domain.as_ref();
            scores.is_some_and(|all| all.iter().all(|one| sure(one.score)))
        }
        Question::Jailbreak => {
            let attack = inspection.jailbreak.as_ref();
            attack.is_some_and(|attack| sure(attack.score))
        }
        Question::Pii => {
            let pieces = inspection.pii.as_ref();
            pieces.is_some_and(|all| all.iter().all(|piece| sure(piece.score)))
        }
        Question::Embedding => {
            let vector = inspection.embedding.as_ref();
            vector.is_some_and(|vector| vector.iter().all(|value| sure(*value)))
        }
    }
}

fn answer(
    understand: Option<Arc<dyn Understand>>,
    text: String,
    questions: Vec<Question>,
) -> Asked {
    let work = async move {
        let missing = || ModelError::Infer("no models are loaded".to_owned());
        let understand = understand.ok_or_else(missing)?;
        understand.inspect(&text, &questions).await.map(Arc::new)
    };
    work.boxed().shared()
}

#[cfg(test)]
mod tests;
