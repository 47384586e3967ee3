//! One round of questions to one endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::StatusCode;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::upstreams::peer::HttpPeer;
use serde::Deserialize;

use super::{ListedModel, Probed, State, Verdict};
use crate::cluster::peer::PeerTemplate;

/// Asks the endpoints of one cluster. The connections are kept between rounds.
pub(in crate::cluster) struct Prober {
    connector: Arc<Connector>,
    template: PeerTemplate,
    models: Vec<String>,
    timeout: Duration,
}

/// The longest answer that is read. A listing has about 200 bytes a model.
const MAX_ANSWER: usize = 1 << 20;

/// Tries on kept connections that turn out to be closed.
const MAX_STALE: usize = 4;

/// Why an endpoint gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cluster) enum ProbeError {
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    #[error("{0}")]
    Connection(String),
    #[error("the answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

struct Answer {
    status: StatusCode,
    body: BytesMut,
}

impl Prober {
    /// Asks over connections that probers of other clusters may share: a frontend is often in several.
    pub(in crate::cluster) fn new(
        connector: Arc<Connector>,
        template: PeerTemplate,
        models: Vec<String>,
        timeout: Duration,
    ) -> Self {
        Self {
            connector,
            template,
            models,
            timeout,
        }
    }

    /// The connections, for another prober.
    pub(in crate::cluster) fn connector(&self) -> Arc<Connector> {
        Arc::clone(&self.connector)
    }

    /// Asks for the listing and for each model of the policy. A model that was not ready in the
    /// round `before` is not asked for again until it is listed: Dynamo lists what is ready, and
    /// logs an error for each question that it answers with 503.
    ///
    /// # Errors
    /// When the endpoint does not answer; an answer that says "no" is a result.
    pub(in crate::cluster) async fn round(
        &self,
        addr: SocketAddr,
        before: &Probed,
    ) -> Result<Probed, ProbeError> {
        let answer = self.get(addr, "/v1/models").await?;
        let listed = match listing(&answer) {
            Ok(listed) => listed,
            Err(state) => return Ok(Probed::without_models(state)),
        };
        let mut verdicts = BTreeMap::new();
        for model in &self.models {
            let is_listed = listed.iter().any(|l| l.id == *model);
            let verdict = match before.verdicts.get(model) {
                Some(Verdict::NotReady(reason)) if !is_listed => Verdict::NotReady(reason.clone()),
                _ => verdict(&self.get(addr, &ready_path(model)).await?, is_listed),
            };
            verdicts.insert(model.clone(), verdict);
        }
        let mut probed = Probed {
            state: State::Ready,
            listed,
            verdicts,
        };
        if probed.served().is_empty() {
            let reason = why_none(&probed.verdicts);
            probed.state = State::NotReady { reason };
        }
        Ok(probed)
    }

    async fn get(&self, addr: SocketAddr, path: &str) -> Result<Answer, ProbeError> {
        let peer = self.template.probe_peer(addr, self.timeout);
        tokio::time::timeout(self.timeout, self.get_unlimited(&peer, addr, path))
            .await
            .map_err(|_| ProbeError::Timeout(self.timeout))?
    }

    async fn get_unlimited(
        &self,
        peer: &HttpPeer,
        addr: SocketAddr,
        path: &str,
    ) -> Result<Answer, ProbeError> {
        let mut stale = 0;
        loop {
            let session = self.connector.get_http_session(peer).await;
            let (session, reused) = session.map_err(|e| connection(&e))?;
            match self.exchange(session, peer, addr, path).await {
                Err(ProbeError::Connection(_)) if reused && stale < MAX_STALE => stale += 1,
                result => return result,
            }
        }
    }

