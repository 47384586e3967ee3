//! The settings that all guards have.

use std::time::Duration;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api_error::ApiError;
use crate::passage::Scope;
use crate::plugin::{Reply, ResponsePath};
use crate::problem::Problems;
use crate::units::HumanDuration;

/// When a guard thinks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Before a frontend sees anything of the request.
    #[default]
    Before,
    /// While the frontend already works: the answer's first byte waits for the verdict, and a violation stops the
    /// frontend. Costs no time as long as the guard is faster than the model, but a worker sees the request.
    Overlap,
}

/// What happens when a guard cannot tell: an engine that is overloaded or gone, a deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request is refused: 503 `guard_unavailable`.
    #[default]
    Deny,
    /// The request passes, with `guard_skipped` in `x-vsr-response-warnings`.
    Allow,
}

/// What a client gets instead of an answer. Default: 200 with a chat completion that says so and ends with
/// `content_filter`, which every client library shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BlockConfig {
    /// What the assistant says, or the error's message. `{types}` stands for what was found.
    pub text: Option<String>,
    /// Answer with this HTTP status and an error, 400 to 599.
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
}

/// How a guard behaves.
#[derive(Debug, Clone)]
pub struct Conduct {
    /// The guard's name.
    pub name: &'static str,
    /// Whose texts it judges.
    pub scope: Scope,
    /// When it thinks.
    pub mode: Mode,
    /// How long it may think.
    pub timeout: Duration,
    /// What happens when it cannot tell.
    pub on_error: OnError,
    /// Judge and count, but do not act.
    pub shadow: bool,
    /// What a client gets instead of an answer.
    pub block: BlockConfig,
    /// The status in `block`, checked.
    status: Option<StatusCode>,
}

/// How long guards may think unless the policy says otherwise: a prompt of 40,000 characters takes seconds of CPU.
pub const TIMEOUT: HumanDuration = HumanDuration(Duration::from_secs(10));

impl Conduct {
    /// Checks the settings. `path` is where the guard's configuration stands.
    ///
    /// # Errors
    /// An empty scope, a timeout of nothing, a status that is no error, each with its path.
    #[allow(clippy::too_many_arguments)] // one for each setting
    pub fn build(
        name: &'static str,
        scope: &Scope,
        mode: Mode,
        timeout: HumanDuration,
        on_error: OnError,
        shadow: bool,
        block: &BlockConfig,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        if scope.0.is_empty() {
            problems
                .error(format!("{path}.scope"), "nobody's texts are judged")
                .with_hint("leave it out for all but the application's own instructions");
        }
        if timeout.get().is_zero() {
            problems.error(format!("{path}.timeout"), "the guard has no time at all");
        }
        let status = block.status.map(|status| {
            let known = StatusCode::from_u16(status).ok();
            known.filter(|s| s.is_client_error() || s.is_server_error())
        });
        if status == Some(None) {
            problems.error(
                format!("{path}.block.status"),
                "an error has a status from 400 to 599",
            );
        }
        Self {
            name,
            scope: scope.clone(),
            mode,
            timeout: timeout.get(),
            on_error,
            shadow,
            block: block.clone(),
            status: status.flatten(),
        }
    }

    /// What a blocked client gets: `text` unless the policy has a text of its own.
    #[must_use]
    pub fn blocked(&self, text: String, types: &[String]) -> Reply {
        let text = match &self.block.text {
            Some(own) => own.replace("{types}", &types.join(", ")),
            None => text,
        };
        match self.status {
            Some(status) => Reply::Error(ApiError::new(status, "content_filter", text)),
            None => Reply::Completion {
                text,
                finish_reason: "content_filter",
                path: ResponsePath::Blocked,
            },
        }
    }

    /// What a client gets when the guard cannot tell.
    #[must_use]
    pub fn unavailable(&self) -> Reply {
        let message = format!("the guard `{}` could not check the request", self.name);
        let error = ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "guard_unavailable",
            message,
        );
        Reply::Error(error.retry_after(1))
    }
}
