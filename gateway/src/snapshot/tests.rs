#![allow(clippy::unwrap_used)]

use super::*;
use std::path::PathBuf;

const MISTAKEN: &str = "\
version: 1
clusters:
  - name: a
    endpoints: {static: [\"127.0.0.1:1\"]}
    balanc: random
models:
  - {name: m, cluster: b}
default_model: x
decisions:
  - name: d
    prioritty: 3
    when: {keyword: nope}
    models: [{name: m}]
";

fn read(text: &str) -> Result<Checked, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    Checked::read(&path)
}

/// Misspelt keys and names that refer to nothing, in one report and in the file's order.
#[test]
fn mistakes_of_form_and_of_meaning_come_together() {
    let errors = read(MISTAKEN).unwrap_err();
    let found: Vec<(usize, String)> = errors
        .iter()
        .map(|e| (e.line.unwrap(), e.message.clone()))
        .collect();
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [5, 7, 8, 11, 12], "{found:#?}");
    assert!(found[0].1.contains("balanc") && found[1].1.contains('b'));
}

#[test]
fn the_examples_have_neither_mistakes_nor_warnings() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = std::fs::read_dir(root.join("conf/examples")).unwrap();
    let mut all: Vec<PathBuf> = examples.map(|entry| entry.unwrap().path()).collect();
    all.push(root.join("conf/policy.yaml"));
    assert!(all.len() >= 2);
    for path in all {
        let checked = Checked::read(&path).unwrap();
        let warnings = checked.warnings();
        assert!(warnings.is_empty(), "{}: {warnings:?}", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert_eq!(checked.needs_models(), name != "without-models", "{name}");
    }
}
