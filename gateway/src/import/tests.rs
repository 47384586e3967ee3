//! Whole conversions: the fixtures under `tests/fixtures/import` and what becomes of them.
#![allow(clippy::unwrap_used)]

mod peer;
mod same_meaning;

use std::path::{Path, PathBuf};

use commutator_plugins::signal::SignalKind;
use rstest::rstest;

use super::report::Loss;
use super::{Imported, vllm_sr};
use crate::config::Document;
use crate::snapshot::Checked;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import")
        .join(name)
}

fn import(text: &str) -> Imported {
    match Document::parse("test.yaml", text).and_then(|document| vllm_sr::convert(&document)) {
        Ok(imported) => imported,
        Err(errors) => panic!("{errors}"),
    }
}

/// Reads a policy as `commutator check` does.
fn check(policy: &str) -> Checked {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), policy).unwrap();
    match Checked::read(file.path()) {
        Ok(checked) => checked,
        Err(errors) => panic!("{errors}\n{policy}"),
    }
}

/// Does this build know the signals that models give? They come with the guards.
fn understands() -> bool {
    let has = |section| SignalKind::ALL.iter().any(|kind| kind.section() == section);
    let learned = [
        "domains",
        "embeddings",
        "complexity",
        "fact_check",
        "jailbreak",
        "pii",
    ];
    learned.into_iter().all(has)
}

/// The smallest configuration with these signals and decisions, both in flow style.
fn small(signals: &str, decisions: &str) -> String {
    format!(
        "version: v0.3\n\
         providers:\n  defaults: {{default_model: m}}\n  models: [{{name: m, backend_refs: [{{endpoint: 'h:80'}}]}}]\n\
         routing:\n  modelCards: [{{name: m}}]\n  signals: {signals}\n  decisions: {decisions}\n"
    )
}

#[rstest]
#[case("helm-values", true)]
#[case("fleet", false)]
#[case("understanding", true)]
fn fixtures_become_these_policies(#[case] name: &str, #[case] needs_models: bool) {
    let document = Document::load(&fixture(&format!("{name}.yaml"))).unwrap();
    let imported = vllm_sr::convert(&document).unwrap_or_else(|errors| panic!("{errors}"));
    let golden = fixture(&format!("{name}.policy.yaml"));
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&golden, &imported.policy).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        imported.policy == expected,
        "{name}.policy.yaml is stale: run `UPDATE_GENERATED=1 cargo test -p commutator import`\n{}",
        imported.policy
    );
    if name == "fleet" {
        // A reference without a default: the import must not have resolved it.
        assert!(imported.policy.contains("${UPSTREAM_KEY}"));
    }
    if !needs_models || understands() {
        check(&imported.policy.replace("${UPSTREAM_KEY}", "key"));
    }
}

#[test]
fn the_hint_to_a_guard_is_a_policy() {
    let text = small(
        "{jailbreak: [{name: attack}], pii: [{name: personal}]}",
        "[{name: block, rules: {operator: OR, conditions: [{type: jailbreak, name: attack}, {type: pii, name: personal}]}, \
          plugins: [{type: fast_response, configuration: {message: 'No: never'}}]}]",
    );
    let policy = import(&text).policy;
    let hint: Vec<&str> = (policy.lines())
        .skip_while(|line| !line.contains("#   plugins:"))
        .take_while(|line| line.trim_start().starts_with('#'))
        .map(|line| line.trim_start().trim_start_matches("#   "))
        .collect();
    assert!(hint.len() == 3, "{policy}");
    let whole = format!(
        "version: 1\nclusters: [{{name: c, endpoints: {{static: ['h:80']}}}}]\n\
         models: [{{name: m, cluster: c}}]\n{}\n",
        hint.join("\n")
    );
    check(&whole);
}

#[test]
fn a_secret_is_neither_copied_nor_shown() {
    let text = small("{}", "[]").replace(
        "endpoint: 'h:80'",
        "endpoint: 'h:80', api_key: sk-12345, extra_headers: {authorization: Bearer sk-12345}",
    );
    let imported = import(&text);
    assert!(!imported.policy.contains("sk-12345"), "{}", imported.policy);
    assert_eq!(imported.report.of(Loss::Dropped).len(), 2);
    assert!(imported.report.is_lossy());
}

#[test]
fn what_is_carried_over_whole_is_not_lossy() {
    let text = small(
        "{keywords: [{name: k, operator: OR, keywords: [a]}]}",
        "[{name: d, priority: 1, rules: {type: keyword, name: k}, modelRefs: [{model: m, use_reasoning: false}]}]",
    );
    let imported = import(&text);
    assert!(!imported.report.is_lossy(), "{}", imported.policy);
}

#[test]
fn unknown_keys_are_listed_with_their_lines() {
    let text = small("{}", "[]") + "typo: 1\nglobal:\n  services:\n    coffee: {strong: true}\n";
    let dropped = import(&text).report.of(Loss::Dropped);
    let found: Vec<(usize, &str)> = dropped.iter().map(|r| (r.line, r.path.as_str())).collect();
    assert_eq!(found, [(9, "typo"), (12, "global.services.coffee")]);
}

#[test]
fn names_of_models_are_not_automatic() {
    let text = small("{}", "[]").replace("name: m,", "name: auto,");
    let text = text
        .replace("{name: m}", "{name: auto}")
        .replace("default_model: m", "default_model: auto");
    let imported = import(&text);
    assert!(
        imported
            .policy
            .contains("automatic_models: [vllm-sr/auto, MoM]"),
        "{}",
        imported.policy
    );
    check(&imported.policy);
}

#[rstest]
#[case("just text\n", "a mapping is expected", 1)]
#[case("a: [1\n", "not valid YAML", 2)]
#[case("a: 1\nb: 2\n", "neither `routing` nor `providers`", 1)]
#[case("version: v0.2\nrouting: {}\n", "only v0.3", 1)]
#[case("# old\nvllm_endpoints: []\nmodel_config: {}\n", "from before v0.3", 2)]
#[case("config:\n  categories: []\n  decisions: []\n", "from before v0.3", 2)]
#[case(
    "version: v0.3\nproviders:\n  default_model: m\n",
    "from before v0.3",
    3
)]
#[case("version: v0.3\nrouting:\n  models: []\n", "from before v0.3", 3)]
#[case(
    "apiVersion: v1\nkind: ConfigMap\ndata: {}\n",
    "a Kubernetes object",
    2
)]
#[case("version: v0.3\nrouting: {}\n---\na: 1\n", "a second document", 3)]
fn something_else_is_refused_with_its_line(
    #[case] text: &str,
    #[case] message: &str,
    #[case] line: usize,
) {
    let refused = Document::parse("x.yaml", text)
        .and_then(|document| vllm_sr::convert(&document))
        .err()
        .unwrap()
        .to_string();
    assert!(refused.contains(message), "{refused}");
    assert!(refused.contains(&format!("x.yaml:{line}:")), "{refused}");
}
