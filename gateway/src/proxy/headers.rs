//! Header blocks: what goes upstream, and the `x-vsr-*` headers that go back (CONTRACT sections 4 and 7).

use commutator_plugins::exchange::{Exchange, HeaderChange};
use commutator_plugins::plugin::ResponsePath;
use http::{HeaderName, HeaderValue, header};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

use super::ctx::{Ctx, Flight};
use super::guards;
use crate::policy_file::HeadersMode;

/// Version of the `x-vsr-*` headers that the peer's users know.
const SCHEMA_VERSION: &str = "2";

/// Headers that concern one connection, not the request (RFC 9110 section 7.6.1), and those the gateway sets anew.
const NOT_UPSTREAM: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "accept-encoding",
    "traceparent",
    "x-request-id",
];

/// Makes the client's head into the one for the frontend that was picked.
pub(super) fn finish_request(
    head: &mut RequestHeader,
    ctx: &Ctx,
    flight: &Flight,
    client: &crate::policy_file::ClientConfig,
) -> Result<()> {
    let drop: Vec<HeaderName> = head
        .headers
        .keys()
        .filter(|name| !goes_upstream(name.as_str(), client))
        .cloned()
        .collect();
    for name in drop {
        head.remove_header(&name);
    }
    for change in &flight.upstream_headers {
        match change {
            HeaderChange::Set(name, value) => head.insert_header(name.clone(), value.clone())?,
            HeaderChange::Append(name, value) => {
                head.append_header(name.clone(), value.clone())?;
            }
            HeaderChange::Remove(name) => {
                head.remove_header(name);
            }
        }
    }
    if let Some(picked) = &flight.picked {
        head.insert_header(header::HOST, flight.cluster.host(picked.endpoint()))?;
    }
    head.insert_header(header::CONTENT_LENGTH, flight.body.len())?;
    head.insert_header(header::CONTENT_TYPE, "application/json")?;
    // Events and usage are read on the way back; frontends do not compress anyway.
    head.insert_header(header::ACCEPT_ENCODING, "identity")?;
    head.insert_header("x-request-id", ctx.id.as_str())?;
    head.insert_header("traceparent", ctx.trace.to_string())?;
    if let Some(client) = ctx.record.client {
        head.append_header("x-forwarded-for", client.ip().to_string())?;
    }
    Ok(())
}

fn goes_upstream(name: &str, client: &crate::policy_file::ClientConfig) -> bool {
    let steering = name.starts_with("x-dynamo-") || name == "x-tenant-id";
    !(name.starts_with("x-vsr-")
        || (steering && !client.pass_steering)
        || (name == "authorization" && !client.pass_authorization)
        || (name == "x-api-key" && !client.pass_authorization)
        || NOT_UPSTREAM.contains(&name))
}

/// Adds what the gateway says to a frontend's answer.
pub(super) fn finish_upstream_head(
    head: &mut ResponseHeader,
    exchange: &Exchange,
    mode: HeadersMode,
) -> Result<()> {
    for name in ["keep-alive", "proxy-connection", "x-request-id"] {
        head.remove_header(name);
    }
    // A body that is no stream has been judged by now.
    let path = match guards::stopped_answer(&exchange.verdicts) {
        true => ResponsePath::Blocked,
        false => ResponsePath::Upstream,
    };
    for (name, value) in vsr(exchange, path, mode) {
        head.insert_header(name, value)?;
    }
    head.insert_header("x-request-id", exchange.id.as_str())?;
    for change in &exchange.response_headers {
        match change {
            HeaderChange::Set(name, value) => head.insert_header(name.clone(), value.clone())?,
            HeaderChange::Append(name, value) => {
                head.append_header(name.clone(), value.clone())?;
            }
            HeaderChange::Remove(name) => {
                head.remove_header(name);
            }
        }
    }
    Ok(())
}

/// The `x-vsr-*` headers of an exchange that the pipeline has seen.
pub(super) fn vsr(
    exchange: &Exchange,
    path: ResponsePath,
    mode: HeadersMode,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut out = Vec::with_capacity(12);
    if mode == HeadersMode::Off {
        return out;
    }
    let mut add = |name: &'static str, value: &str| {
        // Names of the policy may hold any character; what a header cannot carry is left out.
        if let Ok(value) = HeaderValue::from_str(value) {
            out.push((HeaderName::from_static(name), value));
        }
    };
    add("x-vsr-schema-version", SCHEMA_VERSION);
    add("x-vsr-response-path", path.as_str());
    if let Some(chosen) = &exchange.chosen {
        if let Some(decision) = &chosen.decision {
            add("x-vsr-selected-decision", decision);
            if mode == HeadersMode::Full {
                add(
                    "x-vsr-selected-confidence",
                    &format!("{:.4}", chosen.confidence),
                );
            }
        }
        add("x-vsr-selected-model", &chosen.model.name);
    }
    for (name, value) in guards::headers(exchange) {
        add(name, &value);
    }
    if !exchange.warnings.is_empty() {
        add("x-vsr-response-warnings", &exchange.warnings.join(","));
    }
    if mode == HeadersMode::Minimal {
        return out;
    }
    if let Some(category) = &exchange.category {
        add("x-vsr-selected-category", category);
    }
    if let Some(reasoning) = &exchange.reasoning {
        add(
            "x-vsr-selected-reasoning",
            if reasoning.enabled { "on" } else { "off" },
        );
    }
    add(
        "x-vsr-injected-system-prompt",
        if exchange.system_prompt_injected {
            "true"
        } else {
            "false"
        },
    );
    for (kind, names) in &exchange.matched {
        let Some(name) = matched_header(kind) else {
            continue;
        };
        if !names.is_empty() {
            add(name, &names.join(","));
        }
    }
    out
}

/// The header that lists the rules of one kind of signal that matched.
fn matched_header(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "keywords" => "x-vsr-matched-keywords",
        "language" => "x-vsr-matched-language",
        "context" => "x-vsr-matched-context",
        "conversation" => "x-vsr-matched-conversation",
        "metadata" => "x-vsr-matched-metadata",
        "domains" => "x-vsr-matched-domains",
        "embeddings" => "x-vsr-matched-embeddings",
        "complexity" => "x-vsr-matched-complexity",
        "fact-check" => "x-vsr-matched-fact-check",
        "jailbreak" => "x-vsr-matched-jailbreak",
        "pii" => "x-vsr-matched-pii",
        _ => return None,
    })
}
