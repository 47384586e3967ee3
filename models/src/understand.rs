//! What a text is about, whether it attacks, and whose data it holds: the engine, the normaliser and the rules together.
//!
//! ```text
//! text -> normalised text ----> one pass a trunk: domain, pii (and the embedding, where wanted); jailbreak
//!                              (in a long text, what looks like an attack is read again)
//!      -> hidden texts (decoded, de-spaced, ...) -> jailbreak again; the worst counts
//!      -> rules: structured data and secrets, checked by their checksums ----> merged with the model's pieces
//! ```
//!
//! [`Understanding::load`] puts models from the bundle, from directories or from the hub cache behind one face.

mod attack;
mod config;
mod form;
mod load;
mod personal;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Analysis, Answer, Engine, HeadResult, Request};
use crate::normalize::{self, Limits, Normalized};
use crate::rules::Rules;
use crate::{ModelError, Score, Span, Timing};

pub use attack::Attack;
pub use config::{Device, Precision, UnderstandingConfig};
pub use load::LoadedModel;
pub use personal::{Finding, FoundBy};

/// What can be asked about a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// What is it about?
    Domain,
    /// Does it attack the model?
    Jailbreak,
    /// Which personal data and secrets does it hold?
    Pii,
    /// Its place among other texts.
    Embedding,
}

impl Question {
    /// All questions.
    pub const ALL: [Self; 4] = [Self::Domain, Self::Jailbreak, Self::Pii, Self::Embedding];

    /// The question's word in configuration, and the name of the bundle's head for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Jailbreak => "jailbreak",
            Self::Pii => "pii",
            Self::Embedding => "embedding",
        }
    }
}

/// The answers about a text; `None` for what was not asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inspection {
    /// All subjects, the most probable first.
    pub domain: Option<Vec<Score>>,
    /// How probably it is an attack.
    pub jailbreak: Option<Attack>,
    /// Personal data and secrets, in order; they do not overlap. Ranges are bytes of the text as given.
    pub pii: Option<Vec<Finding>>,
    /// A vector of length 1.
    pub embedding: Option<Vec<f32>>,
    /// The most windows that a model read of the text.
    pub windows: usize,
    /// Bytes at the end that some model did not read because of its `max_windows`; 0 nearly always.
    pub unread_bytes: usize,
    /// What it took.
    pub timing: InspectionTiming,
}

/// What the parts of an inspection took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InspectionTiming {
    /// Normalising and looking for hidden texts.
    pub normalize: Duration,
    /// The rules.
    pub rules: Duration,
    /// The engine's parts, of the pass that took the longest.
    pub engine: Timing,
    /// Everything, from the call to the answer.
    pub total: Duration,
}

/// A model's place: which engine, which head.
#[derive(Debug, Clone)]
struct Place {
    engine: Arc<Engine>,
    head: usize,
}

/// Models and rules, ready to be asked. Cheap to share; a new configuration is a new one.
#[derive(Debug)]
pub struct Understanding {
    domain: Place,
    jailbreak: Place,
    pii: Place,
    embedding: Place,
    /// Labels of the jailbreak model that mean an attack.
    attack_labels: Vec<String>,
    jailbreak_threshold: f32,
    /// Shares of harmless texts that are flagged, with their thresholds.
    operating_points: Vec<(f32, f32)>,
    identity: String,
    rules: Rules,
    limits: Limits,
    models: Vec<LoadedModel>,
}

/// Texts longer than this are normalised and searched by rules away from the caller's thread, bytes: some 200 us of work.
const INLINE_UP_TO: usize = 16 << 10;

impl Understanding {
    /// The models in use, for `status` and logs.
    #[must_use]
    pub fn models(&self) -> &[LoadedModel] {
        &self.models
    }

    /// From this probability on a text counts as an attack, unless the policy says otherwise.
    #[must_use]
    pub fn jailbreak_threshold(&self) -> f32 {
        self.jailbreak_threshold
    }

    /// The threshold at which about `share` (0 to 1) of harmless texts are taken for attacks, as measured when the
    /// model was made: that of the largest measured share not above it. `None` where nothing was measured so low.
    #[must_use]
    pub fn jailbreak_threshold_at(&self, share: f32) -> Option<f32> {
        let within = self.operating_points.iter().rev();
        let mut within = within.filter(|(rate, _)| *rate <= share);
        within.next().map(|(_, threshold)| *threshold)
    }

