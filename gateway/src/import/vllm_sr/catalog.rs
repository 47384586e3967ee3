//! `providers` and `routing.modelCards`: models, clusters and reasoning families.

use std::collections::BTreeMap;

use crate::config::Node;
use crate::import::report::Report;
use crate::import::write::{Item, Map, Yaml};

use super::backends::Clusters;
use super::fields::Fields;
use super::{text, texts};

/// How a family is told to reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// A flag of the chat template.
    Flag,
    /// An effort among the chat template's arguments.
    TemplateEffort,
    /// An effort at the top level.
    Effort,
}

/// A model that decisions may name.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// How it is told to reason, where it is.
    pub(super) switch: Option<Switch>,
    family: Option<String>,
    /// As it is written into the policy.
    map: Map,
    comment: Option<String>,
}

/// The models of a policy and what they need.
#[derive(Default)]
pub(super) struct Catalog {
    clusters: Clusters,
    models: Vec<(String, Model)>,
    families: Vec<(String, Switch, Option<String>)>,
    /// The effort where a decision says nothing.
    pub(super) default_effort: String,
    /// The model where no decision matches.
    pub(super) default_model: Option<String>,
}

/// What a model card says.
struct Card<'d> {
    name: &'d str,
    context: Option<i64>,
    loras: Vec<&'d str>,
    node: Node<'d>,
}

/// Efforts, the weakest first.
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

impl Catalog {
    /// Reads `providers` and the model cards.
    pub(super) fn read(
        providers: Option<&Fields<'_, '_>>,
        routing: &Fields<'_, '_>,
        report: &Report,
    ) -> Self {
        let mut catalog = Self {
            default_effort: "medium".to_owned(),
            ..Self::default()
        };
        let cards: Vec<Card<'_>> = (routing.list("modelCards").into_iter())
            .filter_map(|node| card(node, report))
            .collect();
        if let Some(providers) = providers {
            let defaults = providers.fields("defaults");
            if let Some(defaults) = &defaults {
                catalog.defaults(defaults, report);
            }
            for node in providers.list("models") {
                catalog.model(node, &cards, report);
            }
            let wanted = defaults.as_ref().and_then(|d| d.get("default_model"));
            if let (Some(node), Some(name)) = (wanted, &catalog.default_model)
                && catalog.find(name).is_none()
            {
                report.dropped(node, format!("no provider serves `{name}`"));
                catalog.default_model = None;
            }
            providers.finish();
        }
        for card in &cards {
            catalog.card_alone(card, report);
        }
        catalog
    }

    /// A model by its name.
    pub(super) fn find(&self, name: &str) -> Option<&Model> {
        (self.models.iter()).find_map(|(own, model)| (own == name).then_some(model))
    }

    /// The first model.
    pub(super) fn first(&self) -> Option<&str> {
        self.models.first().map(|(name, _)| name.as_str())
    }

    /// The section `clusters`.
    pub(super) fn clusters(&self) -> Vec<Item> {
        self.clusters.yaml()
    }

    /// The section `models`.
    pub(super) fn models(&self) -> Vec<Item> {
        let item = |model: &Model| Item {
            above: model.comment.iter().cloned().collect(),
            ..Item::from(model.map.clone())
        };
        self.models.iter().map(|(_, model)| item(model)).collect()
    }

    /// The section `reasoning_families`: those that models are of. `efforts` are the ones that decisions ask for,
    /// with the family.
    pub(super) fn families(&self, efforts: &BTreeMap<String, Vec<String>>) -> Map {
        let mut map = Map::block();
        for (name, switch, parameter) in &self.families {
            if !self
                .models
                .iter()
                .any(|(_, m)| m.family.as_ref() == Some(name))
            {
                continue;
            }
            let kind = match switch {
                Switch::Flag => "chat_template_kwargs",
                Switch::TemplateEffort => "chat_template_effort",
                Switch::Effort => "reasoning_effort",
            };
            let family = Map::flow()
                .with("type", kind)
                .maybe("parameter", parameter.as_deref().map(text))
                .maybe("efforts", all_efforts(efforts.get(name)));
            map.push(name.as_str(), family);
        }
        map
    }

