//! Is this a configuration of the vLLM Semantic Router, and one that can be read?

use crate::config::{ConfigErrors, Document, Node, Value};
use crate::import::report::Report;

use super::fields::Fields;

/// Top-level keys of the releases before v0.3.
const OLDER: [&str; 15] = [
    "vllm_endpoints",
    "model_config",
    "categories",
    "decisions",
    "default_model",
    "keyword_rules",
    "embedding_rules",
    "signals",
    "reasoning_families",
    "default_reasoning_effort",
    "semantic_cache",
    "prompt_guard",
    "classifier",
    "bert_model",
    "model_scores",
];

/// Keys under `providers` of the releases before v0.3.
const OLDER_PROVIDERS: [&str; 6] = [
    "model_targets",
    "backends",
    "auth_profiles",
    "default_model",
    "reasoning_families",
    "default_reasoning_effort",
];

const MIGRATE: &str = "convert it first: `vllm-sr config migrate --config FILE`";

/// The router's configuration in `document`: all of it, or what stands under `config:` in the values of a Helm
/// chart.
///
/// # Errors
/// It is something else, or older than v0.3.
pub(super) fn find<'d>(document: &'d Document, report: &Report) -> Result<Node<'d>, ConfigErrors> {
    let root = document.root();
    let Value::Map(entries) = root.value() else {
        let message = "no configuration: a mapping is expected".to_owned();
        return Err(document.error(root, message, "the file begins with `version: v0.3`"));
    };
    let config = entries.iter().find(|(key, _)| *key == "config");
    let node = match config {
        Some((_, config)) if !is_canonical(&entries) => {
            for (key, node) in entries.iter().filter(|(key, _)| *key != "config") {
                report.note(
                    *node,
                    format!("`{key}` is a value of the Helm chart, not of the router"),
                );
            }
            *config
        }
        _ => root,
    };
    check(document, node)?;
    Ok(node)
}

fn is_canonical(entries: &[(&str, Node<'_>)]) -> bool {
    ["routing", "providers", "global", "recipes"]
        .iter()
        .any(|known| entries.iter().any(|(key, _)| key == known))
}

fn check(document: &Document, node: Node<'_>) -> Result<(), ConfigErrors> {
    let Value::Map(entries) = node.value() else {
        let message = "no configuration: a mapping is expected".to_owned();
        return Err(document.error(node, message, "for example `version: v0.3`"));
    };
    if let Some((_, kind)) = entries.iter().find(|(key, _)| *key == "kind") {
        let message = "a Kubernetes object, not the router's configuration itself".to_owned();
        let hint = "take out what stands below `config.yaml:` (ConfigMap) or `spec.config`";
        return Err(document.error(*kind, message, hint));
    }
    let older = entries.iter().find(|(key, _)| OLDER.contains(key));
    if let Some((key, node)) = older {
        let message = format!("`{key}` at the top level: a configuration from before v0.3");
        return Err(document.error(*node, message, MIGRATE));
    }
    if !is_canonical(&entries) {
        let message =
            "no configuration of the vLLM Semantic Router: neither `routing` nor `providers`";
        let hint =
            "expected is the router's config.yaml (v0.3), or Helm values with it under `config:`";
        return Err(document.error(node, message.to_owned(), hint));
    }
    let scratch = Report::default();
    let fields = Fields::of(node, &scratch);
    if let Some(version) = fields.get("version")
        && !matches!(version.value(), Value::Scalar("v0.3" | "0.3"))
    {
        let message = "this version of the format cannot be read, only v0.3".to_owned();
        return Err(document.error(version, message, MIGRATE));
    }
    check_inside(document, &fields)
}

/// Keys that were moved when the format became v0.3.
fn check_inside(document: &Document, fields: &Fields<'_, '_>) -> Result<(), ConfigErrors> {
    let refuse = |node: Node<'_>| {
        let message = format!("`{}`: a configuration from before v0.3", node.path());
        Err(document.error(node, message, MIGRATE))
    };
    if let Some(models) = fields
        .fields("routing")
        .and_then(|routing| routing.get("models"))
    {
        return refuse(models);
    }
    let Some(providers) = fields.fields("providers") else {
        return Ok(());
    };
    if let Some(node) = OLDER_PROVIDERS.iter().find_map(|key| providers.get(key)) {
        return refuse(node);
    }
    Ok(())
}
