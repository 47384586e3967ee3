//! One guard, one request.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use commutator_models::ModelError;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::json::quote;
use crate::passage::{Passage, Speaker, passages};
use crate::plugin::{Flow, PluginError};
use crate::understand::Inspection;

use super::{Conclusion, Conduct, Mode, OnError, Side, Thought, Verdict, VerdictOutcome};

/// Why a guard could not tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It took longer than its timeout.
    #[error("deadline exceeded")]
    Deadline,
    /// What it asks refused the work.
    #[error("overloaded")]
    Overloaded,
    /// The prompt is a list of token ids, which only the model's own tokenizer can read.
    #[error("the prompt consists of token ids")]
    Unreadable,
    /// What it asks failed or is gone. The text may name things, never a prompt.
    #[error("{0}")]
    Unavailable(String),
}

impl GuardError {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Overloaded => "overloaded",
            Self::Unreadable => "unreadable",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl From<ModelError> for GuardError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Deadline => Self::Deadline,
            ModelError::Overloaded => Self::Overloaded,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What a guard wants done.
#[derive(Debug)]
pub enum Act {
    /// Nothing was found.
    Pass,
    /// Report it.
    Flag,
    /// Replace ranges of the body's strings. The flag says whether the answer's way back undoes it.
    Edit {
        /// Ranges of the body, each with the text that takes its place.
        edits: Vec<(Range<usize>, String)>,
        /// Is it undone on the way back?
        reversible: bool,
    },
    /// Let another model answer: its name in the policy.
    Route(String),
    /// Stop the request; the assistant says this.
    Block(String),
}

/// A guard's judgement.
#[derive(Debug)]
pub struct Judgement {
    /// What to do.
    pub act: Act,
    /// What was found, in order.
    pub findings: Vec<Finding>,
    /// Labels for headers, in order of appearance, each once.
    pub labels: Vec<String>,
    /// The best score and the least that counts, of a guard with one threshold for everything.
    pub measured: Option<(f32, f32)>,
}

impl Judgement {
    /// Nothing found.
    #[must_use]
    pub fn clean() -> Self {
        Self {
            act: Act::Pass,
            findings: Vec::new(),
            labels: Vec::new(),
            measured: None,
        }
    }
}

/// What makes a guard: what it asks, and what it makes of the answer.
pub trait Judge: Send + Sync + 'static {
    /// What it asks for.
    type Found: Send + 'static;

    /// Its settings.
    fn conduct(&self) -> &Conduct;

    /// Starts to find out about these passages. Nothing may block here.
    fn find(
        &self,
        exchange: &Exchange,
        passages: &[Passage],
    ) -> BoxFuture<'static, Result<Self::Found, GuardError>>;

    /// Judges what was found. May write what the way back needs into the exchange's extensions.
    fn judge(&self, exchange: &mut Exchange, passages: &[Passage], found: Self::Found)
    -> Judgement;
}

/// Judges the request now, or lets the guard think beside the frontend's work.
///
/// # Errors
/// Edits of the body that contradict another plugin's.
pub async fn run<J: Judge>(judge: &Arc<J>, exchange: &mut Exchange) -> Result<Flow, PluginError> {
    let conduct = judge.conduct();
    let passages = passages(exchange, &conduct.scope);
    let started = Instant::now();
    let unreadable = exchange.conversation.token_ids > 0 && conduct.scope.contains(Speaker::User);
    let work = judge.find(exchange, &passages);
    let timeout = conduct.timeout;
    let work = async move {
        if unreadable {
            return Err(GuardError::Unreadable);
        }
        let guarded = AssertUnwindSafe(work).catch_unwind();
        match tokio::time::timeout(timeout, guarded).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(GuardError::Unavailable("it panicked".to_owned())),
            Err(_) => Err(GuardError::Deadline),
        }
    };
    let mut work = work.boxed();
    // What rules say, or models have said before, is there at once: no frontend needs to begin.
    let at_once = futures::poll!(&mut work);
    // What is only counted keeps nobody waiting.
    let mode = match conduct.shadow {
        true => Mode::Overlap,
        false => conduct.mode,
    };
    match (mode, at_once) {
        (_, Poll::Ready(found)) => conclude(
            &**judge,
            exchange,
            &passages,
            found,
            started.elapsed(),
            false,
        ),
        (Mode::Before, Poll::Pending) => {
            let found = work.await;
            conclude(
                &**judge,
                exchange,
                &passages,
                found,
                started.elapsed(),
                false,
            )
        }
        (Mode::Overlap, Poll::Pending) => {
            let judge = Arc::clone(judge);
            let thought = async move {
                let found = work.await;
                let took = started.elapsed();
                let conclusion: Conclusion = Box::new(move |exchange: &mut Exchange| {
                    conclude(&*judge, exchange, &passages, found, took, true)
                        .unwrap_or_else(|_| Flow::Reply(judge.conduct().unavailable()))
                });
                conclusion
            };
            exchange
                .thoughts
                .push(Thought::start(conduct.name, conduct.shadow, thought));
            Ok(Flow::Continue)
        }
    }
}