    /// The family of a model.
    pub(super) fn family(&self, model: &str) -> Option<&str> {
        self.find(model)?.family.as_deref()
    }

    /// A model of which there is a card only.
    fn card_alone(&mut self, card: &Card<'_>, report: &Report) {
        if self.find(card.name).is_some() {
            return;
        }
        let why = format!(
            "no provider serves `{}`: write its frontends' address into the cluster `unknown`",
            card.name
        );
        report.changed(card.node, why);
        let cluster = self.clusters.unknown();
        let map = Map::block()
            .with("name", text(card.name))
            .with("cluster", text(&cluster))
            .maybe("context_length", card.context);
        let model = Model {
            switch: None,
            family: None,
            map,
            comment: None,
        };
        self.add(card.name, model);
    }

    fn add(&mut self, name: &str, model: Model) {
        self.models.push((name.to_owned(), model));
    }

    fn defaults(&mut self, defaults: &Fields<'_, '_>, report: &Report) {
        self.default_model = defaults.text("default_model").map(str::to_owned);
        if let Some(effort) = defaults.text("default_reasoning_effort") {
            self.default_effort = effort.trim().to_owned();
        }
        let families = defaults.fields("reasoning_families");
        for (name, node) in families.iter().flat_map(Fields::rest) {
            let family = Fields::of(node, report);
            let parameter = family.text("parameter").map(str::to_owned);
            let switch = match family.text("type") {
                Some("chat_template_kwargs") => Switch::Flag,
                Some("reasoning_effort") => Switch::TemplateEffort,
                Some("top_level_reasoning_effort") => Switch::Effort,
                other => {
                    let kind = other.unwrap_or_default();
                    report.dropped(
                        node,
                        format!("`{kind}` is no known sort of reasoning family"),
                    );
                    continue;
                }
            };
            if switch == Switch::Effort
                && parameter
                    .as_deref()
                    .is_some_and(|p| p != "reasoning_effort")
            {
                report.changed(
                    node,
                    "the parameter at the top level is always `reasoning_effort` here",
                );
            }
            let parameter = parameter.filter(|_| switch != Switch::Effort);
            self.families.push((name.to_owned(), switch, parameter));
            family.finish();
        }
        defaults.finish();
    }

    fn model(&mut self, node: Node<'_>, cards: &[Card<'_>], report: &Report) {
        let fields = Fields::of(node, report);
        let Some(name) = fields.text("name") else {
            report.dropped(node, "a model without a name");
            return;
        };
        if self.find(name).is_some() {
            report.dropped(node, format!("a second model named `{name}`"));
            return;
        }
        let card = cards.iter().find(|card| card.name == name);
        let cluster = self.clusters.of(name, &fields, report);
        let family = self.family_of(&fields, report);
        if let Some(format) = fields.text("api_format").filter(|f| *f != "openai") {
            let at = fields.get("api_format").unwrap_or(node);
            report.dropped(at, format!("api_format `{format}`: requests go to the frontends in the API that the client spoke"));
        }
        let upstream = upstream_name(&fields, report).filter(|upstream| upstream != name);
        let rest = Map::block()
            .maybe(
                "reasoning_family",
                family.as_ref().map(|(name, _)| text(name)),
            )
            .maybe("context_length", card.and_then(|card| card.context))
            .maybe("prices", prices(fields.fields("pricing"), report));
        let mut map = Map::block()
            .with("name", text(name))
            .with("cluster", text(&cluster))
            .maybe("upstream_name", upstream.as_deref().map(text));
        map.extend(rest.clone());
        let model = Model {
            switch: family.as_ref().map(|(_, switch)| *switch),
            family: family.map(|(name, _)| name),
            map,
            comment: None,
        };
        self.add(name, model.clone());
        for lora in card.iter().flat_map(|card| &card.loras) {
            self.lora(lora, name, &cluster, &model, rest.clone(), card, report);
        }
        fields.finish();
    }

    /// A LoRA adapter is a model of its own: frontends know it by its name.
    #[allow(clippy::too_many_arguments)]
    fn lora(
        &mut self,
        lora: &str,
        base: &str,
        cluster: &str,
        model: &Model,
        rest: Map,
        card: Option<&Card<'_>>,
        report: &Report,
    ) {
        if self.find(lora).is_some() {
            if let Some(card) = card {
                report.dropped(
                    card.node,
                    format!("`{lora}` is the name of another model already"),
                );
            }
            return;
        }
        let mut map = Map::block()
            .with("name", text(lora))
            .with("cluster", text(cluster));
        map.extend(rest);
        let comment = Some(format!("LoRA adapter of {base}"));
        self.add(
            lora,
            Model {
                map,
                comment,
                ..model.clone()
            },
        );
    }

    fn family_of(&self, fields: &Fields<'_, '_>, report: &Report) -> Option<(String, Switch)> {
        let name = fields.text("reasoning_family")?;
        let known = self.families.iter().find(|(own, ..)| own == name);
        if known.is_none() {
            let at = fields.get("reasoning_family").unwrap_or(fields.node);
            report.dropped(at, format!("the reasoning family `{name}` is not declared"));
        }
        let hosted = || {
            let mut backends = fields.list("backend_refs").into_iter();
            backends.any(|node| Fields::of(node, report).text("provider") == Some("openai"))
        };
        if known.is_some_and(|(_, switch, _)| *switch == Switch::TemplateEffort) && hosted() {
            let at = fields.get("reasoning_family").unwrap_or(fields.node);
            let why = "the effort goes into chat_template_kwargs; for the provider openai the router writes it at the top \
                       level: for that, declare a family of the type top_level_reasoning_effort";
            report.changed(at, why);
        }
        known.map(|(name, switch, _)| (name.clone(), *switch))
    }
}

