#![allow(clippy::unwrap_used)]

mod annotations;
mod bodies;
mod endings;
mod said;
mod splits;
mod streams;

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use serde_json::Value;

use super::*;
use crate::api::Api;
use crate::guard::VerdictOutcome;
use crate::sse::{Event, SseDecoder};

/// The list that tests use: `secret` and `E-123456` are what must not be said.
fn rules(outcome: VerdictOutcome) -> Arc<StopRules> {
    let terms = vec![
        Term::words("WORD", ["secret"].into_iter()).unwrap(),
        Term::pattern("ID", r"E-\d{6}").unwrap(),
    ];
    Arc::new(StopRules {
        terms,
        outcome,
        shadow: false,
        hold: 64,
    })
}

fn stop_list(outcome: VerdictOutcome, json: bool) -> Box<dyn TextFilter> {
    Box::new(StopList::new(rules(outcome), SharedReport::default(), json))
}

fn rewriter(api: Api, outcome: VerdictOutcome) -> Rewriter {
    Rewriter::new(
        api,
        Box::new(move |channel| Some(stop_list(outcome, channel.is_json()))),
    )
}

/// A rewriter that looks at everything and changes nothing.
fn idle(api: Api) -> Rewriter {
    Rewriter::new(
        api,
        Box::new(|_| Some(Box::new(Restore::new(Arc::new([]), false)))),
    )
}

/// Takes a stream in chunks of `size` bytes through a rewriter; the joined output and whether it was stopped.
fn run(rewriter: &mut Rewriter, stream: &[u8], size: usize) -> (String, bool) {
    let mut decoder = SseDecoder::new();
    let mut out = Vec::new();
    let mut stopped = false;
    for chunk in stream.chunks(size.max(1)) {
        for event in decoder.push(Bytes::copy_from_slice(chunk)).unwrap() {
            let done = block_on(rewriter.event(event)).unwrap();
            done.events
                .iter()
                .for_each(|event| out.extend_from_slice(event));
            stopped |= done.stopped;
        }
    }
    if let Some(rest) = decoder.finish().unwrap() {
        let done = block_on(rewriter.event(rest)).unwrap();
        done.events
            .iter()
            .for_each(|event| out.extend_from_slice(event));
        stopped |= done.stopped;
    }
    let done = block_on(rewriter.end()).unwrap();
    done.events
        .iter()
        .for_each(|event| out.extend_from_slice(event));
    (String::from_utf8(out).unwrap(), stopped | done.stopped)
}

/// The events of a stream: name and data.
fn events(stream: &str) -> Vec<(String, Value)> {
    let mut decoder = SseDecoder::new();
    let mut all = decoder
        .push(Bytes::copy_from_slice(stream.as_bytes()))
        .unwrap();
    all.extend(decoder.finish().unwrap());
    let read = |bytes: &Bytes| {
        let event = Event::parse(bytes);
        let name = event.name.unwrap_or_default().into_owned();
        let data = event.data?;
        let value = match data.trim() {
            "[DONE]" => Value::from("[DONE]"),
            data => serde_json::from_str(data).unwrap(),
        };
        Some((name, value))
    };
    all.iter().filter_map(read).collect()
}
