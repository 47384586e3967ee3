//! From a request to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use crate::answer::{Answer, Script};
use crate::body::{Ending, Player, SimBody};
use crate::config::Pace;
use crate::error::{JSON, empty, error_event, flat, json_response};
use crate::fault::{Fault, FaultKind};
use crate::fields::Api;
use crate::record::Outcome;
use crate::server::Connection;
use crate::state::{InFlight, State};
use crate::{control, probe, request};

/// More headers than this are answered 431: hyper's limit for HTTP/1.1, which Dynamo inherits.
const MAX_HEADERS: usize = 99;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SIMULATE: HeaderName = HeaderName::from_static("x-simulate");

/// One request on one connection.
pub(crate) async fn serve(
    state: Arc<State>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, Infallible> {
    let (head, body) = request.into_parts();
    let request_id = head.headers.get(REQUEST_ID).cloned();
    let mut response = if head.uri.path().starts_with("/simulator/") {
        match read(body, state.body_limit).await {
            Ok(body) => control::answer(&state, &head.method, head.uri.path(), &body),
            Err(failure) => failure.into_answer(state.body_limit),
        }
    } else if head.method == Method::POST {
        let flight = InFlight::new(&state, state.recorder.add(&head, connection.number));
        post(&state, &connection, &head, body, flight).await
    } else if state.draining.load(Ordering::Acquire) {
        not_ready()
    } else {
        probe::answer(&state, head.uri.path())
    };
    if let Some(id) = request_id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}

fn not_ready() -> Response<SimBody> {
    flat(StatusCode::SERVICE_UNAVAILABLE, "Service is not ready")
}

async fn post(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    head: &http::request::Parts,
    body: Incoming,
    mut flight: InFlight,
) -> Response<SimBody> {
    let mut response = match answer(state, connection, head, body, &mut flight).await {
        Ok(response) | Err(response) => response,
    };
    if let Some(record) = flight.record() {
        record.set_status(response.status().as_u16());
    }
    response.body_mut().carry(flight);
    response
}

/// The error is an answer too: one that is not from a model.
async fn answer(
    state: &Arc<State>,
    connection: &Arc<Connection>,
    head: &http::request::Parts,
    body: Incoming,
    flight: &mut InFlight,
) -> Result<Response<SimBody>, Response<SimBody>> {
    if head.headers.len() > MAX_HEADERS {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(flat(status, "Too many headers"));
    }
    if state.draining.load(Ordering::Acquire) {
        return Err(not_ready());
    }
    let Some(api) = Api::of_path(head.uri.path()) else {
        return Err(empty(StatusCode::NOT_FOUND));
    };
    let fault = fault_of(state, &head.headers)
        .map_err(|message| flat(StatusCode::BAD_REQUEST, &message))?;
    if fault == FaultKind::NoWorkers || !state.has_models() {
        return Err(empty(StatusCode::NOT_FOUND));
    }
    if !is_json(&head.headers) {
        return Err(flat(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Expected request with `Content-Type: application/json`",
        ));
    }
    let body = read(body, state.body_limit).await.map_err(|failure| {
        if failure == Unread::BrokeOff {
            // Nobody is left to read the answer: that it is handed out does not make it complete.
            flight.end(Outcome::ClientLeft);
        }
        failure.into_answer(state.body_limit)
    })?;
    if let Some(record) = flight.record() {
        record.set_body(body.clone());
    }
    fail_early(&fault, connection, flight).await?;
    let parsed = request::parse(api, &body, state.strict)
        .map_err(|message| flat(StatusCode::BAD_REQUEST, &message))?;
    let Some(model) = state.model(&parsed.model) else {
        return Err(flat(StatusCode::NOT_FOUND, "Model not found"));
    };
    if fault == FaultKind::ModelNotReady || !model.ready.load(Ordering::Acquire) {
        let message = format!("Model {} is not ready: workers are missing", model.name);
        return Err(flat(StatusCode::SERVICE_UNAVAILABLE, &message));
    }

    let mut pace = state.pace();
    if let FaultKind::SlowTtft { ttft_ms } = fault {
        pace.ttft += Duration::from_millis(ttft_ms);
    }
    let cached = state.prefix_hit(model.salt, parsed.prompt.blocks());
    let answer = Answer::new(api, &state.name, &model.json, &parsed, cached, pace.tokens);
    if parsed.stream && api.streams() {
        Ok(stream(&answer, &fault, pace, connection))
    } else {
        let tokens = u32::try_from(answer.completion_tokens()).unwrap_or(u32::MAX);
        let whole = answer.unary();
        let time = pace.ttft + pace.inter_token * (tokens - 1);
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
        Ok(unary(whole.into(), &fault, pace, connection))
    }
}

/// The fault of this request: its own (header), else the one that is set.
fn fault_of(state: &State, headers: &HeaderMap) -> Result<FaultKind, String> {
    if state.request_faults
        && let Some(value) = headers.get(SIMULATE)
    {
        return Fault::from_header(value.to_str().unwrap_or_default()).map(|fault| fault.kind);
    }
    Ok(state.take_fault())
}

/// Faults that need no look at the body.
async fn fail_early(
    fault: &FaultKind,
    connection: &Connection,
    flight: &mut InFlight,
) -> Result<(), Response<SimBody>> {
    match fault {
        FaultKind::Status { code, body } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Err(match body {
                Some(body) => json_response(status, body.clone()),
                None => flat(status, "Simulated error"),
            })
        }
        FaultKind::Overload529 => {
            let status = StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Err(flat(status, "Service temporarily overloaded"))
        }
        FaultKind::HangBeforeHeaders => std::future::pending().await,
        FaultKind::CloseBeforeResponse => {
            flight.end(Outcome::Broken);
            connection.break_off(false);
            std::future::pending().await
        }
        _ => Ok(()),
    }
}

