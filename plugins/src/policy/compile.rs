//! From a configuration to a policy, with every mistake at once.

mod decisions;
mod models;

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::problem::Problems;
use crate::registry::{BuildContext, PluginConfig};
use crate::signal::{Signal, SignalKind};

use super::{Policy, RoutingConfig};

impl Policy {
    /// Checks `config` and builds the policy. `clusters` are the names of the clusters that there are.
    ///
    /// # Errors
    /// Every mistake, each with its path in the configuration, warnings among them.
    pub fn compile(
        config: &RoutingConfig,
        clusters: &[&str],
        context: &BuildContext<'_>,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let models = models::check(config, clusters, &mut problems);
        let signals = signals(config, context, &mut problems);
        let decisions = decisions::check(config, &models, context, &mut problems);
        let plugins = plugins(&config.plugins, "plugins", context, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        let routes = models.default_model.is_some() || !config.decisions.is_empty();
        Ok(Self {
            by_name: models.by_name,
            families: config.families(),
            automatic: match routes {
                true => config.automatic_models.clone(),
                false => Vec::new(),
            },
            default_model: models.default_model,
            models: models.all,
            pass_through: config.pass_through_cluster.clone(),
            signals,
            decisions,
            strategy: config.strategy,
            plugins,
            force_usage: config.usage.force,
            warnings: problems,
            signal_timeout: config.signal_timeout.get(),
            understanding: None,
            expected: Vec::new(),
        })
    }
}

/// The signals that have rules.
fn signals(
    config: &RoutingConfig,
    context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Vec<(SignalKind, Arc<dyn Signal>)> {
    let mut signals = Vec::new();
    for &kind in SignalKind::ALL {
        let section = format!("signals.{}", kind.section());
        let names = config.signals.names(kind);
        if names.is_empty() {
            continue;
        }
        duplicates(names.iter().copied(), "rule", problems, |index| {
            format!("{section}[{index}].name")
        });
        let mut found = Problems::new();
        signals.push((kind, config.signals.build(kind, context, &mut found)));
        problems.extend_under(&section, found);
    }
    signals
}

fn plugins(
    configs: &[PluginConfig],
    path: &str,
    context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Vec<Arc<dyn Plugin>> {
    let mut plugins = Vec::new();
    for (index, config) in configs.iter().enumerate() {
        match config.build(context, &format!("{path}[{index}]")) {
            Ok(plugin) => plugins.push(plugin),
            Err(found) => problems.extend(found),
        }
    }
    plugins
}

/// Names must not be empty and not appear twice.
fn duplicates<'a>(
    names: impl Iterator<Item = &'a str>,
    what: &str,
    problems: &mut Problems,
    path: impl Fn(usize) -> String,
) {
    let mut seen = std::collections::HashMap::new();
    for (index, name) in names.enumerate() {
        if name.is_empty() {
            problems.error(path(index), format!("a {what} needs a name"));
        } else if let Some(first) = seen.insert(name, index) {
            problems
                .error(path(index), format!("a second {what} named `{name}`"))
                .with_hint(format!("the first one is {}", path(first)));
            seen.insert(name, first);
        }
    }
}

/// Records that `name` is unknown, with the most similar known name or the list of all.
fn unknown<'a>(
    problems: &mut Problems,
    path: impl Into<String>,
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str>,
) {
    let known: Vec<&str> = known.collect();
    let hint = hint(name, &known);
    let problem = problems.error(path, format!("unknown {what} `{name}`"));
    if let Some(hint) = hint {
        problem.with_hint(hint);
    }
}

/// What somebody who wrote `name` may have meant.
pub(crate) fn hint(name: &str, known: &[&str]) -> Option<String> {
    let similarity = |other: &str| {
        let (a, b) = (name.to_lowercase(), other.to_lowercase());
        // `qwen` for `qwen3-32b`: a name that was cut off is no typing error, but likely.
        let begins = (a.len() >= 3 && b.starts_with(&a)) || (b.len() >= 3 && a.starts_with(&b));
        strsim::jaro_winkler(&a, &b).max(if begins { 0.85 } else { 0.0 })
    };
    let best = (known.iter())
        .map(|other| (similarity(other), other))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        None => None,
        Some((score, other)) if score >= 0.8 => Some(format!("did you mean `{other}`?")),
        Some(_) if known.len() <= 8 => Some(format!("there is {}", list(known))),
        Some(_) => None,
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests;
