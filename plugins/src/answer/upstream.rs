//! Errors of a frontend in OpenAI's form.

use http::StatusCode;
use serde_json::Value;

use crate::api::Api;
use crate::api_error::ApiError;

/// The longest message that is passed on, in characters.
const LONGEST_MESSAGE: usize = 4096;

/// Seconds after which a client may try again when a frontend is overloaded or has no workers: about the time in
/// which Dynamo's queues drain or a worker comes back.
const RETRY_AFTER: u32 = 1;

/// Converts the error that a frontend answered with `status` and `body`.
///
/// Dynamo's errors are flat (`{"message","type","code"}`), or empty (404 without any worker). `None` where the
/// body goes to the client as it is: it is no error, or already OpenAI's form. The message is the frontend's and
/// may quote the request: it may go to the client, but not to logs.
#[must_use]
pub fn from_upstream(status: u16, body: &[u8], api: Api) -> Option<ApiError> {
    if status < 400 {
        return None;
    }
    let json: Option<Value> = serde_json::from_slice(body).ok();
    if let Some(error) = json.as_ref().and_then(|json| json.get("error"))
        && error.get("message").is_some_and(Value::is_string)
        && !matches!(api, Api::Messages | Api::CountTokens)
    {
        return None;
    }
    let is_anthropic = json.as_ref().is_some_and(|json| json["type"] == "error");
    if matches!(api, Api::Messages | Api::CountTokens) && is_anthropic {
        return None;
    }
    let message = json.as_ref().map_or_else(|| plain(body), said);
    Some(shaped(status, message, api))
}

/// The text of an error in JSON: Dynamo's `message`, another server's `error` or `detail`.
fn said(json: &Value) -> Option<String> {
    let error = &json["error"];
    [&json["message"], &error["message"], error, &json["detail"]]
        .into_iter()
        .find_map(Value::as_str)
        .and_then(shown)
}

/// The text of an error that is no JSON; not of a proxy's page.
fn plain(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    if text.trim_start().starts_with('<') {
        return None;
    }
    shown(text)
}

fn shown(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(LONGEST_MESSAGE).collect();
    (!text.is_empty()).then_some(text)
}

/// The contract's status and code for a frontend's status.
fn shaped(status: u16, message: Option<String>, api: Api) -> ApiError {
    let known = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let error = |status, code: &'static str, default: &str| {
        ApiError::new(
            status,
            code,
            message.clone().unwrap_or_else(|| default.to_owned()),
        )
    };
    match status {
        400 | 422 => error(known, "invalid_request", "the frontend refused the request"),
        401 => error(
            known,
            "invalid_api_key",
            "the frontend refused the credentials",
        ),
        403 => error(known, "forbidden", "the frontend refused the request"),
        // Only these routes always exist: on the others an empty 404 means that the frontend lacks the route.
        404 if message.is_none()
            && matches!(
                api,
                Api::ChatCompletions | Api::Completions | Api::Embeddings | Api::Responses
            ) =>
        {
            error(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_upstream",
                "no frontend has a worker for this model",
            )
            .retry_after(RETRY_AFTER)
        }
        404 if message.is_none() => error(known, "not_found", "no frontend serves this path"),
        404 => error(known, "model_not_found", "").param("model"),
        405 => error(known, "method_not_allowed", "method not allowed"),
        408 => error(known, "request_timeout", "the request came too slowly"),
        413 => error(
            known,
            "request_too_large",
            "the request body is too large for the frontend",
        ),
        415 => error(
            known,
            "unsupported_media_type",
            "the frontend does not take this content type",
        ),
        429 => error(
            known,
            "rate_limit_exceeded",
            "the frontend limits its requests",
        )
        .retry_after(RETRY_AFTER),
        431 => error(
            known,
            "headers_too_large",
            "the request's headers are too large",
        ),
        503 | 529 => error(
            StatusCode::SERVICE_UNAVAILABLE,
            "upstream_overloaded",
            "the frontends are overloaded",
        )
        .retry_after(RETRY_AFTER),
        504 => error(
            known,
            "upstream_timeout",
            "the frontend's deadline has passed",
        ),
        _ if known.is_client_error() => {
            error(known, "invalid_request", "the frontend refused the request")
        }
        _ => error(known, "upstream_error", "the frontend failed"),
    }
}
