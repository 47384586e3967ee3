//! The GET routes: health, models, readiness, metrics.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::error::{empty, flat, json_response};
use crate::fault::FaultKind;
use crate::fields::Api;
use crate::state::{Model, State};

pub(crate) fn answer(state: &Arc<State>, path: &str) -> Response<SimBody> {
    state.probes.fetch_add(1, Ordering::Relaxed);
    match path {
        "/health" => health(state),
        "/live" => ok(&json!({"status": "live", "message": "Service is live"})),
        "/metrics" => metrics(state),
        "/v1/models" => {
            let models = reachable(state);
            let ready = models.iter().filter(|model| is_ready(state, model));
            ok(&json!({"object": "list", "data": ready.map(|m| listing(m)).collect::<Vec<_>>()}))
        }
        _ => match path.strip_prefix("/v1/models/") {
            Some(rest) => one_model(state, &percent_decode(rest)),
            None if Api::of_path(path).is_some() => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                let post = HeaderValue::from_static("POST");
                response.headers_mut().insert(ALLOW, post);
                response
            }
            None => empty(StatusCode::NOT_FOUND),
        },
    }
}

fn ok(value: &Value) -> Response<SimBody> {
    json_response(StatusCode::OK, value.to_string())
}

/// Models with at least one worker of some kind.
fn reachable(state: &State) -> Vec<Arc<Model>> {
    match state.fault().kind {
        FaultKind::NoWorkers => Vec::new(),
        _ => state.models(),
    }
}

/// Whether all workers that a model needs are there.
pub(crate) fn is_ready(state: &State, model: &Model) -> bool {
    model.ready.load(Ordering::Acquire) && state.fault().kind != FaultKind::ModelNotReady
}

/// As in Dynamo: healthy even without any worker.
fn health(state: &State) -> Response<SimBody> {
    let endpoints: Vec<String> = reachable(state)
        .iter()
        .map(|model| format!("dyn://simulated.{}.generate", model.name))
        .collect();
    ok(&json!({
        "status": "healthy",
        "message": "Service is healthy",
        "endpoints": endpoints,
        "instances": [],
    }))
}

fn listing(model: &Model) -> Value {
    json!({"id": model.name, "object": "model", "created": 0, "owned_by": "nvidia"})
}

fn one_model(state: &State, rest: &str) -> Response<SimBody> {
    let (name, ready_asked) = match rest.strip_suffix("/ready") {
        Some(name) => (name, true),
        None => (rest, false),
    };
    let models = reachable(state);
    let Some(model) = models.iter().find(|model| model.name == name) else {
        return flat(StatusCode::NOT_FOUND, "Model not found");
    };
    match (ready_asked, is_ready(state, model)) {
        (false, _) => ok(&listing(model)),
        (true, true) => ok(&json!({"model": name, "ready": true, "missing_worker_types": []})),
        (true, false) => json_response(
            StatusCode::SERVICE_UNAVAILABLE,
            json!({"model": name, "ready": false, "missing_worker_types": ["decode"]}).to_string(),
        ),
    }
}

fn metrics(state: &State) -> Response<SimBody> {
    let active = state.active.load(Ordering::Acquire);
    let mut text = String::new();
    for name in ["active_requests", "inflight_requests"] {
        let _ = writeln!(
            text,
            "# TYPE dynamo_frontend_{name} gauge\ndynamo_frontend_{name} {active}"
        );
    }
    text.push_str("# TYPE dynamo_frontend_model_ready gauge\n");
    for model in reachable(state) {
        let ready = u8::from(is_ready(state, &model));
        // A JSON string is a valid label value: both escape `"` and `\` alike.
        let _ = writeln!(
            text,
            "dynamo_frontend_model_ready{{model={}}} {ready}",
            model.json
        );
    }
    let _ = writeln!(
        text,
        "# TYPE dynamo_frontend_requests_total counter\ndynamo_frontend_requests_total {}",
        state.total.load(Ordering::Acquire)
    );
    let mut response = Response::new(SimBody::full(text.into()));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Decodes `%2F` and the like; what is no escape stays.
fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
