//! `commutator import vllm-sr`: a configuration of the vLLM Semantic Router, v0.3, as a policy.
//!
//! `conf/IMPORT.md` says what becomes what. What the peer does with a key was read from its code (snapshot of
//! 2026-08-22), not only from its documentation.

mod backends;
mod catalog;
mod decisions;
mod env;
mod fields;
mod global;
mod plugins;
mod rules;
mod shape;
mod signals;

use crate::config::{ConfigErrors, Document, Node};

use super::Imported;
use super::report::{Loss, Report};
use super::write::{Map, Yaml, render};

use catalog::Catalog;
use decisions::Decisions;
use fields::Fields;
use global::Global;
use signals::Signals;

/// Turns the configuration in `document` into a policy.
///
/// # Errors
/// It is no configuration of the router, or an older one.
pub(crate) fn convert(document: &Document) -> Result<Imported, ConfigErrors> {
    let report = Report::default();
    let config = Fields::of(shape::find(document, &report)?, &report);
    config.skip(&["version"]);
    let map = policy(&config, &report);
    let policy = render(&head(document, &report), &map);
    Ok(Imported { policy, report })
}

fn policy(config: &Fields<'_, '_>, report: &Report) -> Map {
    let mut global = Global::read(config.fields("global").as_ref(), report);
    let routing = config.get("routing");
    let shared = Fields::of(routing.unwrap_or(config.node), report);
    let catalog = Catalog::read(config.fields("providers").as_ref(), &shared, report);
    let default_recipe = recipes(config, &mut global, report);
    let profile = match default_recipe {
        Some(node) => Fields::of(node, report),
        None => Fields::of(routing.unwrap_or(config.node), report),
    };
    let has_profile = default_recipe.is_some() || routing.is_some();
    let nodes = if has_profile {
        profile.list("decisions")
    } else {
        Vec::new()
    };

    let used = {
        let mut all = nodes.clone();
        all.extend(profile.fields("signals").and_then(|s| s.get("complexity")));
        decisions::used(&all)
    };
    let mut signals = match profile.fields("signals").filter(|_| has_profile) {
        Some(fields) => Signals::read(&fields, &global, &used, report),
        None => {
            let none = Fields::nothing(config.node, report);
            Signals::read(&none, &global, &used, report)
        }
    };
    let strategy = profile
        .text("strategy")
        .map(str::to_owned)
        .or(global.strategy.take());
    let decisions = Decisions::read(&nodes, strategy.as_deref(), &signals, &catalog, report);
    if let Some(node) = profile.get("projections") {
        report.dropped(
            node,
            "there are no projections: conditions on them never hold",
        );
    }
    if has_profile {
        profile.skip(&["modelCards"]);
        profile.finish();
    }
    if let Some(node) = config
        .get("listeners")
        .filter(|_| !config.list("listeners").is_empty())
    {
        report.note(
            node,
            "listeners are set in gateway.yaml, `listeners: [{address: \"0.0.0.0:8080\"}]`",
        );
    }
    config.finish();
    compose(config, &global, &catalog, &mut signals, decisions, report)
}

/// The sections of the policy in their order.
fn compose(
    config: &Fields<'_, '_>,
    global: &Global,
    catalog: &Catalog,
    signals: &mut Signals,
    decisions: Decisions,
    report: &Report,
) -> Map {
    let mut map = Map::block().with("version", 1);
    map.push("clusters", catalog.clusters());
    map.push("models", catalog.models());
    let families = catalog.families(&decisions.efforts);
    if !families.is_empty() {
        map.push("reasoning_families", families);
    }
    let names = automatic(global, catalog, config.node, report);
    map.push("automatic_models", texts_of(&names));
    let default = default_model(catalog, &decisions, config.node, report);
    if let Some(default) = default {
        map.push("default_model", text(&default));
    }
    let signals = signals.yaml();
    if !signals.is_empty() {
        map.push("signals", signals);
    }
    map.push("strategy", decisions.strategy);
    map.push("decisions", decisions.items);
    map
}

/// A name means one model or leaves the choice to the policy, not both.
fn automatic(global: &Global, catalog: &Catalog, node: Node<'_>, report: &Report) -> Vec<String> {
    let mut names = global.automatic_models.clone();
    names.retain(|name| {
        let is_model = catalog.find(name).is_some();
        if is_model {
            report.changed(
                node,
                format!("the automatic name `{name}` is the name of a model, which it means here"),
            );
        }
        !is_model
    });
    names
}

/// The peer answers 400 where nothing matches and there is no default; ours needs one.
fn default_model(
    catalog: &Catalog,
    decisions: &Decisions,
    node: Node<'_>,
    report: &Report,
) -> Option<String> {
    if catalog.default_model.is_some() || decisions.catches_all {
        return catalog.default_model.clone();
    }
    let first = catalog.first()?;
    report.changed(
        node,
        format!("requests that match no decision need a model: `{first}` was chosen"),
    );
    Some(first.to_owned())
}

/// Named profiles: only the default one is imported, and the names of its entrypoints become automatic names.
fn recipes<'d>(config: &Fields<'d, '_>, global: &mut Global, report: &Report) -> Option<Node<'d>> {
    let mut default = None;
    for node in config.list("recipes") {
        let recipe = Fields::of(node, report);
        let name = recipe.text("name").unwrap_or_default();
        match name {
            "default" => default = recipe.get("routing"),
            _ => report.dropped(
                node,
                format!("recipe `{name}`: a policy has one set of decisions; import it on its own"),
            ),
        }
    }
    for node in config.list("entrypoints") {
        let entry = Fields::of(node, report);
        match entry.text("recipe").unwrap_or("default") {
            "default" => {
                for name in entry.words("model_names") {
                    if !global.automatic_models.iter().any(|known| known == name) {
                        global.automatic_models.push(name.to_owned());
                    }
                }
            }
            other => report.dropped(node, format!("an entrypoint of the recipe `{other}`")),
        }
    }
    default
}

/// A text of the source, its references spelt as ours.
fn text(text: &str) -> Yaml {
    Yaml::Text(env::translate(text))
}

/// Texts of the source.
fn texts(texts: &[&str]) -> Yaml {
    let texts: Vec<Yaml> = texts.iter().map(|one| text(one)).collect();
    texts.into()
}

fn texts_of(texts: &[String]) -> Yaml {
    let texts: Vec<Yaml> = texts.iter().map(|one| text(one)).collect();
    texts.into()
}

/// The comment at the top of the policy.
fn head(document: &Document, report: &Report) -> Vec<String> {
    let name = document.name();
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut head = vec![
        format!("Imported from `{name}`, a vLLM Semantic Router configuration, by `commutator import vllm-sr`."),
        "Check it with `commutator check`, try it with `commutator explain`. Thresholds are the source's; they were".to_owned(),
        "chosen for its models and belong to be measured again with the ones here.".to_owned(),
    ];
    for loss in Loss::ALL {
        let remarks = report.of(loss);
        if remarks.is_empty() {
            continue;
        }
        head.push(String::new());
        head.push(format!("{}:", loss.title()));
        head.extend(
            remarks
                .iter()
                .map(|r| format!("  line {}, {}: {}", r.line, r.path, r.why)),
        );
    }
    head
}