    async fn exchange(
        &self,
        mut session: pingora::protocols::http::client::HttpSession,
        peer: &HttpPeer,
        addr: SocketAddr,
        path: &str,
    ) -> Result<Answer, ProbeError> {
        let mut head =
            RequestHeader::build("GET", path.as_bytes(), None).map_err(|e| connection(&e))?;
        head.insert_header(http::header::HOST, self.template.host(addr))
            .map_err(|e| connection(&e))?;
        let answer = async {
            session.write_request_header(Box::new(head)).await?;
            session.finish_request_body().await?;
            session.read_response_header().await?;
            let status = session.response_header().map(|head| head.status);
            let mut body = BytesMut::new();
            while body.len() <= MAX_ANSWER
                && let Some(chunk) = session.read_response_body().await?
            {
                body.extend_from_slice(&chunk);
            }
            Ok((status.unwrap_or_default(), body))
        };
        let (status, body) = answer
            .await
            .map_err(|error: Box<pingora::Error>| connection(&error))?;
        if body.len() > MAX_ANSWER {
            return Err(ProbeError::TooLong);
        }
        self.connector
            .release_http_session(session, peer, peer.options.idle_timeout)
            .await;
        Ok(Answer { status, body })
    }
}

fn connection(error: &pingora::Error) -> ProbeError {
    let mut text = error.etype().as_str().to_owned();
    if let Some(context) = &error.context {
        text = format!("{text}: {context}");
    }
    if let Some(cause) = &error.cause {
        text = format!("{text}: {cause}");
    }
    ProbeError::Connection(text)
}

/// The path to ask for one model. Dynamo takes slashes in a name as they are; the rest is written
/// so that any name makes a valid path.
fn ready_path(model: &str) -> String {
    let mut path = String::from("/v1/models/");
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path.push_str("/ready");
    path
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<ListedModel>,
}

/// The listing, or the state of an endpoint that gives none.
fn listing(answer: &Answer) -> Result<Vec<ListedModel>, State> {
    let not_ready = |reason: String| State::NotReady { reason };
    match answer.status {
        StatusCode::OK => serde_json::from_slice::<Listing>(&answer.body)
            .map(|listing| listing.data)
            .map_err(|error| not_ready(format!("its model list cannot be read: {error}"))),
        StatusCode::SERVICE_UNAVAILABLE => Err(State::Draining),
        // Dynamo without any worker answers 404 to much; a listing that is missing lists nothing.
        StatusCode::NOT_FOUND => Ok(Vec::new()),
        status => Err(not_ready(format!("GET /v1/models answered {status}"))),
    }
}

/// What an answer for one model means. 404 is Dynamo's "unknown model", but also the answer of a
/// server without that route: there the listing decides.
fn verdict(answer: &Answer, is_listed: bool) -> Verdict {
    match answer.status {
        status if status.is_success() => Verdict::Ready,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if is_listed => Verdict::Ready,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Verdict::NotReady("it does not list the model".to_owned())
        }
        status => Verdict::NotReady(refusal(status, &answer.body)),
    }
}

#[derive(Deserialize)]
struct Refusal {
    /// Dynamo's answer, by its own namespaces.
    #[serde(default)]
    namespaces: BTreeMap<String, Namespace>,
    #[serde(default)]
    missing_worker_types: Vec<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Namespace {
    #[serde(default)]
    missing_worker_types: Vec<String>,
}

/// A frontend's reason in one short line.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    const LONGEST: usize = 200;
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return status.to_string();
    };
    let nested = refusal.namespaces.values();
    let mut missing: Vec<&str> = nested
        .flat_map(|namespace| &namespace.missing_worker_types)
        .chain(&refusal.missing_worker_types)
        .map(String::as_str)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    let detail = match missing.as_slice() {
        [] if refusal.reason.is_empty() => refusal.message,
        [] => refusal.reason,
        missing => format!("missing worker types: {}", missing.join(", ")),
    };
    if detail.is_empty() {
        return status.to_string();
    }
    let detail: String = detail.chars().take(LONGEST).collect();
    format!("{status}, {detail}")
}

fn why_none(verdicts: &BTreeMap<String, Verdict>) -> String {
    let reason = verdicts.iter().find_map(|(model, verdict)| match verdict {
        Verdict::NotReady(reason) => Some(format!("{model}: {reason}")),
        Verdict::Ready => None,
    });
    reason.unwrap_or_else(|| "it lists no model".to_owned())
}
