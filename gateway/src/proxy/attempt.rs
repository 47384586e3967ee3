//! One attempt after the other: which frontend, what its failure means, whether another may try.

use std::time::Instant;

use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use super::Gateway;
use super::ctx::{Ctx, Flight};
use super::deadline::{FIRST_BYTE, STREAM_IDLE, TOTAL};
use super::fail::{GUARD_STOPPED, NO_UPSTREAM, OVERLOADED, SHUTTING_DOWN, TRY_ANOTHER};
use crate::cluster::Outcome;
use crate::cluster::config::Protocol;
use crate::snapshot::Snapshot;

impl Gateway {
    /// The next frontend for the request: one that has not been tried, else one of the next model of the fallback
    /// order.
    pub(super) fn next_peer(&self, _session: &mut Session, ctx: &mut Ctx) -> Result<Box<HttpPeer>> {
        let snapshot = std::sync::Arc::clone(&ctx.snapshot);
        let Some(flight) = ctx.flight.as_mut() else {
            return Err(Error::new_in(NO_UPSTREAM));
        };
        flight.picked = None;
        flight.fd = None;
        loop {
            let upstream = flight.model.upstream_name();
            let picked = flight
                .cluster
                .pick(upstream, flight.hash_key, &flight.tried);
            match picked {
                Ok(picked) => {
                    let mut peer = flight.cluster.peer(picked.endpoint());
                    // The replay session's deadlines tell the first byte from a pause; this one does not.
                    peer.options.read_timeout = None;
                    flight.tried.push(picked.addr());
                    flight.picked = Some(picked);
                    flight.attempts += 1;
                    flight.attempt_at = Instant::now();
                    flight.deadlines.attempt();
                    ctx.record.model = Some(std::sync::Arc::clone(&flight.model));
                    return Ok(Box::new(peer));
                }
                Err(_) if fall_back(flight, &snapshot) => {}
                Err(_) if flight.overloaded => return Err(Error::new_up(OVERLOADED)),
                Err(reason) => {
                    tracing::debug!(%reason, model = %flight.model.name, "no frontend");
                    return Err(Error::new_up(NO_UPSTREAM));
                }
            }
        }
    }

    /// Looks at an answer's head before the client sees anything of it.
    pub(super) fn judge_head(&self, head: &mut ResponseHeader, ctx: &mut Ctx) -> Result<()> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for that: `upgrade` never goes upstream.
            let why = "the frontend switches protocols unasked";
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, why).into_up());
        }
        if head.status.is_informational() {
            return Ok(());
        }
        let Some(flight) = ctx.flight.as_mut() else {
            return Ok(());
        };
        if let Some(fd) = flight.fd
            && flight.cluster.config().protocol == Protocol::H1
            && !comes_in_one_piece(head)
        {
            quick_ack(fd);
        }
        let status = head.status.as_u16();
        let outcome = match status {
            400.. => Outcome::Status(status),
            _ => Outcome::Success {
                ttfb: flight.attempt_at.elapsed(),
            },
        };
        self.settle(flight, outcome);
        flight.overloaded |= matches!(status, 503 | 529);
        let retryable = matches!(status, 503 | 529) || is_missing_model(head);
        if !retryable {
            return Ok(());
        }
        if self.may_try_again(flight, &ctx.snapshot, reason_word(status)) {
            let mut error = Error::new_up(TRY_ANOTHER);
            error.set_retry(true);
            return Err(error);
        }
        match status {
            503 | 529 => Err(Error::new_up(OVERLOADED)),
            // A 404 that no other frontend can better: the model is gone from all of them.
            _ => Err(Error::new_up(NO_UPSTREAM)),
        }
    }

    pub(super) fn connect_failed(&self, ctx: &mut Ctx, mut error: Box<Error>) -> Box<Error> {
        let Some(flight) = ctx.flight.as_mut() else {
            return error;
        };
        self.settle(flight, Outcome::ConnectFailed);
        let retry = self.may_try_again(flight, &ctx.snapshot, "connect");
        error.set_retry(retry);
        error
    }

    /// An attempt broke after the connection stood. Nothing has reached the client: another frontend may try.
    pub(super) fn attempt_failed(
        &self,
        ctx: &mut Ctx,
        mut error: Box<Error>,
        answered: bool,
        reused: bool,
    ) -> Box<Error> {
        let etype = error.etype().clone();
        if etype == TRY_ANOTHER || etype == OVERLOADED || etype == NO_UPSTREAM {
            // Judged in `judge_head`, its outcome settled there.
            error.set_retry(etype == TRY_ANOTHER);
            return error;
        }
        let Some(flight) = ctx.flight.as_mut() else {
            error.set_retry(false);
            return error;
        };
        if etype == FIRST_BYTE || etype == STREAM_IDLE || etype == TOTAL {
            // Raised by the replay session, which Pingora takes for the client's side.
            error.as_up();
            self.settle(flight, Outcome::Timeout);
            error.set_retry(false);
            return error;
        }
        if etype == GUARD_STOPPED {
            // Raised by the replay session too, and nobody's failure.
            self.settle_attempt(flight, "guard_stopped");
            error.set_retry(false);
            return error;
        }
        if etype == SHUTTING_DOWN {
            self.settle_attempt(flight, "shutting_down");
            error.set_retry(false);
            return error;
        }
        if *error.esource() != ErrorSource::Upstream {
            error.set_retry(false);
            return error;
        }
        if answered {
            self.settle(flight, Outcome::StreamError);
            error.set_retry(false);
            return error;
        }
        // A connection from the pool that the frontend had closed meanwhile says nothing about the frontend: it gets
        // one more chance, but only one, as the pool may hold more connections of a frontend that died.
        let broken = matches!(
            etype,
            ErrorType::ConnectionClosed | ErrorType::WriteError | ErrorType::ReadError
        );
        if reused && broken && !flight.stale {
            flight.stale = true;
            flight.tried.pop();
            self.settle_attempt(flight, "stale_connection");
        } else {
            self.settle(flight, Outcome::Reset);
        }
        let retry = self.may_try_again(flight, &ctx.snapshot, "reset");
        error.set_retry(retry);
        error
    }

    /// May the request go to another frontend, and is there one?
    fn may_try_again(
        &self,
        flight: &mut Flight,
        snapshot: &Snapshot,
        reason: &'static str,
    ) -> bool {
        if flight.attempts > flight.cluster.config().retries.max {
            return false;
        }
        let upstream = flight.model.upstream_name();
        let another = flight
            .cluster
            .pick(upstream, flight.hash_key, &flight.tried)
            .is_ok();
        let retry = (another || fall_back(flight, snapshot)) && flight.cluster.may_retry();
        if retry {
            let cluster = flight.cluster.config().name.as_str();
            self.metrics
                .retries
                .with_label_values(&[cluster, reason])
                .inc();
        }
        retry
    }

    fn settle(&self, flight: &Flight, outcome: Outcome) {
        if let Some(picked) = &flight.picked {
            flight.cluster.report(picked.endpoint(), outcome);
        }
        self.settle_attempt(flight, outcome_word(outcome));
    }

    fn settle_attempt(&self, flight: &Flight, word: &'static str) {
        if let Some(picked) = &flight.picked {
            self.metrics
                .attempts
                .with_label_values(&[
                    &flight.cluster.config().name,
                    &picked.addr().to_string(),
                    word,
                ])
                .inc();
        }
    }
}

