use serde_json::json;

use crate::source::testing::{COMMIT, WEIGHTS, bundle, checkpoint, python_cache};
use crate::source::{HubOptions, list};

#[test]
fn the_bundle_and_the_cache_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    bundle(&dir.path().join("bundle"));
    python_cache(&dir.path().join("hub"), "main", &checkpoint());
    let options = HubOptions {
        bundle: Some(dir.path().join("bundle")),
        ..HubOptions::new(dir.path().join("hub"))
    };
    let held = list(&options);
    assert_eq!(held.len(), 2);
    assert_eq!(held[0].source.to_string(), "bundle");
    assert_eq!(held[0].description.tasks[0].labels, ["law", "math"]);
    assert_eq!(held[0].description.tasks[1].task, "embedding");

    let guard = &held[1];
    assert_eq!(guard.source.to_string(), "hub:org/guard");
    assert_eq!(
        (guard.revision.as_str(), guard.refs.as_slice()),
        (COMMIT, &["main".to_owned()][..])
    );
    assert_eq!(guard.description.license.as_deref(), Some("apache-2.0"));
    assert_eq!(guard.description.tasks[0].task, "sequence");
    assert_eq!(guard.description.tasks[0].labels, ["benign", "jailbreak"]);
    assert!(guard.bytes > 50_000);
    assert!(guard.problems.is_empty());
}

#[test]
fn labels_come_from_the_mapping_file_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = checkpoint();
    let mapping = json!({
        "category_to_idx": {"law": 0, "biology": 10, "math": 2},
        "idx_to_category": {"10": "biology", "0": "law", "2": "math"}
    });
    files.insert(
        "category_mapping.json".to_owned(),
        mapping.to_string().into_bytes(),
    );
    python_cache(dir.path(), "main", &files);
    let options = HubOptions {
        bundle: Some(dir.path().join("none")),
        ..HubOptions::new(dir.path())
    };
    assert_eq!(
        list(&options)[0].description.tasks[0].labels,
        ["law", "math", "biology"]
    );
}

#[test]
fn what_cannot_be_loaded_is_listed_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = checkpoint();
    files.remove(WEIGHTS);
    python_cache(dir.path(), "main", &files);
    let options = HubOptions {
        bundle: Some(dir.path().join("none")),
        ..HubOptions::new(dir.path())
    };
    assert!(list(&options)[0].problems[0].contains("no weights"));
}

#[test]
fn a_machine_with_nothing_lists_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = HubOptions {
        bundle: Some(dir.path().join("none")),
        ..HubOptions::new(dir.path().join("none"))
    };
    assert!(list(&options).is_empty());
}
