//! What the models said about the texts of a request, for `explain`.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::exchange::Exchange;
use crate::json::{Kind, Value};
use crate::passage::Speaker;
use crate::understand::{Answered, Inspection};

use super::Trace;

/// A model that answers a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelTrace {
    /// What it is asked: `domain`, `jailbreak`, `pii`, `embedding`.
    pub question: &'static str,
    /// Where it comes from, as configured.
    pub model: String,
    /// Which state of it.
    pub revision: String,
    /// How it runs.
    pub backend: String,
}

/// What was asked about one text in one go.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectionTrace {
    /// Where in the body it stands: `messages[1].content`.
    pub path: String,
    /// Who says it.
    pub speaker: Speaker,
    /// Was only the beginning and the end of it read?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub excerpt: bool,
    /// The questions.
    pub questions: Vec<&'static str>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// The most windows that a model read of it.
    pub windows: usize,
    /// Bytes at its end that some model did not read.
    #[serde(skip_serializing_if = "is_zero")]
    pub unread_bytes: usize,
    /// What the parts took, in microseconds.
    pub micros: TimingTrace,
    /// The most probable subjects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domain: Vec<LabelTrace>,
    /// How probably it is an attack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jailbreak: Option<AttackTrace>,
    /// Personal data and secrets, whether or not a rule or guard counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pii: Option<Vec<PieceTrace>>,
    /// The text, where somebody asked to see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What the parts of an inspection took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TimingTrace {
    /// Normalising and looking for hidden texts.
    pub normalize: u64,
    /// The rules.
    pub rules: u64,
    /// Cutting the text into tokens.
    pub tokenize: u64,
    /// Waiting for a model thread.
    pub queue: u64,
    /// The models.
    pub compute: u64,
    /// Everything.
    pub total: u64,
}

/// A label and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelTrace {
    /// The label.
    pub label: String,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// How probably a text is an attack.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttackTrace {
    /// Probability, 0 to 1, of the worst passage.
    pub score: f32,
    /// The disguises of that passage, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disguise: Vec<&'static str>,
    /// Where that disguise is, in bytes of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Range<usize>>,
}

/// A piece of personal data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PieceTrace {
    /// Its type.
    pub label: String,
    /// Bytes of the text.
    pub span: Range<usize>,
    /// Probability, 0 to 1.
    pub score: f32,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// So many subjects are shown.
const SUBJECTS: usize = 3;

impl Trace {
    /// Adds what was asked about the request's texts so far, and who answered. With `show_text` the texts, too.
    pub fn add_inspections(&mut self, exchange: &Exchange, show_text: bool) {
        let answered = exchange.inspections.answered();
        let all = answered.iter();
        self.inspections = all
            .map(|one| inspection(exchange, one, show_text))
            .collect();
        let models = exchange.inspections.understand().map(|u| u.models());
        for model in models.into_iter().flatten() {
            self.models
                .extend(model.questions.iter().map(|&question| ModelTrace {
                    question,
                    model: model.name(),
                    revision: model.revision.clone(),
                    backend: model.backend.clone(),
                }));
        }
        self.models.sort_by_key(|model| model.question);
    }
}

fn inspection(exchange: &Exchange, one: &Answered, show_text: bool) -> InspectionTrace {
    let passage = &one.passage;
    let end = passage.parts.last().map_or(0, |part| part.end);
    let mut trace = InspectionTrace {
        path: path(exchange.body.document().root(), &(passage.start()..end)),
        speaker: passage.speaker,
        excerpt: passage.excerpt,
        questions: one.questions.iter().map(|q| q.word()).collect(),
        failed: None,
        windows: 0,
        unread_bytes: 0,
        micros: TimingTrace::default(),
        domain: Vec::new(),
        jailbreak: None,
        pii: None,
        text: show_text.then(|| passage.text(exchange).into_owned()),
    };
    match &one.result {
        Some(Ok(inspection)) => trace.fill(inspection),
        Some(Err(error)) => trace.failed = Some(error.to_string()),
        None => trace.failed = Some("the answer did not come in time".to_owned()),
    }
    trace
}

impl InspectionTrace {
    fn fill(&mut self, inspection: &Inspection) {
        self.windows = inspection.windows;
        self.unread_bytes = inspection.unread_bytes;
        let timing = &inspection.timing;
        self.micros = TimingTrace {
            normalize: micros(timing.normalize),
            rules: micros(timing.rules),
            tokenize: micros(timing.engine.tokenize),
            queue: micros(timing.engine.queue),
            compute: micros(timing.engine.compute),
            total: micros(timing.total),
        };
        let subjects = inspection.domain.iter().flatten().take(SUBJECTS);
        self.domain = subjects
            .map(|score| LabelTrace {
                label: score.label.clone(),
                score: score.score,
            })
            .collect();
        self.jailbreak = inspection.jailbreak.as_ref().map(|attack| AttackTrace {
            score: attack.score,
            disguise: attack.disguise.iter().map(|kind| kind.name()).collect(),
            span: attack.range.clone(),
        });
        let piece = |piece: &crate::understand::Piece| PieceTrace {
            label: piece.label.clone(),
            span: piece.range.clone(),
            score: piece.score,
        };
        let pieces = inspection.pii.as_ref();
        self.pii = pieces.map(|pieces| pieces.iter().map(piece).collect());
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The path of the smallest value around a range of the body.
fn path(root: Value<'_>, range: &Range<usize>) -> String {
    let holds = |value: &Value<'_>| {
        let outer = value.range();
        outer.start <= range.start && range.end <= outer.end
    };
    let (mut path, mut value) = (String::new(), root);
    loop {
        let inner = match value.kind() {
            Kind::Object => value
                .members()
                .find(|member| holds(&member.value))
                .map(|member| {
                    let dot = if path.is_empty() { "" } else { "." };
                    (format!("{dot}{}", plain(&member.name())), member.value)
                }),
            Kind::Array if !value.has_numbers() => {
                let mut items = value.items().enumerate();
                items
                    .find(|(_, item)| holds(item))
                    .map(|(index, item)| (format!("[{index}]"), item))
            }
            _ => None,
        };
        match inner {
            Some((step, inner)) => {
                path.push_str(&step);
                value = inner;
            }
            None => return path,
        }
    }
}

/// A field's name; what is none may be a client's text.
fn plain(name: &str) -> &str {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name.len() <= 64 && name.chars().all(is_name) {
        true => name,
        false => "*",
    }
}

#[cfg(test)]
mod tests;