    /// The subjects that the model knows.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        labels(&self.domain).to_vec()
    }

    /// The types of personal data that the model can find, rules left out.
    #[must_use]
    pub fn pii_types(&self) -> Vec<String> {
        let mut types: Vec<String> = Vec::new();
        for label in labels(&self.pii).iter().filter(|label| *label != "O") {
            let name = match label.split_once('-') {
                Some(("B" | "I" | "S" | "U" | "E" | "L", name)) => name,
                _ => label,
            };
            if !types.iter().any(|known| known == name) {
                types.push(name.to_owned());
            }
        }
        types
    }

    /// Configuration and content of all files in one word: what [`Understanding::identify`] says while nothing has
    /// changed.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Answers the questions about a text. Dropping the call gives its work up.
    ///
    /// # Errors
    /// See [`ModelError`]; if one question fails, all do.
    pub async fn inspect(
        self: &Arc<Self>,
        text: &str,
        questions: &[Question],
        deadline: Option<Instant>,
    ) -> Result<Inspection, ModelError> {
        let start = Instant::now();
        let asked = |question: Question| questions.contains(&question);
        let prepared = self.prepare(text, questions).await?;
        let (answers, hidden) = tokio::try_join!(
            self.ask(&prepared.normalized.text, questions, deadline),
            self.ask_hidden(&prepared, asked(Question::Jailbreak), deadline),
        )?;
        let mut inspection = Inspection {
            windows: answers.windows,
            unread_bytes: answers.unread_bytes,
            ..Inspection::default()
        };
        for (question, result) in answers.items {
            match (question, result.answer.clone()) {
                (Question::Domain, Answer::Classes(scores)) => inspection.domain = Some(scores),
                (Question::Jailbreak, Answer::Classes(scores)) => {
                    let first = attack::probability(&scores, &self.attack_labels);
                    let read = &prepared.normalized.text;
                    let Place { engine, head } = &self.jailbreak;
                    let again = engine.look_again(read, *head, &result, deadline).await;
                    let plain = again.unwrap_or(first).clamp(0.0, 1.0);
                    inspection.jailbreak = Some(attack::worst(plain, &prepared.hidden, &hidden));
                }
                (Question::Pii, Answer::Spans(spans)) => {
                    let spans = back(spans, &prepared.normalized);
                    inspection.pii = Some(personal::merge(text, &prepared.ruled, spans));
                }
                (Question::Embedding, Answer::Vector(vector)) => {
                    inspection.embedding = Some(vector);
                }
                (question, _) => {
                    let word = question.word();
                    return Err(ModelError::Infer(format!(
                        "{word}: the model has another task"
                    )));
                }
            }
        }
        inspection.timing = InspectionTiming {
            normalize: prepared.normalize_time,
            rules: prepared.rules_time,
            engine: answers.timing,
            total: start.elapsed(),
        };
        Ok(inspection)
    }

    /// The personal data that rules alone find: a small part of what [`Understanding::inspect`] costs, and all of what
    /// it knows about numbers and secrets.
    ///
    /// # Errors
    /// [`ModelError::Infer`] where a rule panics.
    pub async fn find_by_rules(self: &Arc<Self>, text: &str) -> Result<Vec<Finding>, ModelError> {
        let prepared = self.prepare(text, &[Question::Pii]).await?;
        Ok(personal::merge(text, &prepared.ruled, Vec::new()))
    }

    async fn prepare<'a>(
        self: &Arc<Self>,
        text: &'a str,
        questions: &[Question],
    ) -> Result<Prepared<'a>, ModelError> {
        let jailbreak = questions.contains(&Question::Jailbreak);
        let pii = questions.contains(&Question::Pii);
        if text.len() <= INLINE_UP_TO {
            return Ok(Prepared::new(text, jailbreak, pii, self));
        }
        let (this, owned) = (Arc::clone(self), text.to_owned());
        let work = move || Prepared::new(&owned, jailbreak, pii, &this).into_owned();
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| ModelError::Infer("normalising or a rule panicked".to_owned()))
    }

    /// Asks each engine once for all that it has.
    async fn ask(
        &self,
        text: &str,
        questions: &[Question],
        deadline: Option<Instant>,
    ) -> Result<Answers, ModelError> {
        let mut groups: Vec<(&Arc<Engine>, Vec<Question>, Vec<usize>)> = Vec::new();
        for question in Question::ALL {
            if !questions.contains(&question) {
                continue;
            }
            let place = self.place(question);
            match groups
                .iter_mut()
                .find(|(engine, ..)| Arc::ptr_eq(engine, &place.engine))
            {
                Some((_, asked, heads)) => {
                    asked.push(question);
                    heads.push(place.head);
                }
                None => groups.push((&place.engine, vec![question], vec![place.head])),
            }
        }
        let calls = groups.iter().map(|(engine, _, heads)| {
            engine.analyze(Request {
                text,
                heads,
                deadline,
            })
        });
        let analyses = futures::future::try_join_all(calls).await?;
        let mut answers = Answers::default();
        for ((_, asked, _), analysis) in groups.into_iter().zip(analyses) {
            answers.add(asked, analysis);
        }
        Ok(answers)
    }

    /// The attack probabilities of the hidden texts, in order.
    async fn ask_hidden(
        &self,
        prepared: &Prepared<'_>,
        wanted: bool,
        deadline: Option<Instant>,
    ) -> Result<Vec<f32>, ModelError> {
        if !wanted {
            return Ok(Vec::new());
        }
        let heads = [self.jailbreak.head];
        let calls = prepared.hidden.items.iter().map(|hidden| {
            self.jailbreak.engine.analyze(Request {
                text: &hidden.text,
                heads: &heads,
                deadline,
            })
        });
        let analyses = futures::future::try_join_all(calls).await?;
        let score = |analysis: &Analysis| match analysis.results.first().map(|r| &r.answer) {
            Some(Answer::Classes(scores)) => attack::probability(scores, &self.attack_labels),
            _ => 0.0,
        };
        Ok(analyses.iter().map(score).collect())
    }

    fn place(&self, question: Question) -> &Place {
        match question {
            Question::Domain => &self.domain,
            Question::Jailbreak => &self.jailbreak,
            Question::Pii => &self.pii,
            Question::Embedding => &self.embedding,
        }
    }
}

