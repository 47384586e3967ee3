use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::source::bundle::default_places;
use crate::source::testing::{
    WEIGHTS, bundle, bundle_with_member, checkpoint, safetensors, sha256,
};
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
fn a_head_may_stand_on_an_encoder_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    bundle_with_member(dir.path());
    let whole = locate(&source("bundle:guard"), &options(dir.path())).unwrap();
    assert_eq!(whole.files.len(), 5);
    let rest = whole.of_head("domain");
    let names: Vec<&str> = rest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["shared.safetensors", "tokenizer.json"]);
    assert_ne!(rest.content, whole.content);
    let own = whole.of_head("guard");
    assert_eq!(own.dir, dir.path().join("own"));
    assert_eq!(
        (own.files.len(), own.files[0].name.as_str()),
        (3, "manifest.json")
    );
    assert_eq!(
        (own.name(), whole.name()),
        ("bundle:guard/own".to_owned(), "bundle:guard".to_owned())
    );
    assert_ne!(own.content, whole.content);
    assert_eq!(whole.each(), [rest, own.clone()]);
    // What is there and not as the manifest says is refused.
    let manifest = dir.path().join("own/manifest.json");
    let text = std::fs::read_to_string(&manifest)
        .unwrap()
        .replace("law", "lore");
    std::fs::write(&manifest, &text).unwrap();
    let refused = locate(&source("bundle"), &options(dir.path())).unwrap_err();
    assert!(
        refused.to_string().contains("own/manifest.json: "),
        "{refused}"
    );
}

/// What was measured with the others, and the vectors of examples that are kept over a reload, outlive a new guard.
#[test]
fn a_new_member_changes_nothing_for_the_others() {
    let dir = tempfile::tempdir().unwrap();
    bundle_with_member(dir.path());
    let contents = || {
        let found = locate(&source("bundle"), &options(dir.path())).unwrap();
        ["domain", "guard", ""].map(|head| match head {
            "" => found.content.clone(),
            head => found.of_head(head).content,
        })
    };
    let edit = |pointer: &str, with: &str| {
        let path = dir.path().join("manifest.json");
        let text = std::fs::read(&path).unwrap();
        let mut manifest: Value = serde_json::from_slice(&text).unwrap();
        *manifest.pointer_mut(pointer).unwrap() = with.into();
        std::fs::write(path, manifest.to_string()).unwrap();
    };
    let before = contents();
    let weights = safetensors(&[4, 5, 6]);
    std::fs::write(dir.path().join("own/shared.safetensors"), &weights).unwrap();
    edit("/files/own~1shared.safetensors/sha256", &sha256(&weights));
    edit("/revision", "cafefeedface");
    let guard = contents();
    assert_eq!(guard[0], before[0]);
    assert_ne!(guard[1], before[1]);
    assert_ne!(guard[2], before[2]);
    // The manifest's own settings are part of the model that they are for.
    edit("/heads/0/labels/1", "maths");
    let settings = contents();
    assert_ne!(settings[0], guard[0]);
    assert_eq!(settings[1], guard[1]);
    assert_ne!(settings[2], guard[2]);
}

#[test]
fn members_that_are_not_there_are_named() {
    for (head, folder, word) in [
        (
            "guard",
            "../own",
            "the member `../own` leads out of the bundle",
        ),
        ("guard", "", "the member `` leads out of the bundle"),
        ("ward", "own", "the member `own` has no head `ward`"),
        ("guard", "none", "none/manifest.json"),
        (
            "guard",
            "own/",
            "`files` does not list own//shared.safetensors",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        bundle_with_member(dir.path());
        let path = dir.path().join("manifest.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(r#"{"guard":"own"}"#, &format!(r#"{{"{head}":"{folder}"}}"#));
        std::fs::write(&path, text).unwrap();
        let error = locate(&source("bundle"), &options(dir.path())).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
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
