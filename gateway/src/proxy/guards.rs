//! What guards decided, as headers, metrics and lines of the log say it.

use commutator_plugins::exchange::Exchange;
use commutator_plugins::finding::Finding;
use commutator_plugins::guard::{Side, Verdict, VerdictOutcome};
use xxhash_rust::xxh3::xxh3_64;

use crate::telemetry::metrics::Metrics;

/// The `x-vsr-*` headers about guards. Those in the shadow are not a client's business.
pub(super) fn headers(exchange: &Exchange) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for verdict in exchange.verdicts.iter().filter(|verdict| !verdict.shadow) {
        let labels = || verdict.labels.join(",");
        match (verdict.guard, verdict.outcome) {
            (
                _,
                VerdictOutcome::Clean
                | VerdictOutcome::Skipped
                | VerdictOutcome::Denied
                | VerdictOutcome::Abandoned,
            ) => {}
            ("jailbreak", outcome) => {
                if outcome == VerdictOutcome::Blocked {
                    out.push(("x-vsr-jailbreak-blocked", "true".to_owned()));
                }
                out.push(("x-vsr-jailbreak-type", labels()));
                if let Some(score) = verdict.score {
                    out.push(("x-vsr-jailbreak-confidence", format!("{score:.4}")));
                }
            }
            (_, VerdictOutcome::Redacted | VerdictOutcome::Masked) => {
                out.push(("x-vsr-pii-redacted", labels()));
            }
            ("pii", _) => {
                out.push(("x-vsr-pii-violation", "true".to_owned()));
                out.push(("x-vsr-pii-types", labels()));
            }
            (guard, _) => out.push(("x-vsr-guard", format!("{guard};{}", labels()))),
        }
    }
    if let Some(why) = why(&exchange.id, &exchange.verdicts) {
        out.push(("x-vsr-why", why));
    }
    out
}

/// A word by which the log's line of a request is found: what the guard did that stopped the request, otherwise the last
/// one that had something to say, and a part of the request's id. `None` where none had anything to say.
pub(super) fn why(id: &str, verdicts: &[Verdict]) -> Option<String> {
    let mut loud = verdicts.iter().rev().filter(|verdict| !verdict.shadow);
    let has_a_say = |verdict: &&Verdict| {
        !matches!(
            verdict.outcome,
            VerdictOutcome::Clean | VerdictOutcome::Abandoned
        )
    };
    let verdict = stopper(verdicts).or_else(|| loud.find(has_a_say))?;
    let mark = xxh3_64(id.as_bytes()) >> 32;
    Some(format!(
        "{}.{}.{mark:08x}",
        verdict.guard,
        verdict.outcome.as_str()
    ))
}

/// The verdict that stopped the exchange: the first to do so; guards that speak after it stop nothing any more.
pub(super) fn stopper(verdicts: &[Verdict]) -> Option<&Verdict> {
    let mut public = verdicts.iter().filter(|verdict| !verdict.shadow);
    public.find(|verdict| {
        matches!(
            verdict.outcome,
            VerdictOutcome::Blocked | VerdictOutcome::Denied
        )
    })
}

/// Did a guard stop the model's answer?
pub(super) fn stopped_answer(verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| {
        verdict.side == Side::Answer
            && verdict.outcome == VerdictOutcome::Blocked
            && !verdict.shadow
    })
}

/// Lets the guards in the shadow finish after the request's end, and counts what they say. The line of the access log is
/// written by then.
pub(super) async fn hear_out(exchange: &mut Exchange, metrics: &Metrics) {
    let (verdicts, findings) = (exchange.verdicts.len(), exchange.findings.len());
    exchange.conclude_shadows().await;
    let verdicts = &exchange.verdicts[verdicts..];
    count(metrics, verdicts, &exchange.findings[findings..]);
    for verdict in verdicts {
        tracing::info!(
            request = %exchange.id,
            guard = verdict.guard,
            outcome = verdict.outcome.as_str(),
            labels = verdict.labels.join(","),
            "a guard in the shadow has spoken after the answer"
        );
    }
}

/// Counts what guards decided and found.
pub(super) fn count(metrics: &Metrics, verdicts: &[Verdict], findings: &[Finding]) {
    for verdict in verdicts {
        let side = match verdict.side {
            Side::Request => "request",
            Side::Answer => "answer",
        };
        let shadow = if verdict.shadow { "yes" } else { "no" };
        let labels = [verdict.guard, side, verdict.outcome.as_str(), shadow];
        metrics.verdicts.with_label_values(&labels).inc();
        metrics
            .guard_time
            .with_label_values(&[verdict.guard])
            .observe(verdict.took.as_secs_f64());
    }
    for finding in findings {
        let label = metrics.finding_labels.label(&finding.label);
        metrics
            .findings
            .with_label_values(&[finding.source.as_str(), label])
            .inc();
    }
}
