use std::path::Path;
use std::sync::Mutex;

use hf_hub::{Cache, Repo};

use crate::source::testing::{
    COMMIT, FakeHub, Manners, WEIGHTS, checkpoint, python_cache, safetensors, sha256,
};
use crate::source::{Download, Progress, Silent, locate, obtain, pull, verify};

use super::{at, hub, weights};

/// Names in a directory of the cache.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, files: usize, bytes: u64) {
        self.0
            .lock()
            .unwrap()
            .push(format!("begin {files} {bytes}"));
    }
    fn position(&self, done: u64) {
        self.0.lock().unwrap().push(format!("at {done}"));
    }
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn end(&self) {
        self.0.lock().unwrap().push("end".to_owned());
    }
}

#[tokio::test]
async fn a_branch_is_pulled_into_the_layout_of_the_python_tools() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let heard = Heard::default();
    let located = pull(&at(None), &options, &heard).await.unwrap();

    assert_eq!(located.revision, COMMIT);
    let parts: Vec<&str> = located.files.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(
        parts,
        [
            "1_Pooling/config.json",
            "config.json",
            WEIGHTS,
            "tokenizer.json"
        ]
    );
    let folder = cache.path().join("models--org--guard");
    assert_eq!(
        std::fs::read_to_string(folder.join("refs/main")).unwrap(),
        COMMIT
    );
    let snapshot = folder.join("snapshots").join(COMMIT);
    assert_eq!(located.dir, snapshot);
    assert_eq!(
        std::fs::read_link(snapshot.join(WEIGHTS)).unwrap(),
        Path::new("../../blobs").join(sha256(&checkpoint()[WEIGHTS]))
    );
    for (name, content) in checkpoint() {
        let wanted = !name.ends_with(".bin") && !name.ends_with(".onnx");
        assert_eq!(
            std::fs::read(snapshot.join(&name)).ok(),
            wanted.then_some(content),
            "{name}"
        );
    }
    let bytes: usize = checkpoint()
        .iter()
        .filter(|(name, _)| snapshot.join(name).exists())
        .map(|(_, content)| content.len())
        .sum();
    let heard = heard.0.into_inner().unwrap();
    assert_eq!(heard.first(), Some(&format!("begin 5 {bytes}")));
    assert_eq!(
        heard[heard.len() - 2..],
        [format!("at {bytes}"), "end".to_owned()]
    );
    assert_eq!(located, locate(&hub(None), &options).unwrap());
}

#[tokio::test]
async fn hf_hub_finds_what_was_pulled() {
    for revision in [None, Some("v1/stable")] {
        let cache = tempfile::tempdir().unwrap();
        let server = FakeHub::new(Manners::default());
        let model = at(revision);
        pull(&model, &server.options(cache.path()), &Silent)
            .await
            .unwrap();
        let theirs = Cache::new(cache.path().to_owned()).repo(Repo::from(&model));
        for name in [WEIGHTS, "1_Pooling/config.json"] {
            let found = theirs.get(name).unwrap();
            assert_eq!(std::fs::read(found).unwrap(), checkpoint()[name], "{name}");
        }
        assert_eq!(theirs.get("pytorch_model.bin"), None);
    }
}

#[tokio::test]
async fn the_token_is_sent_as_bearer_and_to_the_hub_only() {
    let cache = tempfile::tempdir().unwrap();
    let storage = FakeHub::new(Manners::default());
    let server = FakeHub::new(Manners {
        storage: Some(storage.address),
        ..Manners::default()
    });
    pull(&at(None), &server.options(cache.path()), &Silent)
        .await
        .unwrap();
    let seen = server.seen();
    assert!(seen.len() > 4);
    for seen in seen {
        assert_eq!(seen.token.as_deref(), Some("Bearer hf_secret"), "{seen:?}");
    }
    assert_eq!(storage.weight_requests().len(), 1);
    assert_eq!(storage.weight_requests()[0].token, None);
}

#[tokio::test]
async fn a_pinned_commit_that_is_there_is_not_asked_for_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let located = pull(&at(Some(COMMIT)), &options, &Silent).await.unwrap();
    assert_eq!(located.revision, COMMIT);
    assert!(!cache.path().join("models--org--guard/refs").exists());
    let before = server.seen().len();
    let again = pull(&at(Some(COMMIT)), &options, &Silent).await.unwrap();
    assert_eq!(again, located);
    assert_eq!(server.seen().len(), before);
}

