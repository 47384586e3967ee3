//! Ingest: body, policy, slot; then either an answer or a flight.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use commutator_plugins::api::Api;
use commutator_plugins::api_error::ApiError;
use commutator_plugins::exchange::{Exchange, RequestHead};
use commutator_plugins::model::ModelConfig;
use commutator_plugins::plugin::Flow;
use commutator_plugins::policy::Shadows;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::sync::Mutex;
use xxhash_rust::xxh3::Xxh3;

use super::ctx::{Ctx, Flight};
use super::deadline::Deadlines;
use super::ingest::{self, Refusal};
use super::replay::{self, Replay};
use super::responder::Responder;
use super::{Gateway, fail, guards, micros};
use crate::cluster::config::{Balance, HashKey, PromptPrefix};
use crate::cluster::{Cluster, InFlight};
use crate::snapshot::Snapshot;

/// How ingestion ended, when it did not end with a broken connection.
enum Ingested {
    Answer(Box<Exchange>, commutator_plugins::plugin::Reply),
    Refuse(ApiError),
    RefuseExchange(Box<Exchange>, ApiError),
    Route(Box<Route>),
}

/// Everything the flight needs.
struct Route {
    exchange: Exchange,
    cluster: Arc<Cluster>,
    model: Arc<ModelConfig>,
    fallback: Vec<Arc<ModelConfig>>,
    body: Bytes,
    place: InFlight,
}

impl Gateway {
    /// Reads, decides, and either answers (`true`) or makes the session ready for a frontend (`false`).
    pub(super) async fn ingest(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        api: Api,
    ) -> Result<bool> {
        let limit = self.limits.body.as_usize();
        let timeout = self.limits.body_timeout.get();
        let body = match ingest::read_body(session, limit, timeout).await {
            Ok(body) => body,
            Err(Refusal::Answer(error)) => {
                session.set_keepalive(None);
                return self.refuse(session, ctx, error).await;
            }
            Err(Refusal::Broken(error)) => return Err(error),
        };
        ctx.record.request_bytes = body.len() as u64;
        let read_at = Instant::now();
        let snapshot = Arc::clone(&ctx.snapshot);
        let head = request_head(session, ctx);
        let ingested = {
            let work = decide(&snapshot, ctx.id.clone(), head, api, body);
            tokio::pin!(work);
            tokio::select! {
                biased;
                ingested = &mut work => ingested,
                // Whatever was being computed or waited for is dropped with the future.
                gone = session.downstream_session.read_body_or_idle(true) => {
                    ctx.record.client_gone = true;
                    return Err(match gone {
                        Err(error) => error.into_down(),
                        Ok(_) => Error::new_down(ErrorType::ConnectionClosed),
                    });
                }
            }
        };
        ctx.record.policy_us = micros(read_at.elapsed());
        self.metrics
            .policy_time
            .observe(read_at.elapsed().as_secs_f64());
        match ingested {
            Ingested::Refuse(error) => self.refuse(session, ctx, error).await,
            Ingested::RefuseExchange(exchange, error) => {
                let reply = commutator_plugins::plugin::Reply::Error(error);
                self.land(session, ctx, exchange, &reply).await
            }
            Ingested::Answer(exchange, reply) => self.land(session, ctx, exchange, &reply).await,
            Ingested::Route(route) => {
                self.note(ctx, &route.exchange);
                ctx.record.queue_us = micros(route.place.waited());
                take_off(session, ctx, *route, &self.metrics, &self.stage)?;
                Ok(false)
            }
        }
    }

    /// Answers without a frontend.
    async fn land(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        mut exchange: Box<Exchange>,
        reply: &commutator_plugins::plugin::Reply,
    ) -> Result<bool> {
        exchange.give_up_thoughts();
        self.note(ctx, &exchange);
        let done = self.own_reply(session, ctx, &exchange, reply).await;
        if !exchange.thoughts.is_empty() {
            let metrics = Arc::clone(&self.metrics);
            tokio::spawn(async move { guards::hear_out(&mut exchange, &metrics).await });
        }
        done
    }

    /// Keeps for the log what the exchange knows.
    fn note(&self, ctx: &mut Ctx, exchange: &Exchange) {
        ctx.stream = exchange.stream;
        ctx.record
            .requested_model
            .clone_from(&exchange.requested_model);
        if let Some(chosen) = &exchange.chosen {
            ctx.record.model = Some(Arc::clone(&chosen.model));
            ctx.record.decision.clone_from(&chosen.decision);
            ctx.record.confidence = chosen.confidence;
        }
        ctx.record.verdicts.clone_from(&exchange.verdicts);
        ctx.record.findings.clone_from(&exchange.findings);
        if let Some(shadows) = exchange.extensions.get::<Shadows>() {
            for shadow in &shadows.0 {
                let would_win = if shadow.would_win { "yes" } else { "no" };
                self.metrics
                    .shadows
                    .with_label_values(&[&*shadow.name, would_win])
                    .inc();
            }
        }
        let decision = ctx.record.decision.as_deref().unwrap_or("none");
        self.metrics.decisions.with_label_values(&[decision]).inc();
    }
}

fn request_head(session: &Session, ctx: &Ctx) -> RequestHead {
    let head = session.req_header();
    RequestHead {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers.clone(),
        client: ctx.record.client.map(|address| address.ip()),
    }
}

