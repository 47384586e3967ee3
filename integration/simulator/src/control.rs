//! `/simulator/...`: faults and state of a running process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::json;

use crate::body::SimBody;
use crate::error::{empty, flat, json_response};
use crate::fault::Fault;
use crate::state::{State, lock};

/// Answers a control request; `body` is empty for GET.
pub(crate) fn answer(
    state: &Arc<State>,
    method: &Method,
    path: &str,
    body: &Bytes,
) -> Response<SimBody> {
    match (method.as_str(), path) {
        ("POST", "/simulator/fault") => match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => {
                let text = serde_json::to_string(&fault).unwrap_or_default();
                state.set_fault(fault);
                json_response(StatusCode::OK, text)
            }
            Err(error) => flat(StatusCode::BAD_REQUEST, &format!("fault: {error}")),
        },
        ("GET", "/simulator/fault") => {
            let text = serde_json::to_string(&state.fault()).unwrap_or_default();
            json_response(StatusCode::OK, text)
        }
        ("GET", "/simulator/state") => {
            let state = json!({
                "name": state.name,
                "active": state.active.load(Ordering::Acquire),
                "total": state.total.load(Ordering::Acquire),
                "probes": state.probes.load(Ordering::Acquire),
                "connections": lock(&state.connections).len(),
                "draining": state.draining.load(Ordering::Acquire),
            });
            json_response(StatusCode::OK, state.to_string())
        }
        _ => empty(StatusCode::NOT_FOUND),
    }
}
