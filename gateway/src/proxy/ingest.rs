//! Reading a request's body, whole, before a frontend is chosen.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use commutator_plugins::api_error::ApiError;
use http::{StatusCode, Version, header};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pingora::{Error, Result};

use super::fail::BODY_TIMEOUT;
use crate::bootstrap::Limits;

/// Memory set aside for a declared length before its bytes have come.
const RESERVE: usize = 4 << 20;

/// Why a body was not taken.
pub(super) enum Refusal {
    /// The client is told so; its connection cannot be used further, as the rest of the body is still on it.
    Answer(ApiError),
    /// The connection broke, or the HTTP on it is broken.
    Broken(Box<Error>),
}

impl From<Box<Error>> for Refusal {
    fn from(error: Box<Error>) -> Self {
        Self::Broken(error.into_down())
    }
}

/// 413 in CONTRACT section 6.
pub(super) fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request_too_large",
        format!("the request's body is larger than {limit} bytes"),
    )
}

/// What can be refused by looking at the head alone.
///
/// # Errors
/// The answer that the client gets.
pub(super) fn check_head(head: &RequestHeader, limits: &Limits) -> Result<(), ApiError> {
    let size: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if size > limits.header_bytes.as_usize() || head.headers.len() > limits.headers {
        return Err(ApiError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            format!(
                "more than {} headers or {} bytes of headers",
                limits.headers,
                limits.header_bytes.as_usize()
            ),
        ));
    }
    let lengths = head.headers.get_all(header::CONTENT_LENGTH).iter().count();
    let codings = head.headers.get_all(header::TRANSFER_ENCODING);
    let chunked = codings.iter().next().is_some();
    if lengths > 1 || (lengths == 1 && chunked) {
        // Two ways to say how long a body is are how requests get smuggled past a proxy (RFC 9112 section 6.3).
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the request states the length of its body more than once",
        ));
    }
    if chunked && !codings.iter().eq(["chunked"]) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "the only transfer-encoding understood here is `chunked`",
        ));
    }
    Ok(())
}

/// 415 for a body that says it is something else than JSON. A missing content type is taken for JSON, as curl's
/// users forget it.
///
/// # Errors
/// The answer that the client gets.
pub(super) fn check_content_type(head: &RequestHeader) -> Result<(), ApiError> {
    let Some(value) = head.headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = value.to_str().unwrap_or_default();
    let essence = essence.split(';').next().unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json")
        || essence
            .rsplit_once('+')
            .is_some_and(|(_, suffix)| suffix.eq_ignore_ascii_case("json"));
    if is_json {
        Ok(())
    } else {
        Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the request's content-type must be application/json",
        ))
    }
}

fn declared_length(head: &RequestHeader) -> Option<u64> {
    head.headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Reads the body whole, within the limits of size and time.
///
/// # Errors
/// 413 as soon as the size is known, 408 when the client is too slow, or what broke.
pub(super) async fn read_body(
    session: &mut Session,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Refusal> {
    let declared = declared_length(session.req_header());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(Refusal::Answer(too_large(limit)));
    }
    let head = session.req_header();
    let expects = head
        .headers
        .get(header::EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects && head.version < Version::HTTP_2 {
        // Nobody else would: Pingora answers it only once an upstream is connected.
        // But it takes any answer before the body's end, this one too, for a reason to close the connection.
        let keepalive = session.get_keepalive();
        session.downstream_session.write_continue_response().await?;
        session.set_keepalive(keepalive);
    }
    let declared = declared.and_then(|length| usize::try_from(length).ok());
    match tokio::time::timeout(
        deadline,
        collect(&mut session.downstream_session, limit, declared),
    )
    .await
    {
        Ok(body) => body,
        Err(_) => Err(Refusal::Broken(Error::new_down(BODY_TIMEOUT))),
    }
}

async fn collect(
    session: &mut ServerSession,
    limit: usize,
    declared: Option<usize>,
) -> Result<Bytes, Refusal> {
    let Some(first) = session.read_request_body().await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limit {
        return Err(Refusal::Answer(too_large(limit)));
    }
    if declared == Some(first.len()) {
        // The common case: the body came with one read, and needs no copy.
        return match session.read_request_body().await? {
            None => Ok(first),
            Some(_) => Err(Refusal::Answer(too_large(first.len()))),
        };
    }
    // What a client merely declares costs at most this much. Of a chunked body nothing is declared, and what came
    // first may be empty: a chunk's head without its data.
    let room = declared.unwrap_or(0).min(RESERVE).max(first.len());
    let mut all = BytesMut::with_capacity(room);
    all.extend_from_slice(&first);
    while let Some(chunk) = session.read_request_body().await? {
        if all.len() + chunk.len() > limit {
            return Err(Refusal::Answer(too_large(limit)));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}
