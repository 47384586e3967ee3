//! `global`: thresholds and names that a policy needs; the rest is the router's process.

use crate::config::{Node, Value};
use crate::import::report::{Loss, Report};

use super::fields::Fields;

/// What of `global` a policy needs.
#[derive(Debug, PartialEq)]
pub(super) struct Global {
    /// The names by which clients leave the choice to the policy.
    pub(super) automatic_models: Vec<String>,
    /// The strategy where `routing` names none.
    pub(super) strategy: Option<String>,
    /// From this score on a subject counts.
    pub(super) domain_threshold: f64,
    /// From this score on a request needs facts.
    pub(super) fact_check_threshold: f64,
    /// From this score on a text attacks, where a rule says nothing.
    pub(super) jailbreak_threshold: f64,
    /// Does an engine that fails count as an attack?
    pub(super) jailbreak_blocks_on_error: bool,
    /// From this score on personal data counts, where a rule says nothing.
    pub(super) pii_threshold: f64,
    /// Do all embedding rules match that reach their thresholds, not only the best ones?
    pub(super) all_embeddings: bool,
}

/// The peer's own defaults.
impl Default for Global {
    fn default() -> Self {
        Self {
            automatic_models: ["vllm-sr/auto", "auto", "MoM"].map(str::to_owned).into(),
            strategy: None,
            domain_threshold: 0.5,
            fact_check_threshold: 0.6,
            jailbreak_threshold: 0.7,
            jailbreak_blocks_on_error: false,
            pii_threshold: 0.9,
            all_embeddings: false,
        }
    }
}

/// What becomes of the other parts: the beginning of a path below `global`, and why.
const PARTS: [(&str, Loss, &str); 25] = [
    ("router.config_source", Loss::Note, "the policy is a file"),
    (
        "router.include_config_models_in_list",
        Loss::Note,
        "GET /v1/models always lists the policy's models",
    ),
    ("router.clear_route_cache", Loss::Note, "a setting of Envoy"),
    (
        "router.streamed_body",
        Loss::Note,
        "bodies are bounded by `limits` in gateway.yaml",
    ),
    (
        "router.skip_processing",
        Loss::Dropped,
        "a client cannot switch the policy off by a header",
    ),
    (
        "router.model_selection",
        Loss::Dropped,
        "models are chosen by weights, not by a learned selector",
    ),
    (
        "router.learning",
        Loss::Dropped,
        "nothing is learned from requests",
    ),
    (
        "services.api",
        Loss::Note,
        "there is no classification API whose load could be bounded",
    ),
    (
        "services.response_api",
        Loss::Dropped,
        "/v1/responses is passed through; no store keeps responses",
    ),
    (
        "services.observability",
        Loss::Note,
        "metrics are always on; logs are set in gateway.yaml",
    ),
    (
        "services.authz",
        Loss::Dropped,
        "there are no users and roles yet",
    ),
    (
        "services.ratelimit",
        Loss::Dropped,
        "there are no rate limits yet",
    ),
    (
        "services.management_api",
        Loss::Note,
        "the admin listener is set in gateway.yaml",
    ),
    (
        "services.router_replay",
        Loss::Dropped,
        "requests are not recorded",
    ),
    (
        "services.startup_status",
        Loss::Note,
        "/readyz of the admin listener says it",
    ),
    (
        "stores.response_cache",
        Loss::Dropped,
        "there is no response cache yet",
    ),
    (
        "stores.memory",
        Loss::Dropped,
        "there is no memory of conversations",
    ),
    (
        "stores.vector_store",
        Loss::Dropped,
        "there is no vector store",
    ),
    (
        "integrations.tools",
        Loss::Dropped,
        "tools are not selected",
    ),
    (
        "integrations.looper",
        Loss::Dropped,
        "a request goes to one model, once",
    ),
    (
        "model_catalog.kbs",
        Loss::Dropped,
        "there are no knowledge bases",
    ),
    (
        "model_catalog.external",
        Loss::Dropped,
        "models of other servers are no signals",
    ),
    (
        "model_catalog.embeddings",
        Loss::Note,
        "the embedder is set by `understanding` in the policy",
    ),
    (
        "model_catalog.system",
        Loss::Note,
        "the models are set by `understanding` in the policy",
    ),
    (
        "model_catalog.modules",
        Loss::Note,
        "the models are set by `understanding` in the policy",
    ),
];

/// Parts that are off unless they say `enabled: true`.
const OFF_BY_DEFAULT: [&str; 7] = [
    "router.skip_processing",
    "router.streamed_body",
    "router.learning",
    "services.router_replay",
    "stores.memory",
    "stores.vector_store",
    "integrations.tools",
];

