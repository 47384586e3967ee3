//! What a plugin changed, for `explain`: names and counts, never values. Only traced requests pay for it.

use serde_json::Value;

use crate::exchange::{Exchange, HeaderChange};
use crate::model::Reasoning;

/// An exchange's state before a plugin was called.
pub(super) struct Before {
    body: Option<Value>,
    reasoning: Option<Reasoning>,
    findings: usize,
    upstream_headers: usize,
    response_headers: usize,
}

impl Before {
    pub(super) fn of(exchange: &Exchange) -> Self {
        Self {
            body: body(exchange),
            reasoning: exchange.reasoning.clone(),
            findings: exchange.findings.len(),
            upstream_headers: exchange.upstream_headers.len(),
            response_headers: exchange.response_headers.len(),
        }
    }

    /// The changes since.
    pub(super) fn changes(&self, exchange: &Exchange) -> Vec<String> {
        let mut changes = Vec::new();
        if let (Some(before), Some(after)) = (&self.body, &body(exchange)) {
            fields(before, after, &mut changes);
        }
        if self.reasoning != exchange.reasoning {
            changes.push("reasoning set".to_owned());
        }
        let found = exchange.findings.get(self.findings..).unwrap_or_default();
        for finding in found {
            changes.push(format!("found {} ({:.4})", finding.label, finding.score));
        }
        let sides = [
            ("request", &exchange.upstream_headers, self.upstream_headers),
            (
                "response",
                &exchange.response_headers,
                self.response_headers,
            ),
        ];
        for (side, headers, seen) in sides {
            for change in headers.get(seen..).unwrap_or_default() {
                changes.push(match change {
                    HeaderChange::Set(name, _) => format!("{side} header {name} set"),
                    HeaderChange::Append(name, _) => format!("{side} header {name} added"),
                    HeaderChange::Remove(name) => format!("{side} header {name} removed"),
                });
            }
        }
        changes
    }
}

fn body(exchange: &Exchange) -> Option<Value> {
    serde_json::from_slice(&exchange.body.render(&[]).ok()?).ok()
}

fn fields(before: &Value, after: &Value, changes: &mut Vec<String>) {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else {
        return;
    };
    for (name, value) in after {
        match before.get(name) {
            Some(old) if old == value => {}
            Some(old) if name == "messages" => messages(old, value, changes),
            Some(_) => changes.push(format!("field {name} changed")),
            None => changes.push(format!("field {name} set")),
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        changes.push(format!("field {name} removed"));
    }
}

/// Counts what differs between the common beginning and the common end.
fn messages(before: &Value, after: &Value, changes: &mut Vec<String>) {
    let (Some(before), Some(after)) = (before.as_array(), after.as_array()) else {
        return changes.push("field messages changed".to_owned());
    };
    let short = before.len().min(after.len());
    let head = (0..short).take_while(|&i| before[i] == after[i]).count();
    let tail = (0..short - head)
        .take_while(|&i| before[before.len() - 1 - i] == after[after.len() - 1 - i])
        .count();
    let (old, new) = (before.len() - head - tail, after.len() - head - tail);
    let counts = [
        ("changed", old.min(new)),
        ("inserted", new.saturating_sub(old)),
        ("removed", old.saturating_sub(new)),
    ];
    for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        changes.push(format!("messages {what}: {count} at {head}"));
    }
}
