//! A trace for people: an indented tree.

use std::fmt;

use super::{
    CandidateTrace, DecisionTrace, InspectionTrace, ModelTrace, NodeTrace, PluginTrace,
    SignalTrace, Trace,
};

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.automatic { "automatic" } else { "named" };
        let model = match self.requested_model.as_str() {
            "" => "no model",
            model => model,
        };
        write!(f, "{}: {model} ({how})", self.api)?;
        if let Some(revision) = &self.revision {
            write!(f, ", policy {revision}")?;
        }
        writeln!(f)?;
        section(f, "signals", &self.signals, signal)?;
        section(f, "decisions", &self.decisions, decision)?;
        let taken = self.decision.as_deref().unwrap_or("none");
        writeln!(f, "decision: {taken} ({})", self.why)?;
        section(f, "candidates", &self.candidates, candidate)?;
        if let Some(model) = &self.model {
            write!(f, "model: {model}")?;
            if !self.fallback.is_empty() {
                write!(f, ", then {}", self.fallback.join(", "))?;
            }
            writeln!(f)?;
        }
        section(f, "plugins", &self.plugins, plugin)?;
        if let Some(reply) = &self.reply {
            writeln!(
                f,
                "reply: {} by {}, status {}",
                reply.path, reply.plugin, reply.status
            )?;
        }
        section(f, "models", &self.models, loaded)?;
        section(f, "texts", &self.inspections, inspection)?;
        Ok(())
    }
}

fn section<T>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    items: &[T],
    item: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    items.iter().try_for_each(|one| item(f, one))
}

fn signal(f: &mut fmt::Formatter<'_>, signal: &SignalTrace) -> fmt::Result {
    write!(f, "  {}", signal.kind)?;
    if let Some(skipped) = &signal.skipped {
        write!(f, ": {skipped}")?;
    }
    if let Some(micros) = signal.micros {
        write!(f, " ({micros} us)")?;
    }
    if signal.deferred {
        write!(
            f,
            " only for this explanation: the decision stands without it"
        )?;
    }
    writeln!(f)?;
    for rule in &signal.rules {
        let mark = match (&rule.unknown, rule.matched) {
            (Some(_), _) => "?",
            (None, true) => "+",
            (None, false) => "-",
        };
        write!(f, "    {mark} {}", rule.name)?;
        if let Some(why) = &rule.unknown {
            write!(f, " failed: {why}")?;
        }
        if rule.matched {
            write!(f, " {:.4}", rule.confidence)?;
        }
        match &rule.detail {
            Some(detail) => writeln!(f, " ({detail})")?,
            None => writeln!(f)?,
        }
    }
    Ok(())
}

fn decision(f: &mut fmt::Formatter<'_>, decision: &DecisionTrace) -> fmt::Result {
    let mark = if decision.matched { "+" } else { "-" };
    write!(
        f,
        "  {mark} {} priority {}",
        decision.name, decision.priority
    )?;
    if decision.shadow {
        write!(f, ", shadow")?;
    }
    if let Some(confidence) = decision.confidence {
        write!(f, ", confidence {confidence:.4}")?;
    }
    let remarks = [&decision.skipped, &decision.rejected];
    for remark in remarks.into_iter().flatten() {
        write!(f, ", {remark}")?;
    }
    writeln!(f)?;
    match &decision.condition {
        Some(condition) => node(f, condition, 2),
        None if decision.skipped.is_none() => writeln!(f, "    always"),
        None => Ok(()),
    }
}

fn node(f: &mut fmt::Formatter<'_>, piece: &NodeTrace, depth: usize) -> fmt::Result {
    let mark = match piece.holds {
        Some(true) => "+",
        Some(false) => "-",
        None => "?",
    };
    write!(f, "{:1$}{mark} {2}", "", depth * 2, piece.node)?;
    match piece.confidence {
        Some(confidence) => writeln!(f, " {confidence:.4}")?,
        None => writeln!(f)?,
    }
    (piece.children.iter()).try_for_each(|child| node(f, child, depth + 1))
}

fn candidate(f: &mut fmt::Formatter<'_>, candidate: &CandidateTrace) -> fmt::Result {
    write!(f, "  {}", candidate.name)?;
    match candidate.weight {
        Some(weight) => write!(f, " weight {weight}")?,
        None => write!(f, " fallback")?,
    }
    match &candidate.dropped {
        Some(why) => writeln!(f, ", dropped: {why}"),
        None => writeln!(f),
    }
}

fn plugin(f: &mut fmt::Formatter<'_>, plugin: &PluginTrace) -> fmt::Result {
    write!(f, "  {} ({} us)", plugin.name, plugin.micros)?;
    match &plugin.error {
        Some(error) => writeln!(f, ", failed: {error}")?,
        None => writeln!(f)?,
    }
    (plugin.changes.iter()).try_for_each(|change| writeln!(f, "    {change}"))
}

fn loaded(f: &mut fmt::Formatter<'_>, model: &ModelTrace) -> fmt::Result {
    let ModelTrace {
        question,
        model,
        revision,
        backend,
    } = model;
    writeln!(f, "  {question}: {model}, revision {revision}, {backend}")
}

fn inspection(f: &mut fmt::Formatter<'_>, one: &InspectionTrace) -> fmt::Result {
    let speaker = format!("{:?}", one.speaker).to_lowercase();
    write!(
        f,
        "  {} ({speaker}): {}",
        one.path,
        one.questions.join(", ")
    )?;
    if one.excerpt {
        write!(f, ", an excerpt")?;
    }
    match &one.failed {
        Some(why) => writeln!(f, "; {why}")?,
        None => {
            let plural = if one.windows == 1 { "" } else { "s" };
            write!(f, "; {} window{plural}", one.windows)?;
            if one.unread_bytes > 0 {
                write!(f, ", {} bytes unread", one.unread_bytes)?;
            }
            let took = &one.micros;
            writeln!(
                f,
                ", {} us (normalize {}, rules {}, tokenize {}, queue {}, compute {})",
                took.total, took.normalize, took.rules, took.tokenize, took.queue, took.compute
            )?;
        }
    }
    if !one.domain.is_empty() {
        let labels: Vec<String> = (one.domain.iter())
            .map(|one| format!("{} {:.4}", one.label, one.score))
            .collect();
        writeln!(f, "    domain {}", labels.join(", "))?;
    }
    if let Some(attack) = &one.jailbreak {
        write!(f, "    jailbreak {:.4}", attack.score)?;
        if let Some(span) = &attack.span {
            let disguise = attack.disguise.join(" in ");
            write!(f, " ({disguise} at {}..{})", span.start, span.end)?;
        }
        writeln!(f)?;
    }
    for piece in one.pii.iter().flatten() {
        let (start, end) = (piece.span.start, piece.span.end);
        writeln!(
            f,
            "    {} {:.4} at {start}..{end}",
            piece.label, piece.score
        )?;
    }
    match &one.text {
        Some(text) => writeln!(f, "    text {text:?}"),
        None => Ok(()),
    }
}
