//! A hub of our own, and models so small that they can be made by code.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::files::hex;
use super::options::{HubOptions, Token};

pub(super) const REPO: &str = "org/guard";
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const WEIGHTS: &str = "model.safetensors";

/// Safetensors with one tensor of `values`.
pub(super) fn safetensors(values: &[u8]) -> Vec<u8> {
    let header =
        json!({"w": {"dtype": "U8", "shape": [values.len()], "data_offsets": [0, values.len()]}});
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(&header);
    file.extend_from_slice(values);
    file
}

/// The files of a classifier, with others that nobody should fetch.
pub(super) fn checkpoint() -> BTreeMap<String, Vec<u8>> {
    let config = json!({
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"1": "jailbreak", "0": "benign"}
    });
    let weights: Vec<u8> = (0..50_000u32).map(|i| (i * 7 % 251) as u8).collect();
    [
        (
            "README.md",
            b"---\nlicense: apache-2.0\n---\n# Guard\n".to_vec(),
        ),
        ("config.json", config.to_string().into_bytes()),
        ("tokenizer.json", b"{}".to_vec()),
        (WEIGHTS, safetensors(&weights)),
        (
            "1_Pooling/config.json",
            b"{\"pooling_mode_mean_tokens\": true}".to_vec(),
        ),
        ("pytorch_model.bin", b"not for us".to_vec()),
        ("onnx/model.onnx", b"not for us".to_vec()),
    ]
    .into_iter()
    .map(|(name, content)| (name.to_owned(), content))
    .collect()
}

pub(super) fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

pub(super) fn git_blob(content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hex(&hash.finalize())
}

/// As the hub does it: weights are large files, the rest is git's.
pub(super) fn tag(name: &str, content: &[u8]) -> String {
    if name.ends_with(".safetensors") {
        sha256(content)
    } else {
        git_blob(content)
    }
}

/// Lays a model out as the Python tools do.
pub(super) fn python_cache(cache: &Path, revision: &str, files: &BTreeMap<String, Vec<u8>>) {
    let folder = cache.join("models--org--guard");
    let snapshot = folder.join("snapshots").join(COMMIT);
    std::fs::create_dir_all(folder.join("blobs")).unwrap();
    for (name, content) in files {
        let tag = tag(name, content);
        std::fs::write(folder.join("blobs").join(&tag), content).unwrap();
        let link = snapshot.join(name);
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        let up = "../".repeat(2 + name.matches('/').count());
        std::os::unix::fs::symlink(format!("{up}blobs/{tag}"), link).unwrap();
    }
    let reference = folder.join("refs").join(revision);
    std::fs::create_dir_all(reference.parent().unwrap()).unwrap();
    std::fs::write(reference, COMMIT).unwrap();
}

/// A bundle with two heads.
pub(super) fn bundle(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let mut files = serde_json::Map::new();
    for (name, content) in [
        ("shared.safetensors", safetensors(&[1, 2, 3])),
        ("tokenizer.json", b"{}".to_vec()),
    ] {
        std::fs::write(dir.join(name), &content).unwrap();
        files.insert(
            name.to_owned(),
            json!({"sha256": sha256(&content), "bytes": content.len()}),
        );
    }
    let manifest = json!({
        "format": 1, "revision": "feedfacecafe", "files": files, "config": {"model_type": "bert"},
        "heads": [
            {"name": "domain", "task": "sequence", "segment": "shared", "labels": ["law", "math"]},
            {"name": "embedding", "task": "embedding", "segment": "shared"}
        ]
    });
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
}

/// A bundle in which one head stands on an encoder of its own, in the directory `own`.
pub(super) fn bundle_with_member(dir: &Path) {
    bundle(dir);
    let own = dir.join("own");
    bundle(&own);
    let path = own.join("manifest.json");
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace("domain", "guard");
    std::fs::write(&path, &text).unwrap();
    let path = dir.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for name in ["manifest.json", "shared.safetensors", "tokenizer.json"] {
        let content = std::fs::read(own.join(name)).unwrap();
        manifest["files"][format!("own/{name}")] =
            json!({"sha256": sha256(&content), "bytes": content.len()});
    }
    manifest["members"] = json!({"guard": "own"});
    std::fs::write(path, manifest.to_string()).unwrap();
}

/// How the hub behaves.
#[derive(Debug, Default)]
pub(super) struct Manners {
    /// Answers everything with this status and `x-error-code`.
    pub(super) refuse: Option<(u16, &'static str)>,
    /// Answers so many requests with 500 first.
    pub(super) failures: usize,
    /// Never answers requests whose path contains this.
    pub(super) silent: Option<&'static str>,
    /// Breaks so many transfers of weights off after so many bytes.
    pub(super) cut: Option<(usize, usize)>,
    /// Answers ranges with the whole file.
    pub(super) no_ranges: bool,
    /// Sends other weights than it says.
    pub(super) lies: bool,
    /// Lists names only, as some mirrors do.
    pub(super) bare: bool,
    /// Sends weights from here: redirects to this address.
    pub(super) storage: Option<SocketAddr>,
}

/// A request as the hub saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// `GET /path`
    pub(super) line: String,
    pub(super) token: Option<String>,
    pub(super) range: Option<String>,
}