fn stream(
    answer: &Answer<'_>,
    fault: &FaultKind,
    pace: Pace,
    connection: &Arc<Connection>,
) -> Response<SimBody> {
    let mut script = answer.stream();
    let mut ending = Ending::Clean;
    match fault {
        FaultKind::HangMidStream { after } => {
            script.truncate(*after);
            ending = Ending::Hang;
        }
        FaultKind::ResetMidStream { after, rst } => {
            script.truncate(*after);
            ending = Ending::Break { rst: *rst };
        }
        FaultKind::ErrorEvent { after, code } => {
            script.drop_terminator();
            script.truncate(*after);
            script.push(&error_event(*code));
            script.push("data: [DONE]\n\n");
        }
        FaultKind::TruncatedStream { after } => {
            script.drop_terminator();
            script.truncate(after.unwrap_or(usize::MAX));
        }
        _ => {}
    }
    let player = Player::new(script, ending, pace, connection);
    let mut response = Response::new(SimBody::script(player));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn unary(
    mut whole: Bytes,
    fault: &FaultKind,
    pace: Pace,
    connection: &Arc<Connection>,
) -> Response<SimBody> {
    let ending = match fault {
        FaultKind::HangMidStream { .. } => Ending::Hang,
        FaultKind::ResetMidStream { rst, .. } => Ending::Break { rst: *rst },
        FaultKind::ErrorEvent { code, .. } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return flat(status, "Stream ended before generation completed");
        }
        _ => return json_response(StatusCode::OK, whole),
    };
    let length = whole.len();
    whole.truncate(length / 2);
    let player = Player::new(Script::raw(whole), ending, pace, connection);
    let mut response = Response::new(SimBody::script(player));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    TooLarge,
    /// The connection or the stream ended before it.
    BrokeOff,
}

impl Unread {
    fn into_answer(self, limit: usize) -> Response<SimBody> {
        match self {
            Self::TooLarge => {
                let message = format!("The request body is larger than {limit} bytes");
                flat(StatusCode::PAYLOAD_TOO_LARGE, &message)
            }
            Self::BrokeOff => flat(StatusCode::BAD_REQUEST, "The body broke off"),
        }
    }
}

/// Reads a body, without a copy where it comes in one piece.
async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, Unread> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::BrokeOff)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                let expected = first.len() + usize::try_from(body.size_hint().lower()).unwrap_or(0);
                rest.reserve(expected.min(limit) + data.len());
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        if first.len().max(rest.len()) > limit {
            return Err(Unread::TooLarge);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}
