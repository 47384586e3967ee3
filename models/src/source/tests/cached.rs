use std::collections::BTreeMap;
use std::path::Path;

use hf_hub::{Cache, Repo};

use crate::source::testing::{COMMIT, WEIGHTS, checkpoint, python_cache, safetensors, tag};
use crate::source::{HubOptions, locate, verify};

use super::{at, hub, weights};

type Files = BTreeMap<String, Vec<u8>>;

fn offline(cache: &Path) -> HubOptions {
    HubOptions {
        // Nobody is there: whoever asks fails.
        endpoint: "http://127.0.0.1:1".to_owned(),
        offline: true,
        ..HubOptions::new(cache)
    }
}

#[test]
fn a_cache_of_the_python_tools_works_offline() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    for revision in [None, Some("main"), Some(COMMIT)] {
        let located = locate(&hub(revision), &offline(cache.path())).unwrap();
        assert_eq!(located.revision, COMMIT);
        assert!(located.dir.join("config.json").is_file());
        let sums: Vec<_> = located.files.iter().filter(|f| f.name == WEIGHTS).collect();
        assert_eq!(sums[0].sha256, tag(WEIGHTS, &checkpoint()[WEIGHTS]));
    }
}

#[test]
fn a_reference_of_hf_hub_is_followed_and_a_broken_one_is_not() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let theirs = Cache::new(cache.path().to_owned()).repo(Repo::from(&at(Some("v1/stable"))));
    theirs.create_ref(COMMIT).unwrap();
    let found = locate(&hub(Some("v1/stable")), &offline(cache.path())).unwrap();
    assert_eq!(found.revision, COMMIT);
    for broken in ["", "..", &format!("../snapshots/{COMMIT}")] {
        theirs.create_ref(broken).unwrap();
        let found = locate(&hub(Some("v1/stable")), &offline(cache.path()));
        assert!(found.is_err(), "{broken}");
    }
}

#[test]
fn what_is_not_there_says_what_to_do() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let mut options = offline(cache.path());
    let error = locate(&hub(Some("v2")), &options).unwrap_err().to_string();
    assert!(error.contains("HF_HUB_OFFLINE is set"), "{error}");
    assert!(
        error.contains(&cache.path().display().to_string()),
        "{error}"
    );
    options.offline = false;
    let error = locate(&hub(Some("v2")), &options).unwrap_err().to_string();
    assert!(
        error.contains("Run `commutator models pull hub:org/guard@v2`"),
        "{error}"
    );
}

#[test]
fn a_cache_with_only_a_part_of_a_model_is_refused() {
    for missing in ["config.json", "tokenizer.json", WEIGHTS] {
        let cache = tempfile::tempdir().unwrap();
        let mut files = checkpoint();
        files.remove(missing);
        files.remove("pytorch_model.bin");
        python_cache(cache.path(), "main", &files);
        let error = locate(&hub(None), &offline(cache.path()))
            .unwrap_err()
            .to_string();
        let word = missing.split('.').next_back().unwrap();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn a_link_without_its_blob_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    std::fs::remove_file(weights(cache.path())).unwrap();
    let error = locate(&hub(None), &offline(cache.path()))
        .unwrap_err()
        .to_string();
    assert!(error.contains(WEIGHTS), "{error}");
}

#[test]
fn half_a_file_does_not_count_as_whole() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let blob = weights(cache.path());
    let content = std::fs::read(&blob).unwrap();
    for length in [0, 5, 20, content.len() - 1] {
        std::fs::write(&blob, &content[..length]).unwrap();
        let error = locate(&hub(None), &offline(cache.path()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("cut short"), "{length}: {error}");
    }
    std::fs::write(&blob, [content.as_slice(), b"more"].concat()).unwrap();
    let error = locate(&hub(None), &offline(cache.path()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn a_small_file_that_was_changed_is_refused_at_once_and_a_large_one_by_verify() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let options = offline(cache.path());
    let report = verify(&hub(None), &options, None);
    assert_eq!(report.problems, [""; 0]);
    assert_eq!((report.files, report.compared), (4, 4));

    let blob = weights(cache.path());
    let mut content = std::fs::read(&blob).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, content).unwrap();
    let report = verify(&hub(None), &options, None);
    assert_eq!(report.problems.len(), 1);
    assert!(report.problems[0].contains("model.safetensors: its checksum is wrong"));

    let config = locate(&hub(None), &options)
        .unwrap()
        .dir
        .join("config.json");
    std::fs::write(config.canonicalize().unwrap(), "{}").unwrap();
    let error = locate(&hub(None), &options).unwrap_err().to_string();
    assert!(
        error.contains("config.json: its checksum is wrong"),
        "{error}"
    );
    assert_eq!(verify(&hub(None), &options, None).problems.len(), 2);
}

#[test]
fn the_content_hash_changes_with_the_weights_and_not_with_the_card() {
    let content = |change: &dyn Fn(&mut Files)| {
        let cache = tempfile::tempdir().unwrap();
        let mut files = checkpoint();
        change(&mut files);
        python_cache(cache.path(), "main", &files);
        locate(&hub(None), &offline(cache.path())).unwrap().content
    };
    let same = content(&|_| {});
    assert_eq!(same, content(&|_| {}));
    assert_eq!(
        same,
        content(&|files| {
            files.insert("README.md".to_owned(), b"# Other".to_vec());
        })
    );
    assert_ne!(
        same,
        content(&|files| {
            files.insert(WEIGHTS.to_owned(), safetensors(&[1, 2, 4]));
        })
    );
    assert_ne!(
        same,
        content(&|files| {
            files.insert("tokenizer.json".to_owned(), b"{ }".to_vec());
        })
    );
}

#[test]
fn a_reference_that_leads_elsewhere_is_not_followed() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let reference = cache.path().join("models--org--guard/refs/main");
    std::fs::write(reference, "../../../etc").unwrap();
    assert!(locate(&hub(None), &offline(cache.path())).is_err());
}
