//! What a simulator is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Default limit of a request body: 45 MiB, as Dynamo's `DYN_HTTP_BODY_LIMIT_MB`.
pub(crate) const BODY_LIMIT: usize = 45 * 1024 * 1024;

/// How fast an answer comes and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Time from the request to the first token (streaming: to the first content event).
    pub ttft: Duration,
    /// Time between two tokens. A unary answer takes `ttft + (tokens - 1) * inter_token`.
    pub inter_token: Duration,
    /// Tokens of an answer; a stream sends each in an event of its own. A smaller `max_tokens` of the
    /// request cuts the answer (`finish_reason` `length`); `ignore_eos` or `min_tokens` with a larger
    /// one lengthens it.
    pub tokens: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ttft: Duration::ZERO,
            inter_token: Duration::ZERO,
            tokens: 16,
        }
    }
}

/// The configuration of one [`Simulator`](crate::Simulator).
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    /// Address to listen on; port 0 lets the kernel choose. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Name that every answer carries. Default `simulator`.
    pub name: String,
    /// Models that are served, all ready at first. An empty list means a frontend without workers.
    /// Default `["simulated"]`.
    pub models: Vec<String>,
    /// Speed and length of answers.
    pub pace: Pace,
    /// Sets TCP_NODELAY. Default `false` as in Dynamo, whose first token on a reused connection then
    /// waits for the client's delayed acknowledgement of the response headers (40 ms on Linux).
    pub nodelay: bool,
    /// How many of the last POST requests are kept for [`requests`](crate::Simulator::requests);
    /// 0 records nothing (for benchmarks). Default 1024.
    pub record: usize,
    /// Obeys the request header `x-simulate`. Default `false`.
    pub request_faults: bool,
    /// Largest request body in bytes; a larger one is answered 413. Default 45 MiB.
    pub body_limit: usize,
    /// Checks the fields of a request as Dynamo does and answers 400 to unknown ones. Default `true`;
    /// `false` is Dynamo's `DYN_IGNORE_OPENAI_FE_UNSUPPORTED_FIELDS=1`.
    pub strict: bool,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            name: "simulator".into(),
            models: vec!["simulated".into()],
            pace: Pace::default(),
            nodelay: false,
            record: 1024,
            request_faults: false,
            body_limit: BODY_LIMIT,
            strict: true,
        }
    }
}
