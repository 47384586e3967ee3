//! Checks of models, their names, clusters and families.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{ModelConfig, Prices};
use crate::problem::Problems;

use super::super::RoutingConfig;
use super::{duplicates, unknown};

/// The models by their names.
pub(super) struct Models {
    pub(super) all: Vec<Arc<ModelConfig>>,
    pub(super) by_name: HashMap<String, Arc<ModelConfig>>,
    pub(super) default_model: Option<Arc<ModelConfig>>,
}

impl Models {
    /// A model by its own name: decisions do not use aliases.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<ModelConfig>> {
        self.all.iter().find(|model| model.name == name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|model| model.name.as_str())
    }
}

pub(super) fn check(config: &RoutingConfig, clusters: &[&str], problems: &mut Problems) -> Models {
    duplicates(
        config.models.iter().map(|model| model.name.as_str()),
        "model",
        problems,
        |index| format!("models[{index}].name"),
    );
    let families = config.families();
    for (index, model) in config.models.iter().enumerate() {
        let path = |field: &str| format!("models[{index}].{field}");
        if !clusters.contains(&model.cluster.as_str()) {
            let known = clusters.iter().copied();
            unknown(problems, path("cluster"), "cluster", &model.cluster, known);
        }
        if let Some(family) = &model.reasoning_family
            && !families.contains_key(family)
        {
            let known = families.keys().map(String::as_str);
            unknown(problems, path("reasoning_family"), "family", family, known);
        }
        if model.upstream_name.as_deref() == Some("") {
            problems.error(path("upstream_name"), "the name is empty");
        }
        if model.context_length == Some(0) {
            problems.error(path("context_length"), "no request fits into 0 tokens");
        }
        if let Some(prices) = &model.prices {
            check_prices(prices, &path("prices"), problems);
        }
    }
    for (name, family) in &config.reasoning_families {
        if family.efforts.is_empty() {
            problems.error(
                format!("reasoning_families.{name}.efforts"),
                "a family needs at least one effort",
            );
        }
    }
    if let Some(cluster) = &config.pass_through_cluster
        && !clusters.contains(&cluster.as_str())
    {
        let known = clusters.iter().copied();
        unknown(problems, "pass_through_cluster", "cluster", cluster, known);
    }
    if config.models.is_empty() && config.pass_through_cluster.is_none() {
        problems
            .error("models", "there are no models: no request can be answered")
            .with_hint("list a model, or set `pass_through_cluster`");
    }
    let mut models = Models {
        all: config.models.iter().cloned().map(Arc::new).collect(),
        by_name: HashMap::new(),
        default_model: None,
    };
    index_names(config, &mut models, problems);
    check_default(config, &mut models, problems);
    models
}

fn check_prices(prices: &Prices, path: &str, problems: &mut Problems) {
    let amounts = [
        ("prompt_per_1m", Some(prices.prompt_per_1m)),
        ("cached_input_per_1m", prices.cached_input_per_1m),
        ("completion_per_1m", Some(prices.completion_per_1m)),
    ];
    for (field, amount) in amounts {
        if amount.is_some_and(|amount| !amount.is_finite() || amount < 0.0) {
            problems.error(
                format!("{path}.{field}"),
                "a price must be a number from 0 up",
            );
        }
    }
    if prices.currency.len() != 3 || !prices.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        problems
            .error(
                format!("{path}.currency"),
                format!("`{}` is no currency code", prices.currency),
            )
            .with_hint("three capital letters, for example `USD`");
    }
}

/// Every name that clients may use. Own names first, then aliases, then what frontends call the models.
fn index_names(config: &RoutingConfig, models: &mut Models, problems: &mut Problems) {
    let Models { all, by_name, .. } = models;
    for model in all.iter() {
        by_name
            .entry(model.name.clone())
            .or_insert_with(|| Arc::clone(model));
    }
    for (index, model) in all.iter().enumerate() {
        for (at, alias) in model.aliases.iter().enumerate() {
            let path = format!("models[{index}].aliases[{at}]");
            if alias.is_empty() {
                problems.error(path, "the alias is empty");
            } else if let Some(other) = by_name.insert(alias.clone(), Arc::clone(model)) {
                problems.error(
                    path,
                    format!("`{alias}` is already a name of the model `{}`", other.name),
                );
                by_name.insert(alias.clone(), other);
            }
        }
    }
    for model in all.iter() {
        // Several models behind one upstream name (variants of one model) are usual: the first one gets it.
        by_name
            .entry(model.upstream_name().to_owned())
            .or_insert_with(|| Arc::clone(model));
    }
    duplicates(
        config.automatic_models.iter().map(String::as_str),
        "automatic model",
        problems,
        |index| format!("automatic_models[{index}]"),
    );
    for (index, name) in config.automatic_models.iter().enumerate() {
        if let Some(model) = by_name.get(name) {
            problems
                .error(
                    format!("automatic_models[{index}]"),
                    format!("`{name}` is also a name of the model `{}`", model.name),
                )
                .with_hint("a name means one model or leaves the choice to the policy, not both");
        }
    }
}

/// A policy with decisions needs a model for what matches none of them.
fn check_default(config: &RoutingConfig, models: &mut Models, problems: &mut Problems) {
    if let Some(name) = &config.default_model {
        models.default_model = models.find(name).cloned();
        if models.default_model.is_none() {
            unknown(problems, "default_model", "model", name, models.names());
        }
        return;
    }
    if config.decisions.is_empty() || config.automatic_models.is_empty() {
        return;
    }
    let catches_all = config.decisions.iter().any(|decision| {
        !decision.shadow && !decision.models.is_empty() && super::decisions::is_catch_all(decision)
    });
    if !catches_all {
        let problem = problems.error(
            "default_model",
            "missing: requests that match no decision would have no model",
        );
        if let Some(model) = config.models.first() {
            problem.with_hint(format!("for example `default_model: {}`", model.name));
        }
    } else if let Some(index) = config.decisions.iter().position(|d| d.models.is_empty()) {
        problems
            .error(
                format!("decisions[{index}].models"),
                "empty, and there is no `default_model` for its requests",
            )
            .with_hint("list a model or set `default_model`");
    }
}