#[tokio::test]
async fn a_tag_with_a_slash_is_one_segment_of_the_path() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let model = at(Some("v1/stable"));
    pull(&model, &options, &Silent).await.unwrap();
    let reference = cache.path().join("models--org--guard/refs/v1/stable");
    assert_eq!(std::fs::read_to_string(reference).unwrap(), COMMIT);
}

#[tokio::test]
async fn a_second_pull_of_a_branch_fetches_no_file_again() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    pull(&at(None), &options, &Silent).await.unwrap();
    assert_eq!(server.seen().len(), 1, "{:?}", server.seen());
}

#[tokio::test]
async fn a_mirror_that_lists_names_only_is_asked_for_each_file() {
    let cache = tempfile::tempdir().unwrap();
    let storage = FakeHub::new(Manners::default());
    let server = FakeHub::new(Manners {
        bare: true,
        storage: Some(storage.address),
        ..Manners::default()
    });
    let options = server.options(cache.path());
    pull(&at(None), &options, &Silent).await.unwrap();
    let heads = server.seen();
    assert_eq!(
        heads.iter().filter(|s| s.line.starts_with("HEAD")).count(),
        5
    );
    assert!(verify(&hub(None), &options, None).problems.is_empty());
    // The metadata of a file is the hub's word, not the storage's.
    assert!(storage.seen().iter().all(|s| s.line.starts_with("GET")));
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners {
        cut: Some((3, 10_000)),
        ..Manners::default()
    });
    let options = server.options(cache.path());
    pull(&at(None), &options, &Silent).await.unwrap();
    let ranges: Vec<_> = server
        .weight_requests()
        .into_iter()
        .map(|s| s.range)
        .collect();
    let expected = [
        None,
        Some("bytes=10000-"),
        Some("bytes=20000-"),
        Some("bytes=30000-"),
    ];
    assert_eq!(ranges, expected.map(|range| range.map(str::to_owned)));
    assert_eq!(
        std::fs::read(weights(cache.path())).unwrap(),
        checkpoint()[WEIGHTS]
    );
}

#[tokio::test]
async fn a_download_that_was_given_up_never_counts_and_is_resumed_by_the_next() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners {
        cut: Some((1, 10_000)),
        ..Manners::default()
    });
    let mut options = server.options(cache.path());
    options.attempts = 1;
    let error = pull(&at(None), &options, &Silent).await.unwrap_err();
    assert!(
        error.to_string().contains("what was downloaded is kept"),
        "{error}"
    );

    let folder = cache.path().join("models--org--guard");
    assert!(!folder.join("snapshots").exists());
    assert!(!folder.join("refs").exists());
    let blob = sha256(&checkpoint()[WEIGHTS]);
    assert!(!folder.join("blobs").join(&blob).exists());
    assert!(names(&folder.join("blobs")).contains(&format!("{blob}.incomplete")));
    assert!(locate(&hub(None), &options).is_err());

    pull(&at(None), &options, &Silent).await.unwrap();
    let last = server.weight_requests().pop().unwrap();
    assert_eq!(last.range.as_deref(), Some("bytes=10000-"));
    assert!(
        !names(&folder.join("blobs"))
            .iter()
            .any(|n| n.ends_with(".incomplete"))
    );
    assert_eq!(
        std::fs::read(weights(cache.path())).unwrap(),
        checkpoint()[WEIGHTS]
    );
}

