//! The hub's HTTP interface, as much as a download needs: what a revision holds, and a file from some byte on.
//!
//! The crate hf-hub names repositories and the directories of the cache. The transfer is ours, because neither line of
//! hf-hub has one that fits: 0.5 sets no time-outs and takes no client that has them, compares no checksum, and brings
//! a second version of reqwest; 1.0 brings aws-lc-rs, and cannot resume.

mod error;

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, ETAG, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;

pub(super) use self::error::HubError;
use super::files::{self, Checksum};
use super::options::HubOptions;
use super::progress::Progress;
use super::reference::{HubModel, is_commit};

/// Larger answers are no description of a model.
const LONGEST_ANSWER: usize = 32 << 20;

/// The longest pause that a hub can ask for between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One hub.
#[derive(Debug)]
pub(super) struct Hub<'a> {
    options: &'a HubOptions,
    progress: Reporter<'a>,
    endpoint: Url,
    /// Follows redirections to the storage.
    files: Client,
    /// Stays at the hub, whose headers say what the storage's do not.
    metadata: Client,
}

/// A progress that can stand in a struct with `Debug`.
#[derive(Clone, Copy)]
pub(super) struct Reporter<'a>(pub(super) &'a dyn Progress);

impl std::fmt::Debug for Reporter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reporter")
    }
}

/// What a revision holds.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<Listed>,
}

/// A file of a revision.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) bytes: Option<u64>,
    pub(super) checksum: Option<Checksum>,
}

#[derive(Debug, Deserialize)]
struct Info {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    #[serde(alias = "oid")]
    sha256: String,
    size: Option<u64>,
}

impl<'a> Hub<'a> {
    pub(super) fn new(
        options: &'a HubOptions,
        progress: &'a dyn Progress,
    ) -> Result<Self, HubError> {
        let endpoint = Url::parse(&options.endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| HubError::Endpoint(options.endpoint.clone()))?;
        // Pingora installs the same one; whoever comes first wins.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            files: client(options, &endpoint, Policy::limited(10))?,
            metadata: client(options, &endpoint, Policy::custom(stay))?,
            options,
            progress: Reporter(progress),
            endpoint,
        })
    }

    pub(super) fn host(&self) -> String {
        host(&self.endpoint)
    }

    /// What `model`'s revision holds.
    pub(super) async fn listing(&self, model: &HubModel) -> Result<Listing, HubError> {
        let mut url = self.url(&["api", "models"], &model.repo);
        push(&mut url, &["revision", model.revision()]);
        url.set_query(Some("blobs=true"));
        let body = self
            .repeat(async || {
                let response = self
                    .send(&self.files, Method::GET, &url, model, None)
                    .await?;
                self.whole(response).await
            })
            .await?;
        let info: Info = serde_json::from_slice(&body)
            .map_err(|_| self.malformed("is no model's description"))?;
        let commit = info
            .sha
            .filter(|sha| is_commit(sha))
            .ok_or_else(|| self.malformed("names no commit"))?;
        if model.is_pinned() && commit != model.revision() {
            return Err(self.malformed("is about another commit"));
        }
        Ok(Listing {
            commit,
            files: info.siblings.into_iter().map(Listed::from).collect(),
        })
    }

    /// Asks for a file's size and checksum where the listing did not say them: mirrors of the hub often do not.
    pub(super) async fn describe(
        &self,
        model: &HubModel,
        commit: &str,
        name: &str,
    ) -> Result<(Option<u64>, Checksum), HubError> {
        let url = self.file_url(&model.repo, commit, name);
        let headers = self
            .repeat(async || {
                let sent = self.send(&self.metadata, Method::HEAD, &url, model, Some(name));
                Ok(sent.await?.headers().clone())
            })
            .await?;
        let tag = text(&headers, "x-linked-etag").or_else(|| text(&headers, ETAG.as_str()));
        let checksum = tag.and_then(Checksum::of_tag).ok_or_else(|| {
            self.malformed(&format!(
                "has no checksum for {name} (its entity tag is `{}`)",
                tag.unwrap_or_default()
            ))
        })?;
        let bytes = text(&headers, "x-linked-size")
            .or_else(|| text(&headers, "content-length"))
            .and_then(|size| size.parse().ok());
        Ok((bytes, checksum))
    }

    /// Asks for a file from byte `from` on. The answer may begin at 0 all the same.
    pub(super) async fn open(
        &self,
        model: &HubModel,
        commit: &str,
        name: &str,
        from: u64,
    ) -> Result<Response, HubError> {
        let url = self.file_url(&model.repo, commit, name);
        let mut request = self
            .request(&self.files, Method::GET, &url)
            // A compressed answer would have another length and other ranges.
            .header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if from > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        self.accept(response, model, Some(name))
    }

    /// The next piece of an answer.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, HubError> {
        response.chunk().await.map_err(|error| {
            if error.is_timeout() {
                self.failed(&error)
            } else {
                HubError::Interrupted { host: self.host() }
            }
        })
    }

    /// Waits before attempt `failed + 1`, or gives `error` back if that was the last one.
    pub(super) async fn again(&self, failed: u32, error: HubError) -> Result<(), HubError> {
        if !error.is_transient() {
            return Err(error);
        }
        if failed >= self.options.attempts {
            return Err(HubError::Repeated {
                attempts: failed,
                error: Box::new(error),
            });
        }
        let pause = (self.options.backoff * 2u32.saturating_pow(failed.saturating_sub(1)))
            .max(error.pause().unwrap_or_default())
            .min(LONGEST_PAUSE);
        self.progress.0.note(&format!("{error}; trying again"));
        tokio::time::sleep(pause).await;
        Ok(())
    }

    async fn repeat<T>(&self, ask: impl AsyncFn() -> Result<T, HubError>) -> Result<T, HubError> {
        let mut failed = 0;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    failed += 1;
                    self.again(failed, error).await?;
                }
            }
        }
    }

    async fn send(
        &self,
        client: &Client,
        method: Method,
        url: &Url,
        model: &HubModel,
        file: Option<&str>,
    ) -> Result<Response, HubError> {
        let sent = self.request(client, method, url).send().await;
        let response = sent.map_err(|error| self.failed(&error))?;
        self.accept(response, model, file)
    }

    fn request(&self, client: &Client, method: Method, url: &Url) -> reqwest::RequestBuilder {
        let request = client.request(method, url.clone());
        match &self.options.token {
            // Not carried along when a redirection leads to another host.
            Some(token) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }

    fn accept(
        &self,
        response: Response,
        model: &HubModel,
        file: Option<&str>,
    ) -> Result<Response, HubError> {
        let status = response.status();
        // A redirection that was not followed carries the hub's headers.
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        let pause = text(response.headers(), RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        let code = text(response.headers(), "x-error-code").unwrap_or_default();
        let answer = error::Answer {
            status,
            code,
            host: host(response.url()),
            endpoint: &self.options.endpoint,
            token: self.options.token.is_some(),
            from_hub: response.url().host_str() == self.endpoint.host_str(),
            pause,
        };
        Err(answer.meaning(model, file))
    }

    async fn whole(&self, mut response: Response) -> Result<Vec<u8>, HubError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            body.extend_from_slice(chunk.as_ref());
            if body.len() > LONGEST_ANSWER {
                return Err(self.malformed("is too long"));
            }
        }
        Ok(body)
    }

    pub(super) fn malformed(&self, what: &str) -> HubError {
        HubError::Malformed {
            host: self.host(),
            what: what.to_owned(),
        }
    }

    fn failed(&self, error: &reqwest::Error) -> HubError {
        let host = error.url().map_or_else(|| self.host(), host);
        if error.is_timeout() {
            return HubError::Silent {
                host,
                limit: if error.is_connect() {
                    self.options.connect_timeout
                } else {
                    self.options.read_timeout
                },
            };
        }
        HubError::Unreachable {
            host,
            cause: error::innermost(error),
        }
    }

    fn url(&self, prefix: &[&str], repo: &str) -> Url {
        let mut url = self.endpoint.clone();
        push(&mut url, prefix);
        push(&mut url, &repo.split('/').collect::<Vec<_>>());
        url
    }

    fn file_url(&self, repo: &str, commit: &str, name: &str) -> Url {
        let mut url = self.url(&[], repo);
        push(&mut url, &["resolve", commit]);
        push(&mut url, &name.split('/').collect::<Vec<_>>());
        url
    }
}

