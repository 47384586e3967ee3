//! Checks of decisions and their conditions.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderName;

use crate::model::Reasoning;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Condition, SignalKind};

use super::super::rule::{MAX_DEPTH, Rule};
use super::super::{
    AppliesTo, Candidate, Decision, DecisionConfig, DecisionModel, RoutingConfig, Sticky, Strategy,
};
use super::models::Models;
use super::{duplicates, plugins, unknown};

pub(super) fn check(
    config: &RoutingConfig,
    models: &Models,
    context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Vec<Decision> {
    duplicates(
        config.decisions.iter().map(|d| d.name.as_str()),
        "decision",
        problems,
        |index| format!("decisions[{index}].name"),
    );
    let decisions: Vec<Decision> = (config.decisions.iter().enumerate())
        .map(|(index, decision)| {
            let path = format!("decisions[{index}]");
            build(decision, &path, config, models, context, problems)
        })
        .collect();
    catch_alls(config, problems);
    unused_rules(config, &decisions, problems);
    decisions
}

/// Does it match whatever the request says?
pub(super) fn is_catch_all(decision: &DecisionConfig) -> bool {
    match &decision.when {
        None => true,
        Some(Condition::All(list)) => list.is_empty(),
        Some(_) => false,
    }
}

fn build(
    decision: &DecisionConfig,
    path: &str,
    config: &RoutingConfig,
    models: &Models,
    context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Decision {
    let rule = match &decision.when {
        None => Rule::All(Vec::new()),
        Some(Condition::All(list)) if list.is_empty() => Rule::All(Vec::new()),
        Some(condition) => compile(condition, &format!("{path}.when"), 1, config, problems),
    };
    let mut kinds = Vec::new();
    rule.leaves(&mut |kind, _| {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    });
    check_numbers(decision, path, problems);
    if let Some(Sticky::Header(name)) = &decision.sticky
        && HeaderName::from_bytes(name.as_bytes()).is_err()
    {
        problems.error(
            format!("{path}.sticky.header"),
            format!("`{name}` is no header name"),
        );
    }
    Decision {
        name: decision.name.as_str().into(),
        priority: decision.priority,
        rule,
        kinds,
        applies_to: decision.applies_to,
        models: candidates(decision, path, config, models, problems),
        fallback: fallback(decision, path, models, problems),
        plugins: plugins(
            &decision.plugins,
            &format!("{path}.plugins"),
            context,
            problems,
        ),
        shadow: decision.shadow,
        min_confidence: decision.min_confidence.unwrap_or(0.0),
        sticky: decision.sticky.clone(),
    }
}

fn check_numbers(decision: &DecisionConfig, path: &str, problems: &mut Problems) {
    let Some(min) = decision.min_confidence else {
        return;
    };
    let at = format!("{path}.min_confidence");
    if !(0.0..=1.0).contains(&min) {
        problems.error(at, format!("{min} is not between 0 and 1"));
    } else if min > 0.0 && is_catch_all(decision) {
        problems
            .error(at, "the decision can never be taken")
            .with_hint("a decision without `when` matches with confidence 0");
    }
}

/// A condition with its names resolved. What is wrong becomes a rule that holds never; it is not used.
fn compile(
    condition: &Condition,
    path: &str,
    depth: usize,
    config: &RoutingConfig,
    problems: &mut Problems,
) -> Rule {
    if depth > MAX_DEPTH {
        problems.error(path, format!("nested deeper than {MAX_DEPTH}"));
        return Rule::Any(Vec::new());
    }
    if let Some((kind, name)) = condition.leaf() {
        return leaf(kind, name, path, config, problems);
    }
    let list = |word: &str, inner: &[Condition], problems: &mut Problems| -> Vec<Rule> {
        if inner.is_empty() {
            problems
                .error(format!("{path}.{word}"), "the list is empty")
                .with_hint("leave `when` out for a decision that always matches");
        }
        (inner.iter().enumerate())
            .map(|(index, one)| {
                let path = format!("{path}.{word}[{index}]");
                compile(one, &path, depth + 1, config, problems)
            })
            .collect()
    };
    match condition {
        Condition::All(inner) => Rule::All(list("all", inner, problems)),
        Condition::Any(inner) => Rule::Any(list("any", inner, problems)),
        Condition::Not(inner) => {
            let path = format!("{path}.not");
            Rule::Not(Box::new(compile(inner, &path, depth + 1, config, problems)))
        }
        // The leaves were dealt with above; the macro that makes them cannot be matched here.
        _ => Rule::Any(Vec::new()),
    }
}

fn leaf(
    kind: SignalKind,
    name: &str,
    path: &str,
    config: &RoutingConfig,
    problems: &mut Problems,
) -> Rule {
    let path = format!("{path}.{}", kind.word());
    let known = config.signals.names(kind);
    let index = known.iter().position(|other| *other == name);
    if index.is_none() {
        let elsewhere = (SignalKind::ALL.iter())
            .find(|&&other| other != kind && config.signals.names(other).contains(&name));
        match elsewhere {
            Some(other) => {
                problems
                    .error(path, format!("unknown {} rule `{name}`", kind.word()))
                    .with_hint(format!("`{name}` is a rule of `{}`", other.section()));
            }
            None => {
                let what = format!("{} rule", kind.word());
                unknown(problems, path, &what, name, known.into_iter());
            }
        }
    }
    Rule::Leaf {
        kind,
        index: index.unwrap_or(usize::MAX),
        name: name.into(),
    }
}

fn candidates(
    decision: &DecisionConfig,
    path: &str,
    config: &RoutingConfig,
    models: &Models,
    problems: &mut Problems,
) -> Vec<Candidate> {
    let path = format!("{path}.models");
    duplicates(
        decision.models.iter().map(|m| m.name.as_str()),
        "model",
        problems,
        |index| format!("{path}[{index}].name"),
    );
    let bad = |weight: f64| !weight.is_finite() || weight < 0.0;
    for (index, model) in decision.models.iter().enumerate() {
        if bad(model.weight) {
            problems.error(
                format!("{path}[{index}].weight"),
                "a weight must be a number from 0 up",
            );
        }
        check_effort(model, &format!("{path}[{index}]"), config, problems);
    }
    if !decision.models.is_empty() && decision.models.iter().all(|m| m.weight == 0.0) {
        problems.error(path.as_str(), "all weights are 0: no model would be chosen");
    }
    let mut candidates = Vec::new();
    for (index, model) in decision.models.iter().enumerate() {
        match models.find(&model.name) {
            Some(found) => candidates.push(Candidate {
                model: Arc::clone(found),
                weight: model.weight,
                reasoning: model.reasoning.as_ref().map(Reasoning::from),
            }),
            None if model.name.is_empty() => {}
            None => {
                let at = format!("{path}[{index}].name");
                unknown(problems, at, "model", &model.name, models.names());
            }
        }
    }
    candidates
}

/// An effort must be one that the model's family knows.
fn check_effort(
    model: &DecisionModel,
    path: &str,
    config: &RoutingConfig,
    problems: &mut Problems,
) {
    let Some(reasoning) = &model.reasoning else {
        return;
    };
    let Some(known) = config.models.iter().find(|m| m.name == model.name) else {
        return;
    };
    let Some(name) = &known.reasoning_family else {
        problems
            .error(
                format!("{path}.reasoning"),
                format!("the model `{}` has no reasoning family", model.name),
            )
            .with_hint("set the model's `reasoning_family`");
        return;
    };
    let families = config.families();
    if let (Some(effort), Some(family)) = (&reasoning.effort, families.get(name))
        && !family.efforts.contains(effort)
    {
        let efforts = family.efforts.iter().map(String::as_str);
        let what = format!("effort of family `{name}`:");
        unknown(
            problems,
            format!("{path}.reasoning.effort"),
            &what,
            effort,
            efforts,
        );
    }
}

fn fallback(
    decision: &DecisionConfig,
    path: &str,
    models: &Models,
    problems: &mut Problems,
) -> Vec<Arc<crate::model::ModelConfig>> {
    let mut fallback = Vec::new();
    for (index, name) in decision.fallback.iter().enumerate() {
        let at = format!("{path}.fallback[{index}]");
        if decision
            .models
            .iter()
            .any(|m| m.name == *name && m.weight > 0.0)
        {
            problems.warning(at.as_str(), format!("`{name}` is one of `models` already"));
        }
        match models.find(name) {
            Some(model) => fallback.push(Arc::clone(model)),
            None => unknown(problems, at, "model", name, models.names()),
        }
    }
    if !decision.fallback.is_empty() && decision.models.is_empty() {
        problems.error(
            format!("{path}.fallback"),
            "a decision without `models` has nothing to fall back from",
        );
    }
    fallback
}

/// Decisions that match everything: not two that only differ in their names, and none that hides others.
fn catch_alls(config: &RoutingConfig, problems: &mut Problems) {
    let mut first: HashMap<(i32, AppliesTo), usize> = HashMap::new();
    for (index, decision) in config.decisions.iter().enumerate() {
        if decision.shadow || !is_catch_all(decision) {
            continue;
        }
        let scopes = [AppliesTo::Automatic, AppliesTo::All];
        let rival = scopes
            .iter()
            .find_map(|s| first.get(&(decision.priority, *s)));
        match rival {
            Some(&other) => {
                problems
                    .error(
                        format!("decisions[{index}]"),
                        format!(
                            "a second decision of priority {} that matches everything",
                            decision.priority
                        ),
                    )
                    .with_hint(format!("the first one is decisions[{other}]"));
            }
            None => {
                first.insert((decision.priority, decision.applies_to), index);
            }
        }
    }
    if config.strategy == Strategy::Priority {
        hidden(config, problems);
    }
}

/// Under `priority`, what stands below a decision that matches everything is never taken.
fn hidden(config: &RoutingConfig, problems: &mut Problems) {
    for (index, decision) in config.decisions.iter().enumerate() {
        let above = config.decisions.iter().find(|above| {
            !above.shadow
                && is_catch_all(above)
                && above.priority > decision.priority
                && (above.applies_to == AppliesTo::All
                    || decision.applies_to == AppliesTo::Automatic)
        });
        if let Some(above) = above
            && !decision.shadow
        {
            problems
                .warning(
                    format!("decisions[{index}]"),
                    format!("`{}` can never be taken", decision.name),
                )
                .with_hint(format!(
                    "`{}` matches everything and has a higher priority",
                    above.name
                ));
        }
    }
}

fn unused_rules(config: &RoutingConfig, decisions: &[Decision], problems: &mut Problems) {
    // A misspelt name makes the right one look unused.
    if problems.has_errors() {
        return;
    }
    let mut used: HashSet<(SignalKind, usize)> = HashSet::new();
    for decision in decisions {
        decision.rule.leaves(&mut |kind, index| {
            used.insert((kind, index));
        });
    }
    for &kind in SignalKind::ALL {
        for (index, name) in config.signals.names(kind).iter().enumerate() {
            if !used.contains(&(kind, index)) {
                problems.warning(
                    format!("signals.{}[{index}]", kind.section()),
                    format!("no decision uses `{name}`"),
                );
            }
        }
    }
}