/// Puts `content` where an earlier download of the weights left off.
fn leave_partial(cache: &Path, content: &[u8]) {
    let blobs = cache.join("models--org--guard/blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let name = format!("{}.incomplete", sha256(&checkpoint()[WEIGHTS]));
    std::fs::write(blobs.join(name), content).unwrap();
}

#[tokio::test]
async fn damaged_leftovers_are_thrown_away() {
    let whole = checkpoint()[WEIGHTS].len();
    for leftover in [vec![9; 5_000], vec![9; whole], vec![9; whole + 5]] {
        for no_ranges in [false, true] {
            let cache = tempfile::tempdir().unwrap();
            leave_partial(cache.path(), &leftover);
            let server = FakeHub::new(Manners {
                no_ranges,
                ..Manners::default()
            });
            pull(&at(None), &server.options(cache.path()), &Silent)
                .await
                .unwrap();
            let got = std::fs::read(weights(cache.path())).unwrap();
            assert!(
                got == checkpoint()[WEIGHTS],
                "{} {no_ranges}",
                leftover.len()
            );
        }
    }
}

#[tokio::test]
async fn a_damaged_copy_in_the_cache_is_replaced() {
    let cache = tempfile::tempdir().unwrap();
    python_cache(cache.path(), "main", &checkpoint());
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let blob = weights(cache.path());
    let mut content = std::fs::read(&blob).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, content).unwrap();
    assert_eq!(verify(&hub(None), &options, None).problems.len(), 1);

    pull(&at(Some(COMMIT)), &options, &Silent).await.unwrap();
    assert_eq!(verify(&hub(None), &options, None).problems, [""; 0]);
    assert_eq!(server.weight_requests().len(), 1);
}

#[tokio::test]
async fn wrong_content_is_refused_and_removed() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners {
        lies: true,
        ..Manners::default()
    });
    let options = server.options(cache.path());
    let error = pull(&at(None), &options, &Silent)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("another checksum"), "{error}");
    assert!(error.contains(WEIGHTS), "{error}");
    let folder = cache.path().join("models--org--guard");
    let blob = sha256(&checkpoint()[WEIGHTS]);
    assert!(
        names(&folder.join("blobs"))
            .iter()
            .all(|name| !name.starts_with(&blob))
    );
    assert!(locate(&hub(None), &options).is_err());
    assert_eq!(
        server.weight_requests().len(),
        1,
        "not a thing to try again"
    );
}

#[tokio::test]
async fn a_hub_that_fails_at_first_is_asked_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners {
        failures: 2,
        ..Manners::default()
    });
    let heard = Heard::default();
    pull(&at(None), &server.options(cache.path()), &heard)
        .await
        .unwrap();
    let notes = heard.0.into_inner().unwrap();
    assert_eq!(
        notes.iter().filter(|n| n.contains("answered 500")).count(),
        2
    );
}

#[tokio::test]
async fn two_pulls_at_once_do_not_disturb_each_other() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let model = at(None);
    let (one, two) = tokio::join!(
        pull(&model, &options, &Silent),
        pull(&model, &options, &Silent)
    );
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(server.weight_requests().len(), 1);
    assert_eq!(verify(&hub(None), &options, None).problems, [""; 0]);
}

#[tokio::test]
async fn start_up_downloads_only_where_it_may() {
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::new(Manners::default());
    let options = server.options(cache.path());
    let never = obtain(&hub(None), &options, Download::Never, &Silent).await;
    assert!(
        never
            .unwrap_err()
            .to_string()
            .contains("commutator models pull")
    );
    assert!(server.seen().is_empty());
    let located = obtain(&hub(None), &options, Download::OnStart, &Silent)
        .await
        .unwrap();
    assert_eq!(located.revision, COMMIT);
    let before = server.seen().len();
    obtain(&hub(None), &options, Download::OnStart, &Silent)
        .await
        .unwrap();
    assert_eq!(
        server.seen().len(),
        before,
        "what is there is not asked for"
    );
}

#[tokio::test]
async fn a_model_in_shards_comes_with_all_of_them() {
    let mut files = checkpoint();
    files.remove(WEIGHTS);
    let shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ];
    for (i, shard) in (1..).zip(shards) {
        files.insert(shard.to_owned(), safetensors(&[i, i, i]));
    }
    let index = serde_json::json!({"weight_map": {"a": shards[0], "b": shards[1]}});
    files.insert(
        "model.safetensors.index.json".to_owned(),
        index.to_string().into_bytes(),
    );
    let cache = tempfile::tempdir().unwrap();
    let server = FakeHub::with(files, Manners::default());
    let options = server.options(cache.path());
    let located = pull(&at(None), &options, &Silent).await.unwrap();
    assert_eq!(located.files.len(), 6);

    std::fs::remove_file(located.dir.join(shards[1])).unwrap();
    let error = locate(&hub(None), &options).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{}: is missing", shards[1])),
        "{error}"
    );
}
