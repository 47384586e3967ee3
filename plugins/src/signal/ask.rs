//! What signals share that ask the models.

use std::sync::Arc;

use commutator_models::ModelError;

use crate::exchange::Exchange;
use crate::passage::{Passage, Scope, Speaker, last_user, passages};
use crate::problem::Problems;
use crate::understand::{Inspection, Question, ask_each, each, so_far};

use super::{Match, SignalError};

/// What the models say about the last user turn; `None` where the user says nothing.
///
/// # Errors
/// No answer is never "no match".
pub(super) async fn about_last_user(
    exchange: &Exchange,
    question: Question,
) -> Result<Option<Arc<Inspection>>, SignalError> {
    let Some(passage) = last_user(exchange) else {
        return Ok(None);
    };
    let text = passage.text(exchange);
    if text.trim().is_empty() {
        return Ok(None);
    }
    let asked = exchange.inspections.ask(&passage, &text, question);
    Ok(Some(asked.await?))
}

/// What the models say about the texts of some speakers, as far as they say anything.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) known: Vec<(Passage, Arc<Inspection>)>,
    /// Whose texts nobody knows about.
    failed: Vec<(Speaker, SignalError)>,
}

impl Answers {
    /// The outcome of a rule that looks for something in the texts of `scope`. A match stands whatever else the texts
    /// say; that there is none is only known once all of them were read.
    pub(super) fn settle(&self, scope: &Scope, mut found: Match) -> Match {
        let mut failed = self.failed.iter();
        if !found.matched
            && let Some((_, error)) = failed.find(|(speaker, _)| scope.contains(*speaker))
        {
            found.unknown = Some(error.clone());
        }
        found
    }
}

/// All rules' outcomes.
///
/// # Errors
/// Nothing is known of any of them.
pub(super) fn some_known(outcomes: Vec<Match>) -> Result<Vec<Match>, SignalError> {
    let mut unknown = outcomes.iter().map(|outcome| outcome.unknown.clone());
    match unknown.next().flatten() {
        Some(error) if unknown.all(|other| other.is_some()) => Err(error),
        _ => Ok(outcomes),
    }
}

/// What the models say about every text of these speakers.
pub(super) async fn about_all(exchange: &Exchange, scope: &Scope, question: Question) -> Answers {
    let passages = passages(exchange, scope);
    let answers = each(ask_each(exchange, &passages, question), question).await;
    answered(exchange, scope, passages, answers)
}

/// What they have said so far.
pub(super) fn about_all_so_far(exchange: &Exchange, scope: &Scope, question: Question) -> Answers {
    let passages = passages(exchange, scope);
    let answers = so_far(&ask_each(exchange, &passages, question), question);
    answered(exchange, scope, passages, answers)
}

fn answered(
    exchange: &Exchange,
    scope: &Scope,
    passages: Vec<Passage>,
    answers: Vec<Result<Arc<Inspection>, ModelError>>,
) -> Answers {
    let mut all = Answers::default();
    if exchange.conversation.token_ids > 0 && scope.contains(Speaker::User) {
        let why = "the prompt consists of token ids".to_owned();
        all.failed
            .push((Speaker::User, SignalError::Unavailable(why)));
    }
    for (passage, answer) in passages.into_iter().zip(answers) {
        match answer {
            Ok(answer) => all.known.push((passage, answer)),
            Err(error) => all.failed.push((passage.speaker, error.into())),
        }
    }
    all
}

/// The vector of the last user turn; `None` where the user says nothing.
///
/// # Errors
/// No answer is never "no match".
async fn vector(exchange: &Exchange) -> Result<Option<Vec<f32>>, SignalError> {
    let found = about_last_user(exchange, Question::Embedding).await?;
    match found.map(|inspection| inspection.embedding.clone()) {
        None => Ok(None),
        Some(Some(vector)) => Ok(Some(vector)),
        Some(None) => Err(unanswered(Question::Embedding)),
    }
}

/// Each rule's outcome by the vector of the last user turn.
///
/// # Errors
/// No answer is never "no match".
pub(super) async fn by_vector<R>(
    exchange: &Exchange,
    rules: &[R],
    name: impl Fn(&R) -> &Arc<str>,
    outcome: impl Fn(&R, &[f32]) -> Result<Match, SignalError>,
) -> Result<Vec<Match>, SignalError> {
    match vector(exchange).await? {
        Some(vector) => rules.iter().map(|rule| outcome(rule, &vector)).collect(),
        None => Ok(rules.iter().map(|rule| silent(name(rule))).collect()),
    }
}

/// A signal was evaluated before it had seen the models.
pub(super) fn not_prepared() -> SignalError {
    SignalError::Unavailable("no models are loaded".to_owned())
}

/// The model answered something else than what was asked.
pub(super) fn unanswered(question: Question) -> SignalError {
    SignalError::Unavailable(format!("{}: no answer", question.word()))
}

/// A number that a model gave.
///
/// # Errors
/// It is none, which must not pass for a low one.
pub(super) fn finite(value: f32, question: Question) -> Result<f32, SignalError> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(SignalError::Unavailable(format!(
            "{}: the model's answer is no number",
            question.word()
        ))),
    }
}

/// A rule's outcome where the user says nothing.
pub(super) fn silent(name: &Arc<str>) -> Match {
    Match {
        name: Arc::clone(name),
        matched: false,
        unknown: None,
        confidence: 0.0,
        detail: Some("the user says nothing".to_owned()),
    }
}

/// Where a passage is, for details: its number among the texts, and who says it.
pub(super) fn place(passage: &Passage) -> String {
    let speaker = match passage.speaker {
        Speaker::System => "system",
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
        Speaker::Tool => "tool",
        Speaker::Tools => return "a tool's definition".to_owned(),
    };
    match passage.index {
        Some(index) => format!("text {index} ({speaker})"),
        None => speaker.to_owned(),
    }
}

/// All speakers of several scopes.
pub(super) fn union<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Scope {
    let mut all = Vec::new();
    for speaker in scopes.flat_map(|scope| &scope.0) {
        if !all.contains(speaker) {
            all.push(*speaker);
        }
    }
    Scope(all)
}

/// Checks that a number lies between 0 and 1.
pub(super) fn check_share(value: f32, path: impl Into<String>, problems: &mut Problems) {
    if !(0.0..=1.0).contains(&value) {
        problems.error(path, format!("{value} does not lie between 0 and 1"));
    }
}

/// Checks that somebody's texts are looked at.
pub(super) fn check_scope(scope: &Scope, path: &str, problems: &mut Problems) {
    if scope.0.is_empty() {
        problems
            .error(format!("{path}.scope"), "nobody's texts are looked at")
            .with_hint("leave it out for all but the application's own instructions");
    }
}
