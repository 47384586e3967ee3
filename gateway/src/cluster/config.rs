//! What the configuration says about a cluster. The doc comments are the reference page.

mod balance;
mod endpoints;
mod rules;

pub(crate) use balance::{Balance, HashKey, PromptPrefix};
pub(crate) use endpoints::EndpointsConfig;

use std::path::PathBuf;

use commutator_plugins::units::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A set of Dynamo frontends that serve the same models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClusterConfig {
    /// The name by which models refer to this cluster; also the `cluster` label of its metrics.
    pub(crate) name: String,
    /// Where the frontends are: exactly one of `static`, `dns`, `srv` or `file`.
    pub(crate) endpoints: EndpointsConfig,
    /// How one of the ready frontends is chosen for a request.
    #[serde(default)]
    pub(crate) balance: Balance,
    /// How the gateway learns which models a frontend can serve now.
    #[serde(default)]
    pub(crate) readiness: ReadinessConfig,
    /// When a frontend that keeps failing is left out for a while.
    #[serde(default)]
    pub(crate) ejection: EjectionConfig,
    /// How a frontend that has just become ready is led up to its full share.
    #[serde(default)]
    pub(crate) slow_start: SlowStartConfig,
    /// How many requests may be in the cluster or wait for it.
    #[serde(default)]
    pub(crate) limits: LimitsConfig,
    /// How long each step of a request may take.
    #[serde(default)]
    pub(crate) timeouts: TimeoutsConfig,
    /// How often a failed request may be sent to another frontend.
    #[serde(default)]
    pub(crate) retries: RetriesConfig,
    /// TLS towards the frontends. Without it the connection is in clear text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<UpstreamTls>,
    /// The HTTP version towards the frontends.
    #[serde(default)]
    pub(crate) protocol: Protocol,
    /// The `host` header sent upstream. Default: the name in `dns` or the only one in
    /// `static`, else the address of the frontend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
}

/// The HTTP version towards the frontends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    /// HTTP/1.1 with kept connections. The default: Dynamo's sockets delay small writes, which the
    /// gateway can undo on an HTTP/1.1 connection but not on a shared HTTP/2 one.
    #[default]
    H1,
    /// HTTP/2: without TLS by prior knowledge (h2c), with TLS if the frontend agrees.
    H2c,
}

/// How the gateway learns which models a frontend can serve now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReadinessConfig {
    /// `models` asks each frontend for its models; `none` takes every frontend as ready for all.
    pub(crate) mode: ReadinessMode,
    /// Time between two rounds of questions to one frontend; varied by a tenth.
    pub(crate) interval: HumanDuration,
    /// Time for each answer, connecting included.
    pub(crate) timeout: HumanDuration,
    /// Rounds in a row without an answer after which a frontend counts as unreachable. Answers
    /// that say "not ready" count at once.
    #[schemars(range(min = 1))]
    pub(crate) failure_threshold: u32,
}

impl Default for ReadinessConfig {
    fn default() -> Self {
        Self {
            mode: ReadinessMode::Models,
            interval: HumanDuration::from_secs(1),
            timeout: HumanDuration::from_secs(2),
            failure_threshold: 2,
        }
    }
}

/// What a frontend is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReadinessMode {
    /// `GET /v1/models` and, for each model of the policy, `GET /v1/models/{id}/ready`. A server
    /// that lacks the second is judged by the first.
    #[default]
    Models,
    /// Nothing: every frontend is taken as ready for every model.
    None,
}

/// When a frontend that keeps failing is left out for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EjectionConfig {
    /// Failed answers in a row (5xx without 529, resets, timeouts) that eject a frontend; 0 = never.
    pub(crate) consecutive_errors: u32,
    /// Failed connection attempts in a row that eject a frontend; 0 = never.
    pub(crate) consecutive_connect_failures: u32,
    /// How long the first ejection lasts. Each further one lasts twice as long.
    pub(crate) base_time: HumanDuration,
    /// How long an ejection may last at most.
    pub(crate) max_time: HumanDuration,
    /// The share of the cluster's frontends that may be out at once, in percent. One may always go
    /// unless this is 0; the last usable one never does.
    #[schemars(range(max = 100))]
    pub(crate) max_percent: u32,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self {
            consecutive_errors: 5,
            consecutive_connect_failures: 2,
            base_time: HumanDuration::from_secs(5),
            max_time: HumanDuration::from_secs(300),
            max_percent: 50,
        }
    }
}

/// How a frontend that has just become ready is led up to its full share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SlowStartConfig {
    /// Time over which the weight grows from a tenth to all of it; `0s` turns it off. The
    /// frontends that are there when the gateway starts get their full share at once.
    pub(crate) window: HumanDuration,
}

impl Default for SlowStartConfig {
    fn default() -> Self {
        Self {
            window: HumanDuration::from_secs(10),
        }
    }
}

/// How many requests may be in the cluster or wait for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Requests in flight to the cluster at once. Default: no limit.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_in_flight: Option<u32>,
    /// Where requests over `max_in_flight` wait, first come first served.
    pub(crate) queue: QueueConfig,
}

/// Where requests over `max_in_flight` wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QueueConfig {
    /// Requests that may wait at once; one more is answered with 503. 0 = no queue.
    pub(crate) max: u32,
    /// How long a request may wait before it is answered with 503.
    pub(crate) deadline: HumanDuration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max: 1024,
            deadline: HumanDuration::from_secs(10),
        }
    }
}

/// How long each step of a request may take. `0s` means: no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimeoutsConfig {
    /// To connect to a frontend, TLS included.
    pub(crate) connect: HumanDuration,
    /// From the end of the request to the first byte of the answer.
    pub(crate) first_byte: HumanDuration,
    /// Between two reads of the answer.
    pub(crate) idle: HumanDuration,
    /// For the whole request, tries included. Default: no limit.
    pub(crate) total: HumanDuration,
}

impl Default for TimeoutsConfig {
    fn default() -> Self {
        Self {
            connect: HumanDuration::from_secs(1),
            first_byte: HumanDuration::from_secs(120),
            idle: HumanDuration::from_secs(60),
            total: HumanDuration::from_secs(0),
        }
    }
}

/// How often a failed request may be sent to another frontend. A request is only sent again as
/// long as nothing of an answer has reached the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetriesConfig {
    /// Further tries of one request, each at another frontend. 0 = none.
    pub(crate) max: u32,
    /// What all requests of the cluster together may retry.
    pub(crate) budget: RetryBudgetConfig,
}

impl Default for RetriesConfig {
    fn default() -> Self {
        Self {
            max: 2,
            budget: RetryBudgetConfig::default(),
        }
    }
}

/// What all requests of a cluster together may retry, so that retries cannot finish off a cluster
/// that is overloaded: in the last ten seconds at most `percent` of the requests plus
/// `min_per_second`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryBudgetConfig {
    /// Retries for each hundred requests.
    #[schemars(range(max = 1000))]
    pub(crate) percent: u32,
    /// Retries a second that are allowed whatever the number of requests.
    pub(crate) min_per_second: u32,
}

impl Default for RetryBudgetConfig {
    fn default() -> Self {
        Self {
            percent: 20,
            min_per_second: 10,
        }
    }
}

/// TLS towards the frontends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct UpstreamTls {
    /// PEM file with the authorities to trust. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// The name to ask for and to expect in the certificate. Default: `host`, else the name in
    /// `dns`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    /// Whether certificates are checked. `false` is for experiments only.
    pub(crate) verify: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self {
            ca: None,
            server_name: None,
            verify: true,
        }
    }
}

#[cfg(test)]
mod tests;
