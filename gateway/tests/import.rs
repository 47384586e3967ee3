//! `commutator import vllm-sr` on the values of a Helm chart for Dynamo: the real binary.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/import")
        .join(name)
}

fn commutator(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_commutator"))
        .args(arguments)
        .env("UPSTREAM_KEY", "a-key-of-the-environment")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_policy_goes_to_standard_output_and_the_losses_to_standard_error() {
    let file = fixture("helm-values.yaml");
    let output = commutator(&["import", "vllm-sr", file.to_str().unwrap()]);
    assert!(output.status.success());
    let golden = std::fs::read_to_string(fixture("helm-values.policy.yaml")).unwrap();
    assert_eq!(text(&output.stdout), golden);
    let listed = text(&output.stderr);
    assert!(listed.contains("No counterpart, left out (2):"), "{listed}");
    let place =
        "helm-values.yaml:69: config.routing.decisions[3].plugins[0]: plugin `response_cache`";
    assert!(listed.contains(place), "{listed}");
}

#[test]
fn an_imported_policy_passes_the_check_and_decides() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.yaml");
    let bootstrap = directory.path().join("gateway.yaml");
    std::fs::write(&bootstrap, "policy: policy.yaml\n").unwrap();
    let (policy, bootstrap) = (policy.to_str().unwrap(), bootstrap.to_str().unwrap());
    let file = fixture("fleet.yaml");
    let import = ["import", "vllm-sr", file.to_str().unwrap(), "--out", policy];

    let first = commutator(&import);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert!(first.stdout.is_empty());
    let written = std::fs::read_to_string(policy).unwrap();
    assert!(!written.contains("a-key-of-the-environment"));

    let checked = commutator(&["check", "--config", bootstrap]);
    let said = text(&checked.stdout);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(
        said.contains("policy.yaml: ok (4 clusters, 6 models, 5 decisions)"),
        "{said}"
    );

    let explained = commutator(&[
        "explain",
        "--policy",
        policy,
        "--model",
        "auto",
        "please debug this",
    ]);
    let trace = text(&explained.stdout);
    assert!(explained.status.success(), "{}", text(&explained.stderr));
    assert!(trace.contains("second"), "{trace}");

    let again = commutator(&import);
    assert!(!again.status.success());
    assert!(
        text(&again.stderr).contains("--force"),
        "{}",
        text(&again.stderr)
    );
    let forced = commutator(&[&import[..], &["--force"]].concat());
    assert!(forced.status.success(), "{}", text(&forced.stderr));
}

#[test]
fn strict_writes_nothing_where_something_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.yaml");
    let file = fixture("fleet.yaml");
    let arguments = [
        "import",
        "vllm-sr",
        file.to_str().unwrap(),
        "--strict",
        "--out",
    ];
    let output = commutator(&[&arguments[..], &[policy.to_str().unwrap()]].concat());
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("--strict"));
    assert!(!policy.exists());
}

#[test]
fn what_is_no_configuration_is_refused_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("old.yaml");
    std::fs::write(&file, "# from 2025\nvllm_endpoints:\n  - name: a\n").unwrap();
    let output = commutator(&["import", "vllm-sr", file.to_str().unwrap()]);
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let said = text(&output.stderr);
    assert!(
        said.contains("old.yaml:2:") && said.contains("config migrate"),
        "{said}"
    );
}
