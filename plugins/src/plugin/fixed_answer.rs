//! `fixed_answer`: the gateway answers by itself; no frontend is asked.

use async_trait::async_trait;
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api_error::ApiError;
use crate::exchange::Exchange;
use crate::plugin::{Flow, Plugin, PluginError, Reply, ResponsePath};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

/// Answers with a fixed text (`text`) or a fixed error (`status`, `message`, `code`): exactly one of the two.
///
/// A text is shaped like an answer of the API that was asked, streamed where the client asked for a stream. APIs
/// that generate no text answer 403 with the text as message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedAnswerConfig {
    /// What the assistant says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why the assistant stopped, with `text` only. Default: `stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The HTTP status of an error, 400 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
    /// The error's message, with `status` only. Default: the status's usual name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The error's `code`, with `status` only. Default: `blocked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// OpenAI's `finish_reason` of a fixed text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The answer is whole.
    #[default]
    Stop,
    /// The answer was cut off.
    Length,
    /// The answer stands for one that was not allowed.
    ContentFilter,
}

impl FinishReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// The built plugin.
#[derive(Debug)]
pub struct FixedAnswer(Fixed);

#[derive(Debug)]
enum Fixed {
    Text(String, &'static str),
    Error(ApiError),
}

impl BuiltIn for FixedAnswer {
    type Config = FixedAnswerConfig;

    fn build(
        config: &FixedAnswerConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let fixed = match (&config.text, config.status) {
            (Some(text), None) => {
                let only_errors = [("message", &config.message), ("code", &config.code)];
                for (field, _) in only_errors.iter().filter(|(_, value)| value.is_some()) {
                    problems
                        .error(
                            format!("{path}.{field}"),
                            "only an answer with `status` has it",
                        )
                        .with_hint("use either `text` or `status`");
                }
                let finish_reason = config.finish_reason.unwrap_or_default();
                Some(Fixed::Text(text.clone(), finish_reason.as_str()))
            }
            (None, Some(status)) => fixed_error(config, status, path, &mut problems),
            (Some(_), Some(_)) => {
                problems
                    .error(path, "`text` and `status` contradict each other")
                    .with_hint("use `text` for an answer of the assistant, `status` for an error");
                None
            }
            (None, None) => {
                problems.error(path, "one of `text` and `status` is needed");
                None
            }
        };
        match fixed {
            Some(fixed) if !problems.has_errors() => Ok(Self(fixed)),
            _ => Err(problems),
        }
    }
}

fn fixed_error(
    config: &FixedAnswerConfig,
    status: u16,
    path: &str,
    problems: &mut Problems,
) -> Option<Fixed> {
    if config.finish_reason.is_some() {
        problems.error(
            format!("{path}.finish_reason"),
            "only an answer with `text` has it",
        );
    }
    let known = StatusCode::from_u16(status)
        .ok()
        .filter(|status| status.is_client_error() || status.is_server_error());
    let Some(known) = known else {
        problems
            .error(
                format!("{path}.status"),
                format!("{status} is no error status"),
            )
            .with_hint("an error's status is 400 to 599");
        return None;
    };
    let usual = || known.canonical_reason().unwrap_or("Error").to_owned();
    let message = config.message.clone().unwrap_or_else(usual);
    let code = config.code.clone().unwrap_or_else(|| "blocked".to_owned());
    Some(Fixed::Error(ApiError::new(known, code, message)))
}

#[async_trait]
impl Plugin for FixedAnswer {
    fn name(&self) -> &'static str {
        "fixed_answer"
    }

    async fn on_request(&self, _exchange: &mut Exchange) -> Result<Flow, PluginError> {
        Ok(Flow::Reply(match &self.0 {
            Fixed::Text(text, finish_reason) => Reply::Completion {
                text: text.clone(),
                finish_reason,
                path: ResponsePath::FastResponse,
            },
            Fixed::Error(error) => Reply::Error(error.clone()),
        }))
    }
}

#[cfg(test)]
mod tests;