fn conclude<J: Judge>(
    judge: &J,
    exchange: &mut Exchange,
    passages: &[Passage],
    found: Result<J::Found, GuardError>,
    took: Duration,
    overlapped: bool,
) -> Result<Flow, PluginError> {
    let conduct = judge.conduct();
    let mut verdict = Verdict {
        guard: conduct.name,
        side: Side::Request,
        outcome: VerdictOutcome::Clean,
        shadow: conduct.shadow,
        labels: Vec::new(),
        score: None,
        threshold: None,
        failure: None,
        overlapped,
        took,
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Ok(failed(conduct, exchange, verdict, &error)),
    };
    let judgement = judge.judge(exchange, passages, found);
    verdict.labels = judgement.labels;
    let scores = judgement.findings.iter().map(|finding| finding.score);
    verdict.score = scores.reduce(f32::max);
    if let Some((score, threshold)) = judgement.measured {
        (verdict.score, verdict.threshold) = (Some(score), Some(threshold));
    }
    exchange.findings.extend(judgement.findings);
    verdict.outcome = match &judgement.act {
        Act::Pass => VerdictOutcome::Clean,
        Act::Flag => VerdictOutcome::Flagged,
        Act::Edit {
            reversible: true, ..
        } => VerdictOutcome::Redacted,
        Act::Edit {
            reversible: false, ..
        } => VerdictOutcome::Masked,
        Act::Route(_) => VerdictOutcome::Rerouted,
        Act::Block(_) => VerdictOutcome::Blocked,
    };
    let types = plain(&verdict.labels);
    exchange.verdicts.push(verdict);
    if conduct.shadow {
        return Ok(Flow::Continue);
    }
    match judgement.act {
        Act::Pass | Act::Flag => {}
        Act::Edit { edits, .. } => {
            for (range, text) in edits {
                edit(exchange, range, &text)?;
            }
        }
        Act::Route(model) => exchange.reroute = Some(model),
        Act::Block(text) => return Ok(Flow::Reply(conduct.blocked(text, &types))),
    }
    Ok(Flow::Continue)
}

fn failed(
    conduct: &Conduct,
    exchange: &mut Exchange,
    mut verdict: Verdict,
    error: &GuardError,
) -> Flow {
    tracing::warn!(request = %exchange.id, guard = conduct.name, %error, "guard could not tell");
    let deny = conduct.on_error == OnError::Deny;
    verdict.failure = Some(error.word());
    verdict.outcome = match deny {
        true => VerdictOutcome::Denied,
        false => VerdictOutcome::Skipped,
    };
    exchange.verdicts.push(verdict);
    if deny && !conduct.shadow {
        return Flow::Reply(conduct.unavailable());
    }
    if !conduct.shadow && !exchange.warnings.contains(&SKIPPED) {
        exchange.warnings.push(SKIPPED);
    }
    Flow::Continue
}

/// In `x-vsr-response-warnings` where a guard could not tell and the request passed.
pub(crate) const SKIPPED: &str = "guard_skipped";

/// In `x-vsr-response-warnings` where a model read a text only up to its `max_windows`.
const PARTIAL: &str = "guard_partial";

/// Tells the client where the operator's own limit kept a model from reading all of a text.
pub fn warn_of_unread(exchange: &mut Exchange, found: &[Arc<Inspection>]) {
    if found.iter().any(|inspection| inspection.unread_bytes > 0)
        && !exchange.warnings.contains(&PARTIAL)
    {
        exchange.warnings.push(PARTIAL);
    }
}

/// Labels without `B-`.
fn plain(labels: &[String]) -> Vec<String> {
    let plain = |label: &String| label.strip_prefix("B-").unwrap_or(label).to_owned();
    labels.iter().map(plain).collect()
}

/// Replaces a range inside one of the body's strings by a text.
///
/// # Errors
/// Where another plugin has changed the range.
pub fn edit(exchange: &mut Exchange, range: Range<usize>, text: &str) -> Result<(), PluginError> {
    let quoted = quote(text);
    let inner = quoted[1..quoted.len() - 1].to_owned();
    exchange.body.replace_range(range, inner)?;
    Ok(())
}
