//! The one place where a cause becomes an answer (CONTRACT section 6).

use commutator_plugins::api_error::ApiError;
use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

use super::deadline::{FIRST_BYTE, STREAM_IDLE, TOTAL};

/// No frontend is ready for the model.
pub(super) const NO_UPSTREAM: ErrorType = ErrorType::Custom("NoUpstream");
/// Every frontend tried answered 503 or 529.
pub(super) const OVERLOADED: ErrorType = ErrorType::Custom("UpstreamOverloaded");
/// A frontend answered one of the statuses that another frontend may answer better.
pub(super) const TRY_ANOTHER: ErrorType = ErrorType::Custom("TryAnotherFrontend");
/// A plugin failed on the answer.
pub(super) const PLUGIN_FAILED: ErrorType = ErrorType::Custom("PluginFailed");
/// A guard stopped the exchange; the responder knows what the client gets instead.
pub(super) const GUARD_STOPPED: ErrorType = ErrorType::Custom("GuardStopped");
/// The client did not send its body in time.
pub(super) const BODY_TIMEOUT: ErrorType = ErrorType::Custom("BodyTimeout");

/// Seconds after which a client may try again where nothing better is known.
const RETRY_AFTER: u32 = 1;

/// The process ends and has waited for this request as long as it may.
pub(super) const SHUTTING_DOWN: ErrorType = ErrorType::Custom("ShuttingDown");

/// What the client is told; `None` where there is no client any more.
pub(super) fn api_error(error: &Error) -> Option<ApiError> {
    let etype = error.etype();
    if *error.esource() == ErrorSource::Downstream {
        return downstream(etype);
    }
    Some(match etype {
        e if *e == FIRST_BYTE || *e == STREAM_IDLE || *e == TOTAL => ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the model did not answer in time",
        ),
        ErrorType::ReadTimedout => ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the model did not answer in time",
        ),
        e if *e == SHUTTING_DOWN => shutting_down(),
        e if *e == NO_UPSTREAM => no_upstream(),
        e if *e == OVERLOADED => overloaded(),
        e if *e == PLUGIN_FAILED => internal("plugin_failed", "a plugin failed"),
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::ConnectProxyFailure
        | ErrorType::BindError
        | ErrorType::SocketError
        | ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert => ApiError::new(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            "no frontend could be reached",
        )
        .retry_after(RETRY_AFTER),
        _ if *error.esource() == ErrorSource::Upstream => ApiError::new(
            StatusCode::BAD_GATEWAY,
            "upstream_disconnected",
            "the frontend closed the connection before it answered",
        ),
        _ => internal("internal_error", "the gateway failed"),
    })
}

fn downstream(etype: &ErrorType) -> Option<ApiError> {
    match etype {
        e if *e == FIRST_BYTE || *e == STREAM_IDLE || *e == TOTAL => Some(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the model did not answer in time",
        )),
        e if *e == SHUTTING_DOWN => Some(shutting_down()),
        e if *e == BODY_TIMEOUT => Some(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the request's body did not arrive in time",
        )),
        ErrorType::ReadTimedout => Some(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the request's body did not arrive in time",
        )),
        ErrorType::ConnectionClosed
        | ErrorType::ReadError
        | ErrorType::WriteError
        | ErrorType::WriteTimedout
        | ErrorType::H2Error => None,
        _ => Some(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the request is not valid HTTP",
        )),
    }
}

pub(super) fn no_upstream() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no_upstream",
        "no frontend is ready for this model",
    )
    .retry_after(RETRY_AFTER)
}

fn shutting_down() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "shutting_down",
        "the gateway is shutting down",
    )
    .retry_after(RETRY_AFTER)
}

pub(super) fn overloaded() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "upstream_overloaded",
        "every frontend of this model is overloaded",
    )
    .retry_after(RETRY_AFTER)
}

pub(super) fn internal(code: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
}

/// How a stream that has begun says the same: an error that means "before an answer" has another name in it.
pub(super) fn in_stream(error: &Error) -> ApiError {
    match api_error(error) {
        Some(api)
            if matches!(
                api.code.as_ref(),
                "upstream_timeout" | "plugin_failed" | "shutting_down"
            ) =>
        {
            api
        }
        _ => super::responder::disconnected(),
    }
}