/// All efforts that a family must know, where the usual ones do not do.
fn all_efforts(asked: Option<&Vec<String>>) -> Option<Yaml> {
    let usual = ["low", "medium", "high"];
    let asked = asked?;
    if asked.iter().all(|effort| usual.contains(&effort.as_str())) {
        return None;
    }
    let mut known: Vec<&str> = EFFORTS
        .into_iter()
        .filter(|e| usual.contains(e) || asked.iter().any(|a| a == e))
        .collect();
    known.extend(
        asked
            .iter()
            .map(String::as_str)
            .filter(|a| !EFFORTS.contains(a)),
    );
    Some(texts(&known))
}

fn card<'d>(node: Node<'d>, report: &Report) -> Option<Card<'d>> {
    let fields = Fields::of(node, report);
    let loras = (fields.list("loras").into_iter())
        .filter_map(|node| Fields::of(node, report).text("name"))
        .collect();
    Some(Card {
        name: fields.text("name")?,
        context: fields.whole("context_window_size").filter(|size| *size > 0),
        loras,
        node,
    })
}

/// The name that the frontends know.
fn upstream_name(fields: &Fields<'_, '_>, report: &Report) -> Option<String> {
    let own = fields.text("provider_model_id").map(str::to_owned);
    let Some(external) = fields.fields("external_model_ids") else {
        return own;
    };
    let ids = external.rest();
    let vllm = external.text("vllm");
    let first = ids.first().and_then(|(key, _)| external.text(key));
    let chosen = vllm.or(first);
    if ids.iter().any(|(key, _)| external.text(key) != chosen) {
        report.changed(
            external.node,
            "a model has one name at its frontends, not one for each provider",
        );
    }
    chosen.map(str::to_owned).or(own)
}

fn prices(fields: Option<Fields<'_, '_>>, report: &Report) -> Option<Map> {
    let fields = fields?;
    let currency = fields
        .text("currency")
        .map(|currency| currency.to_ascii_uppercase());
    let map = Map::flow()
        .maybe("currency", currency)
        .maybe("prompt_per_1m", fields.number("prompt_per_1m"))
        .maybe("cached_input_per_1m", fields.number("cached_input_per_1m"))
        .maybe("completion_per_1m", fields.number("completion_per_1m"));
    if let Some(node) = fields.get("cache_write_per_1m") {
        report.dropped(node, "writing to a cache has no price here");
    }
    fields.finish();
    (!map.is_empty()).then_some(map)
}
