//! `commutator models` as an operator runs it, against a hub on this machine.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const CONFIG: &str = r#"{"architectures":["BertForSequenceClassification"],"id2label":{"0":"benign","1":"jailbreak"}}"#;

/// The model's files with the checksums that the hub says: git's for small ones, SHA-256 for weights.
fn files() -> [(&'static str, Vec<u8>, &'static str); 3] {
    let header = br#"{"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}   "#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend_from_slice(header);
    weights.extend_from_slice(&[1, 2, 3, 4]);
    [
        (
            "config.json",
            CONFIG.into(),
            "1b74ae1125e750e7ddc961ba8794338d0259881d",
        ),
        (
            "tokenizer.json",
            b"{}".to_vec(),
            "9e26dfeeb6e641a33dae4961196235bdb965b21b",
        ),
        (
            "model.safetensors",
            weights,
            "0767a9a7dc2267328ab393e53fc0e577d12959a3f588d3345d923281443b4e9a",
        ),
    ]
}

/// Serves one model to whoever sends the right token; gives its address.
fn hub() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let path = lines[0].split(' ').nth(1).unwrap();
            let allowed = lines
                .iter()
                .any(|line| line == "authorization: Bearer hf_test");
            let (status, body) = if allowed {
                answer(path)
            } else {
                (401, Vec::new())
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.into_bytes(), body].concat());
        }
    });
    format!("http://{address}")
}

fn answer(path: &str) -> (u16, Vec<u8>) {
    if path == "/api/models/org/guard/revision/main?blobs=true" {
        let siblings: Vec<Value> = files()
            .iter()
            .map(|(name, content, sum)| match sum.len() {
                64 => json!({"rfilename": name, "lfs": {"sha256": sum, "size": content.len()}}),
                _ => json!({"rfilename": name, "size": content.len(), "blobId": sum}),
            })
            .collect();
        let info = json!({"sha": COMMIT, "siblings": siblings});
        return (200, info.to_string().into_bytes());
    }
    let name = path.strip_prefix(&format!("/org/guard/resolve/{COMMIT}/"));
    files()
        .into_iter()
        .find(|(known, _, _)| Some(*known) == name)
        .map_or((404, Vec::new()), |(_, content, _)| (200, content))
}

/// Runs `commutator models` with an environment of its own.
fn models(home: &Path, endpoint: &str, arguments: &[&str], more: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_commutator"))
        .arg("models")
        .args(arguments)
        .env_clear()
        .env("HF_HOME", home)
        .env("HF_ENDPOINT", endpoint)
        .env("HF_TOKEN", "hf_test")
        .env("COMMUTATOR_BUNDLE", home.join("no-bundle"))
        .envs(more.iter().copied())
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_model_is_pulled_listed_and_verified() {
    let home = tempfile::tempdir().unwrap();
    let endpoint = hub();
    let run = |arguments: &[&str]| models(home.path(), &endpoint, arguments, &[]);

    let empty = run(&["verify", "--all"]);
    assert_eq!(
        empty.status.code(),
        Some(1),
        "nothing to verify is no success"
    );

    let lock = home.path().join("models.lock");
    let lock = lock.to_str().unwrap();
    let pulled = run(&["pull", "org/guard", "--lock", lock]);
    assert!(pulled.status.success(), "{}", err(&pulled));
    assert!(out(&pulled).contains(&format!("hub:org/guard: revision {COMMIT}, 3 files")));
    assert!(
        err(&pulled).contains("model.safetensors (68 B)"),
        "{}",
        err(&pulled)
    );

    let held: Value = serde_json::from_str(&out(&run(&["list", "--json"]))).unwrap();
    assert_eq!(held[0]["source"], "hub:org/guard");
    assert_eq!(held[0]["revision"], COMMIT);
    assert_eq!(
        held[0]["tasks"][0]["labels"],
        json!(["benign", "jailbreak"])
    );
    let table = out(&run(&["list"]));
    assert!(
        table.contains("hub:org/guard  0123456789ab (main)"),
        "{table}"
    );

    for arguments in [
        &["verify"][..],
        &["verify", "--all"],
        &["verify", "org/guard"],
        &["verify", "--lock", lock],
        &["verify", "hub:org/guard", "--lock", lock],
    ] {
        let verified = run(arguments);
        assert!(verified.status.success(), "{}", err(&verified));
        assert_eq!(out(&verified).lines().count(), 1);
    }

    let snapshot = home
        .path()
        .join("hub/models--org--guard/snapshots")
        .join(COMMIT);
    let weights = snapshot.join("model.safetensors").canonicalize().unwrap();
    let mut content = std::fs::read(&weights).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, content).unwrap();
    let verified = run(&["verify", "--lock", lock]);
    assert_eq!(verified.status.code(), Some(1));
    let problems = err(&verified);
    assert_eq!(problems.lines().count(), 2, "{problems}");
    assert!(
        problems.contains("model.safetensors: its checksum is wrong"),
        "{problems}"
    );
    assert!(problems.contains("the lock file says"), "{problems}");

    let repaired = run(&["pull", "hub:org/guard"]);
    assert!(repaired.status.success(), "{}", err(&repaired));
    assert!(run(&["verify"]).status.success());
}

#[test]
fn what_goes_wrong_is_said_in_one_line() {
    let home = tempfile::tempdir().unwrap();
    let endpoint = hub();
    for (arguments, environment, word) in [
        (
            &["pull", "org/guard"][..],
            &[("HF_HUB_OFFLINE", "1")][..],
            "HF_HUB_OFFLINE is set",
        ),
        (
            &["pull", "org/guard"],
            &[("HF_TOKEN", "hf_other")],
            "does not accept the token (401)",
        ),
        (&["pull", "org/other"], &[], "knows no such model (404)"),
        (
            &["pull", "hbu:org/guard"],
            &[],
            "did you mean `hub:org/guard`?",
        ),
        (&["pull", "bundle"], &[], "the bundle is not there"),
        (
            &["verify", "hub:org/guard"],
            &[],
            "Run `commutator models pull hub:org/guard`",
        ),
        (&["verify", "--lock", "no.lock"], &[], "no.lock"),
    ] {
        let output = models(home.path(), &endpoint, arguments, environment);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = err(&output);
        assert!(said.contains(word), "{arguments:?}: {said}");
        assert!(
            !said.contains("hf_other") && !said.contains("hf_test"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_directory_is_verified_by_its_path() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("mine");
    std::fs::create_dir(&dir).unwrap();
    for (name, content, _) in files() {
        std::fs::write(dir.join(name), content).unwrap();
    }
    let path = dir.to_str().unwrap();
    let verified = models(home.path(), "http://127.0.0.1:1", &["verify", path], &[]);
    assert!(verified.status.success(), "{}", err(&verified));
    assert!(
        out(&verified).contains("for 3 of them there is no checksum"),
        "{}",
        out(&verified)
    );
    std::fs::remove_file(dir.join("tokenizer.json")).unwrap();
    let verified = models(home.path(), "http://127.0.0.1:1", &["verify", path], &[]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        err(&verified).contains("tokenizer.json: is missing"),
        "{}",
        err(&verified)
    );
}