/// Modules that have no counterpart at all.
const MODULES: [(&str, &str); 4] = [
    ("prompt_compression", "prompts are read whole"),
    (
        "feedback_detector",
        "no signal knows a client's satisfaction",
    ),
    ("modality_detector", "no signal tells requests for images"),
    ("complexity", "the difficulty is a contrast of examples"),
];

impl Global {
    /// Reads `global`, and lists what of it has no counterpart.
    pub(super) fn read(fields: Option<&Fields<'_, '_>>, report: &Report) -> Self {
        let mut global = Self::default();
        let Some(fields) = fields else {
            return global;
        };
        if let Some(router) = fields.fields("router") {
            global.router(&router);
        }
        if let Some(catalog) = fields.fields("model_catalog") {
            global.catalog(&catalog, report);
        }
        list(fields, report);
        global
    }

    fn router(&mut self, router: &Fields<'_, '_>) {
        self.strategy = router.text("strategy").map(str::to_owned);
        if let Some(primary) = router.text("auto_model_name") {
            self.automatic_models[2] = primary.trim().to_owned();
        }
        if router.get("auto_model_names").is_some() {
            let names = router.words("auto_model_names");
            self.automatic_models = names.iter().map(|name| name.trim().to_owned()).collect();
        }
        let mut seen = Vec::new();
        self.automatic_models.retain(|name| {
            let new = !name.is_empty() && !seen.contains(name);
            seen.push(name.clone());
            new
        });
    }

    fn catalog(&mut self, catalog: &Fields<'_, '_>, report: &Report) {
        let semantic = catalog
            .fields("embeddings")
            .and_then(|e| e.fields("semantic"));
        let search = semantic.and_then(|s| s.fields("embedding_config"));
        self.all_embeddings = search.is_some_and(|s| s.whole("top_k") == Some(0));
        let Some(modules) = catalog.fields("modules") else {
            return;
        };
        let threshold = |fields: Option<Fields<'_, '_>>, into: &mut f64| {
            let given = fields.and_then(|f| f.share("threshold"));
            *into = given.filter(|t| *t > 0.0).unwrap_or(*into);
        };
        let classifier = modules.fields("classifier");
        let part = |key| classifier.as_ref().and_then(|c| c.fields(key));
        threshold(part("domain"), &mut self.domain_threshold);
        threshold(part("pii"), &mut self.pii_threshold);
        let facts = modules
            .fields("hallucination_mitigation")
            .and_then(|h| h.fields("fact_check"));
        threshold(facts, &mut self.fact_check_threshold);
        if let Some(guard) = modules.fields("prompt_guard") {
            self.jailbreak_blocks_on_error = guard.text("on_error") == Some("block");
            threshold(Some(guard), &mut self.jailbreak_threshold);
        }
        for (key, why) in MODULES {
            if let Some(node) = modules.get(key).filter(|node| !is_off(*node)) {
                report.note(node, why);
            }
        }
    }
}

/// Lists the parts of `global` that a policy does not know.
fn list(fields: &Fields<'_, '_>, report: &Report) {
    for group in [
        "router",
        "services",
        "stores",
        "integrations",
        "model_catalog",
    ] {
        let Some(inner) = fields.fields(group) else {
            continue;
        };
        for (key, node) in inner.rest() {
            if is_off(node) || is_empty(node) {
                continue;
            }
            let path = format!("{group}.{key}");
            if OFF_BY_DEFAULT.contains(&path.as_str()) && !is_on(node) {
                continue;
            }
            match PARTS.iter().find(|(known, ..)| *known == path) {
                Some((_, Loss::Note, why)) => report.note(node, *why),
                Some((_, _, why)) => report.dropped(node, *why),
                None if is_read(&path) => {}
                None => report.dropped(node, format!("`{key}` is not known here")),
            }
        }
    }
    fields.finish();
}

/// Fields that [`Global::router`] has read.
fn is_read(path: &str) -> bool {
    matches!(
        path,
        "router.strategy" | "router.auto_model_name" | "router.auto_model_names"
    )
}

/// `enabled: false`, or `false` itself.
pub(super) fn is_off(node: Node<'_>) -> bool {
    match node.value() {
        Value::Scalar(text) => text.eq_ignore_ascii_case("false"),
        Value::Map(entries) => entries
            .iter()
            .any(|(key, value)| *key == "enabled" && is_off(*value)),
        Value::Null => true,
        Value::List(_) => false,
    }
}

/// `enabled: true`, also deeper down.
fn is_on(node: Node<'_>) -> bool {
    match node.value() {
        Value::Map(entries) => entries.iter().any(|(key, value)| match value.value() {
            Value::Scalar(text) => *key == "enabled" && text.eq_ignore_ascii_case("true"),
            _ => is_on(*value),
        }),
        Value::Null | Value::Scalar(_) | Value::List(_) => false,
    }
}

fn is_empty(node: Node<'_>) -> bool {
    match node.value() {
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Null | Value::Scalar(_) => false,
    }
}
