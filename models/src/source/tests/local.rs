use std::path::{Path, PathBuf};

use crate::source::bundle::default_places;
use crate::source::testing::{WEIGHTS, bundle, checkpoint, safetensors};
use crate::source::{HubOptions, Layout, Source, find_bundle, locate, verify};

fn options(bundle: &Path) -> HubOptions {
    HubOptions {
        bundle: Some(bundle.to_owned()),
        ..HubOptions::new("/nowhere")
    }
}

fn source(text: &str) -> Source {
    text.parse().unwrap()
}

/// Writes the small checkpoint's files.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in checkpoint() {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    dir
}

#[test]
fn the_bundle_is_found_with_its_heads() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path());
    let located = locate(&source("bundle:domain"), &options(dir.path())).unwrap();
    assert_eq!(located.revision, "feedfacecafe");
    assert_eq!(located.layout, Layout::Bundle);
    assert_eq!(located.files.len(), 2);
    assert_eq!(
        located.content,
        locate(&source("bundle"), &options(dir.path()))
            .unwrap()
            .content
    );
    let error = locate(&source("bundle:domian"), &options(dir.path())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no head `domian`; it has `domain`, `embedding`")
    );
}

#[test]
fn a_bundle_that_differs_from_its_manifest_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path());
    let weights = dir.path().join("shared.safetensors");
    let refused = |word: &str| {
        let error = locate(&source("bundle"), &options(dir.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
        let report = verify(&source("bundle"), &options(dir.path()), None);
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert!(report.problems[0].contains(word), "{report:?}");
    };
    std::fs::write(&weights, safetensors(&[1, 2, 4])).unwrap();
    refused("shared.safetensors: its checksum is wrong");
    std::fs::write(&weights, safetensors(&[1, 2])).unwrap();
    refused("shared.safetensors: has ");
    std::fs::remove_file(&weights).unwrap();
    refused("shared.safetensors: is missing");
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (manifest, word) in [
        (
            r#"{"format": 2, "revision": "x", "files": {}}"#,
            "its format is 2",
        ),
        (r#"{"format": 1, "files": {}}"#, "revision"),
        (
            r#"{"format": 1, "revision": "x", "files": {"../x": {"sha256": "", "bytes": 0}}}"#,
            "leads out of the bundle",
        ),
    ] {
        std::fs::write(dir.path().join("manifest.json"), manifest).unwrap();
        let error = locate(&source("bundle"), &options(dir.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_bundle_that_was_named_is_looked_for_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let error = find_bundle(Some(dir.path())).unwrap_err().to_string();
    assert!(error.contains(&dir.path().display().to_string()), "{error}");
    assert!(error.contains("COMMUTATOR_BUNDLE"), "{error}");
    assert!(!error.contains("share"), "{error}");
}

#[test]
fn the_bundle_is_looked_for_beside_the_binary_first() {
    let places = default_places(Some(Path::new("/opt/commutator/bin/commutator")));
    let expected = [
        PathBuf::from("/opt/commutator/share/commutator/bundle"),
        PathBuf::from("/opt/commutator/bin/bundle"),
    ];
    assert_eq!(places[..2], expected);
    assert_eq!(places.len(), 3);
}

#[test]
fn a_directory_is_known_by_its_content() {
    let dir = directory();
    let named = Source::Dir(dir.path().to_owned());
    let before = locate(&named, &options(Path::new("/nowhere"))).unwrap();
    assert_eq!(before.layout, Layout::Checkpoint);
    assert!(before.content.starts_with(&before.revision));
    assert_eq!(
        before.bytes(),
        before.files.iter().map(|f| f.bytes).sum::<u64>()
    );
    std::fs::write(dir.path().join(WEIGHTS), safetensors(&[7])).unwrap();
    let after = locate(&named, &options(Path::new("/nowhere"))).unwrap();
    assert_ne!(before.content, after.content);
    assert_ne!(before.revision, after.revision);
}

#[test]
fn a_directory_may_hold_a_bundle_of_ones_own() {
    let dir = tempfile::tempdir().unwrap();
    bundle(dir.path());
    let located = locate(
        &Source::Dir(dir.path().to_owned()),
        &options(Path::new("/nowhere")),
    );
    assert_eq!(located.unwrap().layout, Layout::Bundle);
}

#[test]
fn a_directory_that_lacks_something_says_what() {
    let dir = directory();
    let named = Source::Dir(dir.path().to_owned());
    std::fs::remove_file(dir.path().join(WEIGHTS)).unwrap();
    std::fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    let error = locate(&named, &options(Path::new("/nowhere")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("tokenizer.json: is missing"), "{error}");
    assert!(error.contains("pytorch_model.bin is a pickle"), "{error}");
    let gone = Source::Dir(dir.path().join("gone"));
    let error = locate(&gone, &options(Path::new("/nowhere")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no directory"), "{error}");
}
