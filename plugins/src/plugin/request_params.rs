//! `request_params`: limits, removes, presets and overrides the parameters of a request.

mod known;

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::body::RequestBody;
use crate::exchange::Exchange;
use crate::plugin::{Flow, Plugin, PluginError, Reply};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

/// Limits, removes, presets and overrides the parameters of a request.
///
/// In this order: blocked fields, unknown fields, limits on what the client sent, defaults for what it did not
/// send, overrides. What is not touched keeps the client's spelling. Limits, defaults and overrides apply to APIs that
/// generate text. A default or override for a field of one API is not put into requests of another that lacks it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestParamsConfig {
    /// The most tokens a client may ask for: a larger `max_tokens`, `max_completion_tokens` or
    /// `max_output_tokens` is lowered to it. A request without one gets none; see `default_max_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_tokens_limit: Option<u64>,
    /// The token limit of requests that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub default_max_tokens: Option<u64>,
    /// The most answers a client may ask for at once: a larger `n` or `best_of` is lowered to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_n: Option<u64>,
    /// Bounds of `temperature`: a value outside is moved to the nearer bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Bounds>,
    /// Top-level fields that clients may not send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// What happens to a request with a blocked field.
    #[serde(default)]
    pub action: Action,
    /// Removes top-level fields that the frontends do not know; they would answer 400 to them.
    #[serde(default)]
    pub strip_unknown: bool,
    /// Fields and their values where the client sent none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defaults: BTreeMap<String, Value>,
    /// Fields and their values whatever the client sent; not subject to the limits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, Value>,
}

/// Bounds of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What happens to a request with a blocked field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The field is removed.
    #[default]
    Remove,
    /// The client gets 400 `invalid_request` naming the field.
    Reject,
}

/// The built plugin.
#[derive(Debug)]
pub struct RequestParams(RequestParamsConfig);

/// Fields that the gateway and the policy decide about elsewhere, or that are the request itself.
const PROTECTED: [&str; 6] = [
    "input",
    "messages",
    "model",
    "prompt",
    "stream",
    "stream_options",
];

impl BuiltIn for RequestParams {
    type Config = RequestParamsConfig;

    fn build(
        config: &RequestParamsConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        check_numbers(config, path, &mut problems);
        let lists = config
            .blocked
            .iter()
            .enumerate()
            .map(|(index, field)| (format!("{path}.blocked[{index}]"), field))
            .chain(
                config
                    .defaults
                    .keys()
                    .map(|f| (format!("{path}.defaults.{f}"), f)),
            )
            .chain(
                config
                    .overrides
                    .keys()
                    .map(|f| (format!("{path}.overrides.{f}"), f)),
            );
        for (path, field) in lists {
            if field.is_empty() {
                problems.error(path, "a field's name is empty");
            } else if PROTECTED.contains(&field.as_str()) {
                problems.error(path, format!("`{field}` cannot be changed here"));
            }
        }
        for field in config.overrides.keys() {
            if config.defaults.contains_key(field) {
                problems.error(
                    format!("{path}.defaults.{field}"),
                    format!("never used: `overrides` sets `{field}`"),
                );
            }
        }
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self(config.clone()))
    }
}

fn check_numbers(config: &RequestParamsConfig, path: &str, problems: &mut Problems) {
    for (field, value) in [
        ("max_tokens_limit", config.max_tokens_limit),
        ("default_max_tokens", config.default_max_tokens),
        ("max_n", config.max_n),
    ] {
        if value == Some(0) {
            problems.error(format!("{path}.{field}"), "must be at least 1");
        }
    }
    if let (Some(limit), Some(default)) = (config.max_tokens_limit, config.default_max_tokens)
        && default > limit
    {
        problems.error(
            format!("{path}.default_max_tokens"),
            format!("{default} is over `max_tokens_limit` ({limit})"),
        );
    }
    let Some(Bounds { min, max }) = config.temperature else {
        return;
    };
    for (field, bound) in [("min", min), ("max", max)] {
        if bound.is_some_and(|bound| !bound.is_finite() || bound < 0.0) {
            problems.error(
                format!("{path}.temperature.{field}"),
                "must be a number from 0 up",
            );
        }
    }
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        problems.error(
            format!("{path}.temperature"),
            format!("`min` ({min}) is over `max` ({max})"),
        );
    }
}