impl From<Sibling> for Listed {
    fn from(file: Sibling) -> Self {
        let (bytes, tag) = match &file.lfs {
            Some(lfs) => (lfs.size.or(file.size), Some(lfs.sha256.as_str())),
            None => (file.size, file.blob_id.as_deref()),
        };
        Self {
            bytes,
            checksum: tag.and_then(Checksum::of_tag),
            name: file.rfilename,
        }
    }
}

impl Listing {
    /// Leaves only what a model is made of.
    ///
    /// # Errors
    /// There are no weights; the names of those in other formats.
    pub(super) fn keep_wanted(&mut self) -> Result<(), String> {
        let mut pickles: Vec<String> = Vec::new();
        let mut weights = false;
        for file in &self.files {
            weights |= files::is_weights(&file.name);
            if files::is_pickle(&file.name) {
                pickles.push(file.name.clone());
            }
        }
        self.files.retain(|file| files::is_wanted(&file.name));
        if weights {
            return Ok(());
        }
        Err(if pickles.is_empty() {
            String::new()
        } else {
            format!(", only {}", pickles.join(", "))
        })
    }
}

fn client(options: &HubOptions, endpoint: &Url, redirects: Policy) -> Result<Client, HubError> {
    let mut builder = Client::builder()
        .user_agent(concat!("commutator/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .redirect(redirects);
    // A proxy cannot reach this machine's own addresses.
    if matches!(
        endpoint.host_str(),
        Some("localhost" | "127.0.0.1" | "[::1]")
    ) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| HubError::Client {
        cause: error::innermost(&error),
    })
}

/// Follows a redirection only within the hub: a model that was renamed.
fn stay(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let origin = attempt.previous().first().map(Url::origin);
    if attempt.previous().len() < 5 && origin.as_ref() == Some(&attempt.url().origin()) {
        attempt.follow()
    } else {
        attempt.stop()
    }
}

/// Appends segments, each with everything escaped that would end it.
fn push(url: &mut Url, segments: &[&str]) {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
}

fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
