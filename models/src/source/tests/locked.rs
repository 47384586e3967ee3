use std::path::Path;

use crate::source::testing::{COMMIT, WEIGHTS, checkpoint, python_cache, safetensors};
use crate::source::{HubOptions, LockFile, Source, locate, verify};

use super::hub;

#[test]
fn a_lock_file_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    python_cache(dir.path(), "main", &checkpoint());
    let located = locate(&hub(None), &HubOptions::new(dir.path())).unwrap();
    let path = dir.path().join("models.lock");
    let mut lock = LockFile::read_or_new(&path).unwrap();
    lock.insert(&located);
    lock.write(&path).unwrap();
    assert_eq!(LockFile::read(&path).unwrap(), lock);
    assert_eq!(lock.sources().unwrap(), [hub(None)]);
    let locked = &lock.models["hub:org/guard"];
    assert_eq!(locked.revision, COMMIT);
    assert_eq!(
        locked.files[WEIGHTS].bytes,
        checkpoint()[WEIGHTS].len() as u64
    );
}

#[test]
fn a_file_that_is_no_lock_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("models.lock");
    assert!(LockFile::read(&path).is_err());
    for text in [
        "",
        "{}",
        r#"{"format": 2, "models": {}}"#,
        r#"{"format": 1, "model": {}}"#,
    ] {
        std::fs::write(&path, text).unwrap();
        let error = LockFile::read_or_new(&path).unwrap_err().to_string();
        assert!(error.contains("models.lock"), "{error}");
    }
}

#[test]
fn verify_says_what_differs_from_the_lock_file() {
    let options = HubOptions::new("/nowhere");
    let dir = tempfile::tempdir().unwrap();
    let write =
        |name: &str, content: &[u8]| std::fs::write(dir.path().join(name), content).unwrap();
    write("config.json", b"{}");
    write("tokenizer.json", b"{}");
    write(WEIGHTS, &safetensors(&[1]));
    write("modules.json", b"[]");
    let source = Source::Dir(Path::new(dir.path()).to_owned());
    let mut lock = LockFile::default();
    lock.insert(&locate(&source, &options).unwrap());
    let report = verify(&source, &options, Some(&lock));
    assert_eq!(report.problems, [""; 0]);
    assert_eq!(
        report.compared, 4,
        "without a lock file there is nothing to compare with"
    );
    assert_eq!(verify(&source, &options, None).compared, 0);
    let unknown = verify(&source, &options, Some(&LockFile::default())).problems;
    assert!(unknown[0].contains("not in the lock file"), "{unknown:?}");

    write(WEIGHTS, &safetensors(&[2]));
    write("category_mapping.json", b"{}");
    std::fs::remove_file(dir.path().join("modules.json")).unwrap();
    let problems = verify(&source, &options, Some(&lock)).problems.join("\n");
    for word in [
        "its revision is",
        "model.safetensors: its SHA-256 is",
        "modules.json: is missing; the lock file names it",
        "category_mapping.json: is not in the lock file",
    ] {
        assert!(problems.contains(word), "{problems}");
    }
}
