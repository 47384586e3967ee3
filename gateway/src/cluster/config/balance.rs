//! How one of the ready frontends is chosen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one of the ready frontends is chosen for a request. A frontend's weight is its share; it is
/// 1 unless `endpoints` says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Balance {
    /// Of two frontends drawn by chance, the one with fewer requests in flight for its weight.
    #[default]
    LeastRequest,
    /// In turn, by weight, evenly interleaved.
    RoundRobin,
    /// By chance, by weight.
    Random,
    /// The same frontend for the same key, as long as it is ready and not overloaded: for
    /// deployments whose frontends do not share what they know about cached prefixes.
    ConsistentHash(ConsistentHash),
}

/// The same frontend for the same key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsistentHash {
    /// What of a request is hashed. A request without it goes where `least_request` says.
    pub(crate) key: HashKey,
    /// The load, as a multiple of the average, above which a frontend passes its keys on to the
    /// next one of the ring.
    #[serde(default = "default_bounded_load")]
    #[schemars(range(min = 1.0))]
    pub(crate) bounded_load: f64,
}

fn default_bounded_load() -> f64 {
    1.25
}

/// What of a request is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HashKey {
    /// The value of this request header.
    Header(String),
    /// The conversation, as the gateway knows it: the session header, else the start of the chat.
    Session,
    /// The beginning of the prompt.
    PromptPrefix(PromptPrefix),
    /// The client's API key.
    ApiKey,
    /// The client's address.
    ClientIp,
}

/// How much of the prompt's beginning is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PromptPrefix {
    /// This many tokens, as the gateway estimates them.
    Tokens(u32),
    /// This many bytes.
    Bytes(u32),
}