/// Goes on with the next model of the fallback order that has a frontend; the body is rendered for it anew.
fn fall_back(flight: &mut Flight, snapshot: &Snapshot) -> bool {
    for model in flight.fallback.by_ref() {
        let Some(cluster) = snapshot.cluster(&model.cluster) else {
            continue;
        };
        if cluster.offers(model.upstream_name()).ready == 0 {
            continue;
        }
        // Nobody else holds the responder between attempts.
        let Ok(mut responder) = flight.responder.try_lock() else {
            return false;
        };
        let Ok(body) = snapshot.policy.render(&responder.exchange, &model) else {
            continue;
        };
        if let Some(chosen) = &mut responder.exchange.chosen {
            chosen.model = std::sync::Arc::clone(&model);
        }
        drop(responder);
        flight.body = body;
        flight.cluster = std::sync::Arc::clone(cluster);
        flight.model = model;
        flight.tried.clear();
        return true;
    }
    false
}

/// Dynamo's two 404s say "not here", not "no such page": one with a flat JSON error, one with nothing at all where
/// no worker of any model is connected.
fn is_missing_model(head: &ResponseHeader) -> bool {
    head.status.as_u16() == 404
}

fn reason_word(status: u16) -> &'static str {
    match status {
        503 => "503",
        529 => "529",
        _ => "404",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success { .. } => "ok",
        Outcome::ConnectFailed => "connect_failed",
        Outcome::Reset => "reset",
        Outcome::Status(503) => "503",
        Outcome::Status(529) => "529",
        Outcome::Status(400..=499) => "4xx",
        Outcome::Status(_) => "5xx",
        Outcome::Timeout => "timeout",
        Outcome::StreamError => "stream_error",
    }
}

/// Does the answer's body come with its head? Servers write a short body whose length they know in one go with it, so
/// nothing waits for our acknowledgement.
fn comes_in_one_piece(head: &ResponseHeader) -> bool {
    /// Less than the 14,600 bytes that TCP sends before the first acknowledgement (RFC 6928).
    const SHORT: u64 = 8 * 1024;
    let length = head.headers.get(http::header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= SHORT)
}

/// Asks the kernel to acknowledge what has come at once.
///
/// Dynamo's sockets lack `TCP_NODELAY`: behind the head of an answer, its first event waits for our delayed
/// acknowledgement, about 40 ms. One `TCP_QUICKACK` when the head is here sends it now. Setting it before the
/// request has no effect.
fn quick_ack(fd: std::os::fd::RawFd) {
    let on: libc::c_int = 1;
    // SAFETY: `fd` is the socket of the upstream connection, handed over by Pingora in `connected_to_upstream` and
    // open until this attempt ends; we are called during the attempt. The pointer and length describe `on`, which
    // lives across the call. A failure (a socket that is no TCP) has no effect, so the result needs no look.
    unsafe {
        libc::setsockopt(
            fd,
            libc::IPPROTO_TCP,
            libc::TCP_QUICKACK,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}