#[derive(Debug)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    manners: Manners,
    seen: Vec<Seen>,
    /// Connections that nobody will answer.
    held: Vec<TcpStream>,
}

/// A hub with one model, on this machine.
#[derive(Debug)]
pub(super) struct FakeHub {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl FakeHub {
    pub(super) fn new(manners: Manners) -> Self {
        Self::with(checkpoint(), manners)
    }

    pub(super) fn with(files: BTreeMap<String, Vec<u8>>, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            files,
            manners,
            seen: Vec::new(),
            held: Vec::new(),
        }));
        let shared = state.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, &shared);
                });
            }
        });
        Self { address, state }
    }

    /// Options of a client with its cache in `cache`.
    pub(super) fn options(&self, cache: &Path) -> HubOptions {
        HubOptions {
            endpoint: format!("http://{}", self.address),
            token: Token::new("hf_secret"),
            backoff: Duration::from_millis(1),
            ..HubOptions::new(cache)
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Requests for the weights' content.
    pub(super) fn weight_requests(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|s| s.line.starts_with("GET") && s.line.ends_with(WEIGHTS));
        seen
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let range = headers.get("range").cloned();
    let mut state = state.lock().unwrap();
    state.seen.push(Seen {
        line: format!("{method} {path}"),
        token: headers.get("authorization").cloned(),
        range: range.clone(),
    });
    if state.manners.silent.is_some_and(|part| path.contains(part)) {
        state.held.push(stream);
        return Ok(());
    }
    let answer = state.answer(&path, range.as_deref());
    let mut head = format!("HTTP/1.1 {} X\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", answer.length));
    drop(state);
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&answer.body)?;
    }
    stream.flush()
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    length: usize,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8>) -> Self {
        Self {
            status,
            headers,
            length: body.len(),
            body,
        }
    }
}

impl State {
    fn answer(&mut self, path: &str, range: Option<&str>) -> Answer {
        if let Some((status, code)) = self.manners.refuse {
            return Answer::new(status, vec![("x-error-code", code.to_owned())], Vec::new());
        }
        if self.manners.failures > 0 {
            self.manners.failures -= 1;
            return Answer::new(500, Vec::new(), Vec::new());
        }
        let (path, _query) = path.split_once('?').unwrap_or((path, ""));
        if let Some(revision) = path.strip_prefix("/api/models/org/guard/revision/") {
            return match revision {
                "main" | "v1%2Fstable" | COMMIT => self.listing(),
                _ => Answer::new(
                    404,
                    vec![("x-error-code", "RevisionNotFound".to_owned())],
                    Vec::new(),
                ),
            };
        }
        let prefix = format!("/org/guard/resolve/{COMMIT}/");
        match path.strip_prefix(&prefix).map(str::to_owned) {
            Some(name) if self.files.contains_key(&name) => self.file(&name, range),
            Some(_) => Answer::new(
                404,
                vec![("x-error-code", "EntryNotFound".to_owned())],
                Vec::new(),
            ),
            None => Answer::new(
                404,
                vec![("x-error-code", "RepoNotFound".to_owned())],
                Vec::new(),
            ),
        }
    }

    fn listing(&self) -> Answer {
        let siblings: Vec<Value> = self
            .files
            .iter()
            .map(|(name, content)| match (self.manners.bare, name.ends_with(".safetensors")) {
                (true, _) => json!({"rfilename": name}),
                (_, true) => json!({
                    "rfilename": name, "size": content.len(), "blobId": git_blob(b"pointer"),
                    "lfs": {"sha256": sha256(content), "size": content.len(), "pointerSize": 134}
                }),
                _ => json!({"rfilename": name, "size": content.len(), "blobId": git_blob(content)}),
            })
            .collect();
        let body = json!({"id": REPO, "sha": COMMIT, "siblings": siblings});
        Answer::new(200, Vec::new(), body.to_string().into_bytes())
    }

    fn file(&mut self, name: &str, range: Option<&str>) -> Answer {
        let content = self.files[name].clone();
        let weights = name == WEIGHTS;
        let mut headers = vec![
            ("etag", format!("\"{}\"", tag(name, &content))),
            ("x-linked-etag", format!("\"{}\"", tag(name, &content))),
            ("x-linked-size", content.len().to_string()),
            ("x-repo-commit", COMMIT.to_owned()),
        ];
        if let (true, Some(storage)) = (weights, self.manners.storage) {
            let to = format!("http://{storage}/org/guard/resolve/{COMMIT}/{name}");
            headers.push(("location", to));
            return Answer::new(302, headers, Vec::new());
        }
        let from = range.filter(|_| !self.manners.no_ranges).and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        });
        let mut body = content.clone();
        if weights && self.manners.lies {
            *body.last_mut().unwrap() ^= 1;
        }
        let mut answer = match from {
            Some(from) if from >= body.len() => return Answer::new(416, headers, Vec::new()),
            Some(from) => {
                let whole = body.len();
                headers.push((
                    "content-range",
                    format!("bytes {from}-{}/{whole}", whole - 1),
                ));
                Answer::new(206, headers, body.split_off(from))
            }
            None => Answer::new(200, headers, body),
        };
        if let (true, Some((times, after))) = (weights, &mut self.manners.cut)
            && *times > 0
        {
            *times -= 1;
            answer.body.truncate(*after);
        }
        answer
    }
}
