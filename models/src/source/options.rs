//! Where to look and how to ask.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hf_hub::Cache;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether start-up may download what the cache lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Download {
    /// Models are there before the gateway starts: `commutator models pull` fetches them.
    #[default]
    Never,
    /// Start-up fetches what is missing, and waits for it. Requests never do.
    OnStart,
}

/// The hub's password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps `text`; nothing if it is blank.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Where models are on this machine, and how to ask the hub for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOptions {
    /// The hub, without a slash at the end.
    pub endpoint: String,
    /// Sent to the hub's host only.
    pub token: Option<Token>,
    /// The hub cache, in the layout of the Python tools: `models--ORG--NAME/{blobs,refs,snapshots}`.
    pub cache: PathBuf,
    /// Never ask the network.
    pub offline: bool,
    /// The bundle's directory; without it, [`find_bundle`](super::find_bundle) looks for it.
    pub bundle: Option<PathBuf>,
    /// How long the hub may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long the hub may stay silent, before its answer and in the middle of it.
    pub read_timeout: Duration,
    /// Requests in a row that may fail without bringing a single byte.
    pub attempts: u32,
    /// Pause before the second attempt; it doubles each time.
    pub backoff: Duration,
}

impl HubOptions {
    /// Where the hub is unless told otherwise.
    pub const ENDPOINT: &str = "https://huggingface.co";

    /// No token, the public hub, this cache.
    #[must_use]
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: Self::ENDPOINT.to_owned(),
            token: None,
            cache: cache.into(),
            offline: false,
            bundle: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            attempts: 4,
            backoff: Duration::from_millis(500),
        }
    }

    /// What the environment says, with the names that the Python tools read too: `HF_ENDPOINT`, `HF_TOKEN` (or the
    /// file `HF_TOKEN_PATH`, by default `token` in `HF_HOME`), `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE`,
    /// `HF_HUB_DOWNLOAD_TIMEOUT` (seconds of silence); and `COMMUTATOR_BUNDLE`.
    #[must_use]
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").map(|home| home.join(".cache")))
                .unwrap_or_else(|| PathBuf::from(".cache"))
                .join("huggingface")
        });
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .unwrap_or_else(|| home.join("hub"));
        let stored = || match path("HF_TOKEN_PATH") {
            Some(file) => std::fs::read_to_string(file).ok(),
            // Beside the default cache, whichever is used.
            None => Cache::new(home.join("hub")).token(),
        };
        let defaults = Self::new(cache);
        Self {
            endpoint: get("HF_ENDPOINT").map_or(defaults.endpoint, |endpoint| {
                endpoint.trim().trim_end_matches('/').to_owned()
            }),
            token: get("HF_TOKEN")
                .or_else(|| get("HUGGING_FACE_HUB_TOKEN"))
                .or_else(stored)
                .and_then(|token| Token::new(&token)),
            offline: get("HF_HUB_OFFLINE")
                .or_else(|| get("TRANSFORMERS_OFFLINE"))
                .is_some_and(|value| is_true(&value)),
            bundle: path("COMMUTATOR_BUNDLE"),
            read_timeout: get("HF_HUB_DOWNLOAD_TIMEOUT")
                .and_then(|value| value.trim().parse().ok())
                .filter(|seconds| *seconds > 0)
                .map_or(defaults.read_timeout, Duration::from_secs),
            ..defaults
        }
    }

    /// [`Self::from_env`] with the environment of this process.
    #[must_use]
    pub fn from_process_env() -> Self {
        Self::from_env(&|name| std::env::var(name).ok())
    }
}

/// As the Python tools read a switch.
fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