#[async_trait]
impl Plugin for RequestParams {
    fn name(&self) -> &'static str {
        "request_params"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        let Exchange { api, body, .. } = exchange;
        for field in &self.0.blocked {
            if body.field(field).is_none() {
                continue;
            }
            if self.0.action == Action::Reject {
                let error = ApiError::invalid_request(
                    field.as_str(),
                    format!("the parameter `{field}` is not allowed here"),
                );
                return Ok(Flow::Reply(Reply::Error(error)));
            }
            body.remove_field(field);
        }
        if self.0.strip_unknown {
            strip_unknown(*api, body);
        }
        if api.generates() {
            self.limit(*api, body);
            self.write(*api, body);
        }
        Ok(Flow::Continue)
    }
}

fn strip_unknown(api: Api, body: &mut RequestBody) {
    let unknown: Vec<String> = body
        .document()
        .root()
        .members()
        .map(|member| member.name())
        .filter(|name| known::takes(api, name) == Some(false))
        .map(std::borrow::Cow::into_owned)
        .collect();
    for field in unknown {
        body.remove_field(&field);
    }
}

impl RequestParams {
    /// Lowers and raises the client's numbers. What is no number is left to the frontend, which refuses it.
    fn limit(&self, api: Api, body: &mut RequestBody) {
        if let Some(limit) = self.0.max_tokens_limit {
            for field in token_fields(api) {
                cap(body, field, limit);
            }
        }
        if let Some(limit) = self.0.max_n {
            for field in ["n", "best_of"] {
                cap(body, field, limit);
            }
        }
        if let Some(Bounds { min, max }) = self.0.temperature
            && let Some(value) = number(body, "temperature")
        {
            let bound = match (min, max) {
                (Some(min), _) if value < min => min,
                (_, Some(max)) if value > max => max,
                _ => return,
            };
            body.set_field("temperature", Value::from(bound).to_string());
        }
    }

    fn write(&self, api: Api, body: &mut RequestBody) {
        let absent =
            |body: &RequestBody, field: &str| body.field(field).is_none_or(|raw| raw == "null");
        let fits =
            |field: &str| known::takes(api, field) != Some(false) || !known::is_listed(field);
        for (field, value) in &self.0.defaults {
            if fits(field) && absent(body, field) {
                body.set_field(field, value.to_string());
            }
        }
        for (field, value) in &self.0.overrides {
            if fits(field) {
                body.set_field(field, value.to_string());
            }
        }
        let fields = token_fields(api);
        if let Some(default) = self.0.default_max_tokens
            && let Some(field) = fields.first()
            && fields.iter().all(|field| absent(body, field))
        {
            body.set_field(field, default.to_string());
        }
    }
}

/// The fields that limit the answer's tokens; the first is the one to set.
fn token_fields(api: Api) -> &'static [&'static str] {
    match api {
        Api::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        Api::Completions | Api::Messages => &["max_tokens"],
        Api::Responses => &["max_output_tokens"],
        _ => &[],
    }
}

fn number(body: &RequestBody, field: &str) -> Option<f64> {
    serde_json::from_str(&body.field(field)?).ok()
}

fn cap(body: &mut RequestBody, field: &str, limit: u64) {
    let over = match body
        .field(field)
        .map(|raw| serde_json::from_str::<u64>(&raw))
    {
        Some(Ok(value)) => value > limit,
        // Beyond 64 bits, with a fraction or an exponent: near enough as a float.
        Some(Err(_)) => number(body, field).is_some_and(|value| value > limit as f64),
        None => false,
    };
    if over {
        body.set_field(field, limit.to_string());
    }
}

#[cfg(test)]
mod tests;
