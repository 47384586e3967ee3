//! `headers`: changes headers of the request and of the answer.

use std::collections::BTreeMap;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::{Exchange, HeaderChange};
use crate::plugin::{Flow, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

/// Changes headers of the request that goes to a frontend and of the answer that goes to the client.
///
/// The headers that frame a message or belong to one connection (`content-length`, `transfer-encoding`, `host`,
/// `connection`, ...) and the gateway's own `x-vsr-*` cannot be changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadersConfig {
    /// Changes to the request.
    #[serde(default)]
    pub request: HeaderChanges,
    /// Changes to the answer.
    #[serde(default)]
    pub response: HeaderChanges,
}

/// Changes to one header block: first `remove`, then `set`, then `append`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderChanges {
    /// Names and values that replace all values of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Names and values that are added to those that are there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub append: BTreeMap<String, String>,
    /// Names that are removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

/// The built plugin.
#[derive(Debug)]
pub struct Headers {
    request: Vec<HeaderChange>,
    response: Vec<HeaderChange>,
}

/// Framing and hop-by-hop headers (RFC 9110 section 7.6.1, RFC 9112 section 6); changing them would make the
/// two sides disagree about where a message ends.
const FIXED: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl BuiltIn for Headers {
    type Config = HeadersConfig;

    fn build(
        config: &HeadersConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let request = changes(&config.request, &format!("{path}.request"), &mut problems);
        let response = changes(&config.response, &format!("{path}.response"), &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { request, response })
    }
}

fn changes(config: &HeaderChanges, path: &str, problems: &mut Problems) -> Vec<HeaderChange> {
    let mut list = Vec::new();
    for (index, text) in config.remove.iter().enumerate() {
        if let Some(name) = name(text, &format!("{path}.remove[{index}]"), problems) {
            list.push(HeaderChange::Remove(name));
        }
    }
    type Make = fn(HeaderName, HeaderValue) -> HeaderChange;
    let with_values: [(&str, &BTreeMap<String, String>, Make); 2] = [
        ("set", &config.set, HeaderChange::Set),
        ("append", &config.append, HeaderChange::Append),
    ];
    for (what, map, make) in with_values {
        for (key, text) in map {
            let path = format!("{path}.{what}{}", key_path(key));
            let name = name(key, &path, problems);
            let value = value(text, &path, problems);
            if let (Some(name), Some(value)) = (name, value) {
                list.push(make(name, value));
            }
        }
    }
    list
}

/// A map's key as part of a path; quoted where it has characters that a path gives a meaning.
fn key_path(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !key.is_empty() && key.chars().all(plain) {
        format!(".{key}")
    } else {
        format!("[{key:?}]")
    }
}

fn name(text: &str, path: &str, problems: &mut Problems) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        problems
            .error(path, format!("{text:?} is no header name"))
            .with_hint("letters, digits and `-`");
        return None;
    };
    let lower = name.as_str();
    if FIXED.contains(&lower) {
        problems
            .error(path, format!("`{lower}` cannot be changed"))
            .with_hint("the gateway sets the headers that frame a message itself");
        return None;
    }
    if lower.starts_with("x-vsr-") {
        problems
            .error(path, format!("`{lower}` cannot be changed"))
            .with_hint("`x-vsr-*` are the gateway's own; `headers: off` in the policy hides them");
        return None;
    }
    Some(name)
}

/// The message never shows the value: it may be a secret.
fn value(text: &str, path: &str, problems: &mut Problems) -> Option<HeaderValue> {
    let visible = |b: u8| b == b'\t' || (b' '..=b'~').contains(&b);
    match HeaderValue::from_str(text) {
        Ok(mut value) if text.bytes().all(visible) => {
            value.set_sensitive(true);
            Some(value)
        }
        _ => {
            problems
                .error(path, "the value has characters that a header cannot have")
                .with_hint("visible ASCII characters and spaces, no line breaks");
            None
        }
    }
}

#[async_trait]
impl Plugin for Headers {
    fn name(&self) -> &'static str {
        "headers"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        exchange.upstream_headers.extend_from_slice(&self.request);
        exchange.response_headers.extend_from_slice(&self.response);
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests;
