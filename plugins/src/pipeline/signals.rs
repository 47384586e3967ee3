//! Evaluates the signals that a request needs, and explains what came of them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::join_all;

use crate::exchange::Exchange;
use crate::policy::rule::Rule;
use crate::policy::trace::{DecisionTrace, NodeTrace, SignalTrace};
use crate::policy::{Decided, Decision, Outcome, Policy, Signals, Strategy, Trace};
use crate::signal::{Cost, Match, Signal, SignalError, SignalKind};

/// What a client learns about a signal that failed.
pub(crate) const SIGNAL_SKIPPED: &str = "signal_skipped";

impl Policy {
    /// The signals that some decision for this request looks at: the cheap ones first, and the dearer ones while the
    /// decision still depends on them; those of one cost at the same time. A signal that fails has no value: decisions
    /// that hang on it do not match.
    pub(super) async fn evaluate(
        &self,
        exchange: &mut Exchange,
        mut trace: Option<&mut Trace>,
    ) -> Signals {
        let automatic = exchange.automatic;
        let mut signals = Signals::default();
        let mut known = Vec::with_capacity(self.signals.len());
        for cost in Cost::ALL {
            if self.signals.iter().all(|(_, signal)| signal.cost() != cost) {
                continue;
            }
            let mut open = self.open_kinds(&signals, &known, automatic);
            open.retain(|kind| {
                self.signals
                    .iter()
                    .any(|(k, s)| k == kind && s.cost() == cost)
            });
            if !open.is_empty() {
                self.wave(exchange, &open, &mut signals, trace.as_deref_mut())
                    .await;
                known.append(&mut open);
            }
        }
        if let Some(trace) = trace {
            // Somebody wants to see everything.
            let (rest, unneeded): (Vec<_>, Vec<_>) = (self.signals.iter().map(|(kind, _)| *kind))
                .filter(|kind| !known.contains(kind))
                .partition(|kind| self.is_needed(*kind, automatic));
            let seen = trace.signals.len();
            self.wave(exchange, &rest, &mut signals, Some(trace)).await;
            for signal in &mut trace.signals[seen..] {
                signal.deferred = true;
            }
            trace.signals.extend(unneeded.into_iter().map(skipped));
        }
        signals
    }

    /// Does a decision for such requests look at this kind?
    fn is_needed(&self, kind: SignalKind, automatic: bool) -> bool {
        let mut live = self.decisions.iter().filter(|d| d.is_live(automatic));
        live.any(|decision| decision.kinds.contains(&kind))
    }

    /// Evaluates some kinds at the same time.
    async fn wave(
        &self,
        exchange: &mut Exchange,
        kinds: &[SignalKind],
        signals: &mut Signals,
        mut trace: Option<&mut Trace>,
    ) {
        let wanted = self.signals.iter().filter(|(kind, _)| kinds.contains(kind));
        let wanted: Vec<_> = wanted.collect();
        let expected = wanted.iter().flat_map(|(_, signal)| signal.expects());
        exchange.inspections.expect(expected);
        let shared: &Exchange = exchange;
        let timeout = self.signal_timeout;
        let calls = wanted
            .iter()
            .map(|(kind, signal)| timed(*kind, signal, shared, timeout));
        let results = join_all(calls).await;
        for (kind, result, took) in results {
            if let Some(trace) = trace.as_deref_mut() {
                trace.signals.push(SignalTrace {
                    kind: kind.section(),
                    skipped: result.as_ref().err().map(|e| format!("failed: {e}")),
                    deferred: false,
                    micros: u64::try_from(took.as_micros()).ok(),
                    rules: result.as_ref().map_or_else(|_| Vec::new(), Clone::clone),
                });
            }
            let failed = match &result {
                Ok(matches) => matches.iter().find_map(|found| found.unknown.clone()),
                Err(error) => Some(error.clone()),
            };
            if let Some(error) = failed {
                tracing::warn!(request = %exchange.id, signal = kind.section(), %error, "signal failed");
                if !exchange.warnings.contains(&SIGNAL_SKIPPED) {
                    exchange.warnings.push(SIGNAL_SKIPPED);
                }
            }
            if let Ok(matches) = result {
                signals.set(kind, matches);
            }
        }
    }