/// The labels of a model, as its files name them.
fn labels(place: &Place) -> &[String] {
    let info = place.engine.heads().nth(place.head);
    info.map_or(&[][..], |info| &info.labels)
}

/// What the engines said.
#[derive(Debug, Default)]
struct Answers {
    items: Vec<(Question, Arc<HeadResult>)>,
    windows: usize,
    unread_bytes: usize,
    timing: Timing,
}

impl Answers {
    fn add(&mut self, questions: Vec<Question>, analysis: Analysis) {
        for (question, result) in questions.into_iter().zip(analysis.results) {
            self.windows = self.windows.max(result.windows);
            self.unread_bytes = self.unread_bytes.max(result.unread_bytes);
            self.items.push((question, result));
        }
        let total = |timing: &Timing| timing.tokenize + timing.queue + timing.compute;
        if total(&analysis.timing) > total(&self.timing) {
            self.timing = analysis.timing;
        }
    }
}

/// A text with everything that needs no model.
#[derive(Debug)]
struct Prepared<'a> {
    normalized: Normalized<'a>,
    hidden: normalize::Candidates,
    /// What the rules found, in bytes of the text as given.
    ruled: Vec<Span>,
    normalize_time: Duration,
    rules_time: Duration,
}

impl<'a> Prepared<'a> {
    fn new(text: &'a str, jailbreak: bool, pii: bool, parts: &Understanding) -> Self {
        let start = Instant::now();
        let normalized = normalize::normalize(text);
        // Rules look into what was encoded, too.
        let hidden = match jailbreak || pii {
            true => normalize::candidates(text, &parts.limits),
            false => normalize::Candidates::default(),
        };
        let normalize_time = start.elapsed();
        let start = Instant::now();
        let ruled = match pii {
            true => personal::by_rules(&parts.rules, text, &normalized, &hidden),
            false => Vec::new(),
        };
        Self {
            normalized,
            hidden,
            ruled,
            normalize_time,
            rules_time: start.elapsed(),
        }
    }

    fn into_owned(self) -> Prepared<'static> {
        Prepared {
            normalized: Normalized {
                text: self.normalized.text.into_owned().into(),
                map: self.normalized.map,
            },
            hidden: self.hidden,
            ruled: self.ruled,
            normalize_time: self.normalize_time,
            rules_time: self.rules_time,
        }
    }
}

/// Spans of the normalised text as spans of the text as given.
fn back(spans: Vec<Span>, normalized: &Normalized<'_>) -> Vec<Span> {
    let original = |range: Range<usize>| normalized.original(range);
    (spans.into_iter())
        .map(|span| Span {
            range: original(span.range.clone()),
            ..span
        })
        .collect()
}
