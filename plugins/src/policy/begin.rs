//! From a request's bytes to an exchange.

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::body::RequestBody;
use crate::conversation::Conversation;
use crate::exchange::{Exchange, Extensions, RequestHead};
use crate::json::{Document, Kind, Value};
use crate::understand::Inspections;

use super::Policy;

impl Policy {
    /// Reads a request.
    ///
    /// # Errors
    /// 400 `invalid_json` and `invalid_request`, naming the field.
    pub fn begin(
        &self,
        id: String,
        head: RequestHead,
        api: Api,
        body: Bytes,
    ) -> Result<Exchange, ApiError> {
        let doc =
            Document::parse(body).map_err(|error| ApiError::invalid_json(error.to_string()))?;
        let root = doc.root();
        if root.kind() != Kind::Object {
            return Err(ApiError::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the body must be a JSON object",
            ));
        }
        let requested_model = model(api, root)?;
        let stream = flag(root.get("stream"), "stream")?;
        let usage_wanted = root
            .get("stream_options")
            .and_then(|options| options.get("include_usage"))
            .and_then(|usage| usage.as_bool())
            .unwrap_or(false);
        let conversation = Conversation::read(api, &doc)?;
        Ok(Exchange {
            id,
            api,
            head,
            automatic: self.automatic.contains(&requested_model),
            body: RequestBody::new(doc),
            conversation,
            requested_model,
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
            inspections: Inspections::new(self.understanding.clone()),
            warnings: Vec::new(),
            upstream_headers: Vec::new(),
            response_headers: Vec::new(),
            started: Instant::now(),
            extensions: Extensions::default(),
        })
    }
}

/// The requested model; empty where the API needs none and none is given.
fn model(api: Api, root: Value<'_>) -> Result<String, ApiError> {
    let required = api.generates() || api == Api::Embeddings;
    let bad = |message: &str| Err(ApiError::invalid_request("model", message));
    match root.get("model") {
        None if required => bad("`model` is missing"),
        None => Ok(String::new()),
        Some(value) => match value.as_str() {
            None => bad("`model` must be a string"),
            Some(name) if name.is_empty() => bad("`model` is empty"),
            Some(name) => Ok(name.into_owned()),
        },
    }
}

/// An optional boolean; `null` is as good as absent.
fn flag(value: Option<Value<'_>>, param: &str) -> Result<bool, ApiError> {
    match value {
        None => Ok(false),
        Some(value) if value.is_null() => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| {
            ApiError::invalid_request(param, format!("`{param}` must be true or false"))
        }),
    }
}

#[cfg(test)]
mod tests;
