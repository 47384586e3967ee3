//! Dynamo's flat error form.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::SimBody;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON answer.
pub(crate) fn json_response(
    status: StatusCode,
    body: impl Into<bytes::Bytes>,
) -> Response<SimBody> {
    let mut response = Response::new(SimBody::full(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An answer without body and content type.
pub(crate) fn empty(status: StatusCode) -> Response<SimBody> {
    let mut response = Response::new(SimBody::empty());
    *response.status_mut() = status;
    response
}

/// `{"message","type","code"}` with that status.
pub(crate) fn flat(status: StatusCode, message: &str) -> Response<SimBody> {
    json_response(status, flat_body(status, message))
}

fn flat_body(status: StatusCode, message: &str) -> String {
    let kind = match status.as_u16() {
        529 => "Overloaded",
        _ => status.canonical_reason().unwrap_or("UnknownError"),
    };
    json!({"message": message, "type": kind, "code": status.as_u16()}).to_string()
}

/// The event of a worker that died in mid-stream.
pub(crate) fn error_event(code: u16) -> String {
    let (kind, message) = match code {
        503 => (
            "service_unavailable",
            "Stream ended before generation completed",
        ),
        504 => ("gateway_timeout", "Request deadline exceeded"),
        _ => ("internal_server_error", "The worker failed"),
    };
    let event = json!({"error": {"message": message, "type": kind, "code": code}});
    format!("data: {event}\n\n")
}
