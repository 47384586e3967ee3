//! Which of several matching decisions is taken: the peer's priorities and tiers as priorities.
//!
//! Without tiers both sides do the same. With tiers the peer orders by tier (the lowest first), confidence, priority
//! and name; ours by priority, confidence and name. So a tier becomes a band of priorities. Inside a tier the
//! confidences decide; where they are known beforehand, the source's order is written out as priorities, else the
//! tier shares one.

use std::cmp::Ordering;

use crate::import::report::Report;

use super::Decision;

/// The distance of two written priorities, so that there is room for new decisions.
const STEP: i64 = 10;

/// Sets the priorities of `decisions`, and says which strategy goes with them.
pub(super) fn rank(
    decisions: &mut [Decision<'_>],
    strategy: Option<&str>,
    report: &Report,
) -> &'static str {
    if decisions.iter().all(|decision| decision.tier <= 0) {
        for decision in decisions.iter_mut() {
            clamp(decision, report);
        }
        return match strategy {
            Some("confidence") => "confidence",
            _ => "priority",
        };
    }
    for decision in decisions.iter_mut() {
        let was = format!(
            "Was: tier {}, priority {}.",
            decision.tier, decision.priority
        );
        decision.above.push(was);
    }
    let mut tiers: Vec<i64> = decisions.iter().map(|decision| decision.tier).collect();
    tiers.sort_unstable();
    tiers.dedup();
    let mut next = STEP;
    // The last tier gets the lowest priorities.
    for tier in tiers.into_iter().rev() {
        let untiered = tier <= 0 && strategy != Some("confidence");
        if let (true, Some(first)) = (tier <= 0, decisions.iter().find(|d| d.tier == tier)) {
            let why = "decisions without a tier come before all others; among them the strategy decides, even where one \
                       with a tier matches as well (there, the peer's confidence does)";
            report.changed(first.node, why);
        }
        let members: Vec<&mut Decision<'_>> = (decisions.iter_mut())
            .filter(|decision| decision.tier == tier)
            .collect();
        next = band(members, untiered, next, report);
    }
    "priority"
}

/// Writes the priorities of one tier, from `next` on; returns the next free one.
fn band(mut members: Vec<&mut Decision<'_>>, by_priority: bool, next: i64, report: &Report) -> i64 {
    let confidences: Option<Vec<f64>> = members.iter().map(|d| confidence(d)).collect();
    let same_priority = members.iter().all(|d| d.priority == members[0].priority);
    if confidences.is_none() && !by_priority {
        if !same_priority {
            let tier = members[0].tier;
            let why = format!(
                "tier {tier}: of equal confidences the first name wins here, not the highest priority"
            );
            report.changed(members[0].node, why);
        }
        members
            .iter_mut()
            .for_each(|decision| decision.priority = next);
        return next + STEP;
    }
    // The worst first; what is equal but for the name keeps one priority, as names decide on both sides.
    let key = |a: &Decision<'_>, b: &Decision<'_>| -> Ordering {
        let by_confidence = match by_priority {
            true => Ordering::Equal,
            false => confidence(a)
                .unwrap_or(0.0)
                .total_cmp(&confidence(b).unwrap_or(0.0)),
        };
        by_confidence.then(a.priority.cmp(&b.priority))
    };
    members.sort_by(|a, b| key(a, b));
    let mut ranks = vec![next];
    for pair in members.windows(2) {
        let last = ranks[ranks.len() - 1];
        ranks.push(match key(pair[0], pair[1]) {
            Ordering::Equal => last,
            _ => last + STEP,
        });
    }
    for (decision, rank) in members.iter_mut().zip(&ranks) {
        decision.priority = *rank;
    }
    ranks[ranks.len() - 1] + STEP
}

/// The confidence of a match, where it is known; of what never matches any will do.
fn confidence(decision: &Decision<'_>) -> Option<f64> {
    match &decision.rule {
        crate::import::vllm_sr::rules::Rule::Never => Some(0.0),
        rule => rule.confidence(),
    }
}

/// Priorities are numbers of 32 bits here.
fn clamp(decision: &mut Decision<'_>, report: &Report) {
    let fitting = decision
        .priority
        .clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    if fitting != decision.priority {
        report.changed(decision.node, "the priority was cut to 32 bits");
        decision.priority = fitting;
    }
}
