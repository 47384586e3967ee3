//! Exchanges for the tests of plugins and signals, made from a body alone.

use std::time::Instant;

use bytes::Bytes;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::body::RequestBody;
use crate::conversation::Conversation;
use crate::exchange::{Exchange, Extensions, RequestHead};
use crate::json::Document;
use crate::understand::Inspections;

/// An exchange as the gateway makes it from a request to `api` with this body, before any decision.
///
/// # Errors
/// What the gateway answers to a body that is not acceptable.
pub fn exchange(api: Api, body: &str) -> Result<Exchange, ApiError> {
    let doc = Document::parse(Bytes::copy_from_slice(body.as_bytes()))
        .map_err(|error| ApiError::invalid_json(error.to_string()))?;
    let conversation = Conversation::read(api, &doc)?;
    let root = doc.root();
    let flag = |name: &str| root.get(name).and_then(|value| value.as_bool());
    let model = root.get("model").and_then(|model| model.as_str());
    let requested_model = model.map(std::borrow::Cow::into_owned).unwrap_or_default();
    let stream = flag("stream").unwrap_or(false);
    let usage_wanted = root
        .get("stream_options")
        .and_then(|options| options.get("include_usage")?.as_bool())
        .unwrap_or(false);
    Ok(Exchange {
        id: "test".to_owned(),
        api,
        head: RequestHead::default(),
        body: RequestBody::new(doc),
        conversation,
        requested_model,
        automatic: false,
        stream,
        usage_wanted,
        chosen: None,
        matched: Vec::new(),
        category: None,
        reasoning: None,
        system_prompt_injected: false,
        findings: Vec::new(),
        verdicts: Vec::new(),
        thoughts: Vec::new(),
        reroute: None,
        inspections: Inspections::default(),
        warnings: Vec::new(),
        upstream_headers: Vec::new(),
        response_headers: Vec::new(),
        started: Instant::now(),
        extensions: Extensions::default(),
    })
}

/// The body as a frontend would get it.
///
/// # Panics
/// Where edits contradict each other, or where the result is not UTF-8.
#[must_use]
#[allow(clippy::unwrap_used)]
pub fn rendered(exchange: &Exchange) -> String {
    String::from_utf8(exchange.body.render(&[]).unwrap().to_vec()).unwrap()
}
