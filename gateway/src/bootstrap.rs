//! `gateway.yaml`: what is fixed for the life of the process. Everything else is policy and can be reloaded.

use std::net::SocketAddr;
use std::path::PathBuf;

use commutator_plugins::problem::Problems;
use commutator_plugins::secret::Secret;
use commutator_plugins::units::{ByteSize, HumanDuration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Commutator's bootstrap file. A change needs a restart (or an upgrade without downtime); routing, guards and
/// clusters stand in the policy file, which is reloaded while requests run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Bootstrap {
    /// Addresses that clients connect to.
    pub listeners: Vec<Listener>,
    /// The operator's listener: metrics, probes, status, reload.
    pub admin: Admin,
    /// The policy file; relative paths start at this file's directory.
    pub policy: PathBuf,
    /// Worker threads of the proxy. Default: one per core.
    pub threads: Option<usize>,
    /// Sizes and times that bound what a client may ask of the gateway.
    pub limits: Limits,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// Unix socket over which a new process takes the listeners from the old one. Its directory must be writable
    /// by the gateway alone.
    pub upgrade_socket: PathBuf,
    /// Directory for what outlives a restart.
    pub state_directory: Option<PathBuf>,
    /// How the policy is reloaded.
    pub reload: Reload,
    /// What is logged.
    pub log: Log,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::default()],
            admin: Admin::default(),
            policy: PathBuf::from("policy.yaml"),
            threads: None,
            limits: Limits::default(),
            shutdown: Shutdown::default(),
            upgrade_socket: PathBuf::from("/run/commutator/upgrade.sock"),
            state_directory: None,
            reload: Reload::default(),
            log: Log::default(),
        }
    }
}

/// One address that clients connect to. HTTP/1.1 and HTTP/2 are both served on it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listener {
    /// IP address and port.
    pub address: SocketAddr,
    /// Certificate and key; without them the listener is clear text.
    pub tls: Option<Tls>,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 8080)),
            tls: None,
        }
    }
}

/// A server certificate. HTTP/2 is offered over ALPN.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// PEM file with the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// The operator's listener.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    /// IP address and port. An address that is not loopback needs a `token`.
    pub address: SocketAddr,
    /// Clients must send `authorization: Bearer TOKEN`. A reference: `${ENV_NAME}` or `file:PATH`.
    pub token: Option<Secret>,
    /// Serve `/livez`, `/readyz` and `/metrics` without the token, for probes and scrapers.
    pub probes_without_token: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9090)),
            token: None,
            probes_without_token: true,
        }
    }
}

/// Sizes and times that bound what a client may ask of the gateway.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Largest request body. Default: Dynamo's own limit, 45 MiB.
    pub body: ByteSize,
    /// Largest request head, all header names and values together.
    pub header_bytes: ByteSize,
    /// Most headers of a request. Dynamo refuses about 100.
    pub headers: usize,
    /// Time for a client to send its whole body.
    pub body_timeout: HumanDuration,
    /// Time for a client to take the next part of an answer; one that has stopped reading is disconnected.
    pub(crate) write_timeout: HumanDuration,
    /// Time an idle client connection is kept.
    pub keepalive: HumanDuration,
    /// Requests on one client connection before it is closed; 0 = no limit.
    pub keepalive_requests: u32,
    /// Idle connections to frontends that are kept, per worker thread pool.
    pub upstream_keepalive: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: ByteSize::from_mib(45),
            header_bytes: ByteSize::from_kib(64),
            headers: 96,
            body_timeout: HumanDuration::from_secs(60),
            write_timeout: HumanDuration::from_secs(60),
            keepalive: HumanDuration::from_secs(75),
            keepalive_requests: 0,
            upstream_keepalive: 512,
        }
    }
}

/// How the process ends.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shutdown {
    /// After SIGTERM, running requests get this long; the process exits as soon as none is left.
    pub grace: HumanDuration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            grace: HumanDuration::from_secs(300),
        }
    }
}

/// How the policy is reloaded, besides SIGHUP and `POST /reload`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reload {
    /// Reload when the policy file, or a file it refers to, changes.
    pub watch: bool,
    /// Wait this long after a change for further ones.
    pub settle: HumanDuration,
}

impl Default for Reload {
    fn default() -> Self {
        Self {
            watch: true,
            settle: HumanDuration::from_millis(200),
        }
    }
}

/// What is logged, to standard error (messages) and standard output (one JSON line a request).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Filter of the messages, in the syntax of the environment variable `RUST_LOG`, which wins.
    pub level: String,
    /// Messages as JSON instead of text.
    pub json: bool,
    /// The access log: one JSON object a request, without any text of prompts or answers.
    pub access: AccessLog,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info,pingora=warn,pingora_core=warn,pingora_proxy=warn".to_owned(),
            json: false,
            access: AccessLog::Stdout,
        }
    }
}

/// Where the access log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Bootstrap {
    /// What serde cannot see.
    #[must_use]
    pub(crate) fn problems(&self) -> Problems {
        let mut problems = Problems::new();
        if self.listeners.is_empty() {
            problems.error("listeners", "at least one listener is needed");
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            if self.listeners[..index]
                .iter()
                .any(|other| other.address == listener.address)
            {
                problems.error(
                    format!("listeners[{index}].address"),
                    format!("{} is listened on twice", listener.address),
                );
            }
        }
        if !self.admin.address.ip().is_loopback() && self.admin.token.is_none() {
            problems
                .error(
                    "admin.address",
                    format!(
                        "{} is not a loopback address, so a token is needed",
                        self.admin.address
                    ),
                )
                .with_hint("add `token: ${COMMUTATOR_ADMIN_TOKEN}` under `admin`");
        }
        if self.threads == Some(0) {
            problems.error("threads", "must be at least 1");
        }
        if self.limits.body.get() > u64::from(u32::MAX) / 2 {
            problems.error("limits.body", "must be below 2 GiB");
        }
        problems
    }
}