    /// Writes down each decision, and why one was taken.
    pub(super) fn explain(
        &self,
        signals: &Signals,
        decided: &Decided,
        automatic: bool,
        trace: &mut Trace,
    ) {
        for (decision, outcome) in self.decisions.iter().zip(&decided.outcomes) {
            trace
                .decisions
                .push(decision_trace(decision, *outcome, signals));
        }
        trace.decision = decided
            .winner()
            .map(|winner| self.decisions[winner.index].name.to_string());
        trace.why = self.why(decided, automatic);
    }

    fn why(&self, decided: &Decided, automatic: bool) -> String {
        let keeps = match automatic {
            true => "",
            false => "; the client named the model, which stays",
        };
        let Some(best) = decided.winner() else {
            return match (automatic, self.default_model.is_some()) {
                (true, true) => "no decision matched: the default model answers".to_owned(),
                (true, false) => "no decision matched, and there is no default model".to_owned(),
                (false, _) => "the client named the model; no decision matched".to_owned(),
            };
        };
        let Some(second) = decided.ranking.get(1) else {
            return format!("the only decision that matched{keeps}");
        };
        let (one, other) = (&self.decisions[best.index], &self.decisions[second.index]);
        let higher_priority = one.priority != other.priority;
        let surer = best.confidence != second.confidence;
        let by = match (self.strategy, higher_priority, surer) {
            (Strategy::Priority, true, _) | (Strategy::Confidence, true, false) => {
                format!("priority {} over {}", one.priority, other.priority)
            }
            (_, _, true) => format!(
                "confidence {:.4} over {:.4}",
                best.confidence, second.confidence
            ),
            (_, false, false) => "equal, the first name".to_owned(),
        };
        format!("{by} of `{}`{keeps}", other.name)
    }
}

fn skipped(kind: SignalKind) -> SignalTrace {
    SignalTrace {
        kind: kind.section(),
        skipped: Some("no live decision needs it".to_owned()),
        ..SignalTrace::default()
    }
}

async fn timed(
    kind: SignalKind,
    signal: &Arc<dyn Signal>,
    exchange: &Exchange,
    timeout: Duration,
) -> (SignalKind, Result<Vec<Match>, SignalError>, Duration) {
    let start = Instant::now();
    // Signals only read the exchange, so a panic leaves nothing half done.
    let work = AssertUnwindSafe(async { signal.evaluate(exchange).await }).catch_unwind();
    let panicked = |_| Err(SignalError::Unavailable("it panicked".to_owned()));
    let result = match signal.cost() {
        Cost::Model => match tokio::time::timeout(timeout, work).await {
            Ok(result) => result.unwrap_or_else(panicked),
            Err(_) => signal.so_far(exchange),
        },
        _ => work.await.unwrap_or_else(panicked),
    };
    (kind, result, start.elapsed())
}

fn decision_trace(
    decision: &Decision,
    outcome: Option<Outcome>,
    signals: &Signals,
) -> DecisionTrace {
    let mut trace = DecisionTrace {
        name: decision.name.to_string(),
        priority: decision.priority,
        shadow: decision.shadow,
        ..DecisionTrace::default()
    };
    let Some(outcome) = outcome else {
        trace.skipped = Some("the client named a model".to_owned());
        return trace;
    };
    if let Outcome::True(confidence) = outcome {
        trace.confidence = Some(confidence);
        trace.matched = confidence >= decision.min_confidence;
        if !trace.matched {
            trace.rejected = Some(format!("below min_confidence {}", decision.min_confidence));
        }
    }
    if !decision.rule.is_catch_all() {
        trace.condition = Some(node(&decision.rule, signals));
    }
    trace
}

fn node(rule: &Rule, signals: &Signals) -> NodeTrace {
    let outcome = rule.evaluate(signals);
    let inner = |rules: &[Rule]| rules.iter().map(|rule| node(rule, signals)).collect();
    let (name, children) = match rule {
        Rule::All(rules) => ("all".to_owned(), inner(rules)),
        Rule::Any(rules) => ("any".to_owned(), inner(rules)),
        Rule::Not(rule) => ("not".to_owned(), vec![node(rule, signals)]),
        Rule::Leaf { kind, name, .. } => (format!("{}: {name}", kind.word()), Vec::new()),
    };
    NodeTrace {
        node: name,
        holds: match outcome {
            Outcome::True(_) => Some(true),
            Outcome::False => Some(false),
            Outcome::Unknown => None,
        },
        confidence: match outcome {
            Outcome::True(confidence) => Some(confidence),
            Outcome::False | Outcome::Unknown => None,
        },
        children,
    }
}