/// Everything between the body's last byte and the first attempt. Dropped when the client leaves.
async fn decide(
    snapshot: &Snapshot,
    id: String,
    head: RequestHead,
    api: Api,
    body: Bytes,
) -> Ingested {
    let policy = &snapshot.policy;
    let mut exchange = match policy.begin(id, head, api, body) {
        Ok(exchange) => exchange,
        Err(error) => return Ingested::Refuse(error),
    };
    match policy.run(&mut exchange, snapshot, None).await {
        Err(error) => return Ingested::RefuseExchange(Box::new(exchange), error),
        Ok(Flow::Reply(reply)) => return Ingested::Answer(Box::new(exchange), reply),
        Ok(Flow::Continue) => {}
    }
    if !snapshot.file.client.pass_steering {
        exchange.body.remove_field("nvext");
    }
    let Some(chosen) = exchange.chosen.clone() else {
        return Ingested::RefuseExchange(Box::new(exchange), fail::no_upstream());
    };
    let Some(cluster) = snapshot.cluster(&chosen.model.cluster).cloned() else {
        return Ingested::RefuseExchange(Box::new(exchange), fail::no_upstream());
    };
    let body = match policy.render(&exchange, &chosen.model) {
        Ok(body) => body,
        Err(error) => return Ingested::RefuseExchange(Box::new(exchange), error),
    };
    let place = match cluster.admit().await {
        Ok(place) => place,
        Err(_) => return Ingested::RefuseExchange(Box::new(exchange), fail::overloaded()),
    };
    Ingested::Route(Box::new(Route {
        exchange,
        cluster,
        model: chosen.model,
        fallback: chosen.fallback,
        body,
        place,
    }))
}

/// Puts the replay session in front of the real one.
fn take_off(
    session: &mut Session,
    ctx: &mut Ctx,
    route: Route,
    metrics: &Arc<crate::telemetry::metrics::Metrics>,
    stage: &Arc<crate::lifecycle::stage::Stage>,
) -> Result<()> {
    let Route {
        mut exchange,
        cluster,
        model,
        fallback,
        body,
        place,
    } = route;
    cluster.record_request();
    let timeouts = &cluster.config().timeouts;
    let some = |duration: std::time::Duration| (!duration.is_zero()).then_some(duration);
    let never = std::time::Duration::from_secs(365 * 24 * 3600);
    let deadlines = Arc::new(Deadlines::new(
        some(timeouts.first_byte.get()).unwrap_or(never),
        some(timeouts.idle.get()).unwrap_or(never),
        some(timeouts.total.get()),
    ));
    let hash_key = hash_key(&exchange, &cluster.config().balance, ctx);
    let upstream_headers = std::mem::take(&mut exchange.upstream_headers);
    let plugins = ctx.snapshot.policy.plugins_of(&exchange);
    let mode = ctx.snapshot.file.headers;
    let responder = Responder::new(exchange, plugins, mode, Arc::clone(metrics));
    let responder = Arc::new(Mutex::new(responder));
    let real = std::mem::replace(&mut session.downstream_session, replay::vacant());
    let (wrapped, slot) = Replay::wrap(
        real,
        body.clone(),
        Arc::clone(&responder),
        Arc::clone(&deadlines),
        Arc::clone(stage),
    )?;
    session.downstream_session = wrapped;
    ctx.flight = Some(Flight {
        responder,
        slot: Some(slot),
        deadlines,
        cluster,
        _place: place,
        model,
        fallback: fallback.into_iter(),
        body,
        hash_key,
        upstream_headers,
        picked: None,
        tried: Vec::new(),
        attempts: 0,
        stale: false,
        fd: None,
        overloaded: false,
        attempt_at: Instant::now(),
        reused: false,
    });
    Ok(())
}

/// Headers that name a conversation, in order of preference.
const SESSION_HEADERS: &[&str] = &[
    "x-session-id",
    "x-conversation-id",
    "x-claude-code-session-id",
];

/// The hash of what `balance.consistent_hash.key` names; `None` where the request has no such thing.
fn hash_key(exchange: &Exchange, balance: &Balance, ctx: &Ctx) -> Option<u64> {
    let Balance::ConsistentHash(hash) = balance else {
        return None;
    };
    let mut hasher = Xxh3::new();
    match &hash.key {
        HashKey::Header(name) => hasher.write(exchange.header(name)?.as_bytes()),
        HashKey::Session => {
            let id = SESSION_HEADERS
                .iter()
                .find_map(|name| exchange.header(name));
            match id {
                Some(id) => hasher.write(id.as_bytes()),
                // Requests of one conversation share its first user text.
                None => hasher.write(first_texts(exchange, 512)?.as_bytes()),
            }
        }
        HashKey::PromptPrefix(prefix) => {
            let bytes = match prefix {
                PromptPrefix::Bytes(bytes) => *bytes as usize,
                // Four bytes a token, as in the context estimate.
                PromptPrefix::Tokens(tokens) => *tokens as usize * 4,
            };
            hasher.write(first_texts(exchange, bytes)?.as_bytes());
        }
        HashKey::ApiKey => hasher.write(
            exchange
                .header("authorization")
                .or_else(|| exchange.header("x-api-key"))?
                .as_bytes(),
        ),
        HashKey::ClientIp => hasher.write(ctx.record.client?.ip().to_string().as_bytes()),
    }
    Some(hasher.finish())
}

/// The first `bytes` of what the conversation says, roles included: what a frontend's prefix cache would share.
fn first_texts(exchange: &Exchange, bytes: usize) -> Option<String> {
    let mut out = String::new();
    for (index, text) in exchange.conversation.texts.iter().enumerate() {
        out.push_str(match text.role {
            commutator_plugins::conversation::Role::User => "\u{1}",
            _ => "\u{2}",
        });
        out.push_str(exchange.text(index));
        if out.len() >= bytes {
            let mut end = bytes;
            while !out.is_char_boundary(end) {
                end -= 1;
            }
            out.truncate(end);
            break;
        }
    }
    (!out.is_empty()).then_some(out)
}
