//! However an answer's events come, rewriting them never panics, what no filter changes keeps its bytes, and a filter
//! that masks lets no word through. The same for the arguments of a tool, which are JSON: cut anywhere they come out as
//! when they come whole, JSON stays JSON, and no word is left in what its strings mean.
//!
//! Input: one byte for the API, one for the size of chunks, then a stream or body.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use commutator_plugins::answer_text::{
    Restore, RewriteError, Rewriter, SharedReport, StopList, StopRules, Term, TextFilter,
};
use commutator_plugins::api::Api;
use commutator_plugins::guard::VerdictOutcome;
use commutator_plugins::sse::{Event, SseDecoder};
use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;

const APIS: [Api; 4] = [
    Api::ChatCompletions,
    Api::Completions,
    Api::Responses,
    Api::Messages,
];

fuzz_target!(|data: &[u8]| {
    let [api, size, stream @ ..] = data else {
        return;
    };
    let api = APIS[usize::from(api % 4)];
    let size = usize::from(*size).max(1);
    let idle = || -> Box<dyn TextFilter> { Box::new(Restore::new(Arc::new([]), false)) };
    let mut rewriter = Rewriter::new(api, Box::new(move |_| Some(idle())));
    if let Some(out) = run(&mut rewriter, stream, size) {
        assert_eq!(out, stream);
    }
    for outcome in [VerdictOutcome::Masked, VerdictOutcome::Blocked] {
        let Ok(term) = Term::words("WORD", ["secret"].into_iter()) else {
            return;
        };
        let rules = Arc::new(StopRules {
            terms: vec![term],
            outcome,
            shadow: false,
            hold: 64,
        });
        let make = {
            let rules = Arc::clone(&rules);
            move |json| -> Box<dyn TextFilter> {
                Box::new(StopList::new(Arc::clone(&rules), SharedReport::default(), json))
            }
        };
        let make = Arc::new(make);
        let each = Arc::clone(&make);
        let mut rewriter = Rewriter::new(api, Box::new(move |c| Some(each(c.is_json()))));
        if let Some(out) = run(&mut rewriter, stream, size) {
            // Every event that was JSON still is.
            let mut decoder = SseDecoder::new();
            let events = decoder.push(Bytes::from(out)).unwrap_or_default();
            for event in &events {
                if let Some(data) = Event::parse(event).data.filter(|data| !data.trim().is_empty()) {
                    let json = serde_json::from_str::<serde_json::Value>(&data);
                    assert!(json.is_ok() || data.trim() == "[DONE]", "{data}");
                }
            }
        }
        let mut rewriter = Rewriter::new(api, Box::new(move |c| Some(make(c.is_json()))));
        if let Ok((body, _)) = block_on(rewriter.body(Bytes::copy_from_slice(stream))) {
            let json = serde_json::from_slice::<serde_json::Value>(&body);
            assert!(json.is_ok(), "{}", String::from_utf8_lossy(&body));
        }
        if let Ok(text) = std::str::from_utf8(stream) {
            let filter = || StopList::new(Arc::clone(&rules), SharedReport::default(), true);
            arguments(filter, text, size, outcome == VerdictOutcome::Masked);
        }
    }
});

/// Takes the arguments of a tool through, whole and in pieces.
fn arguments(filter: impl Fn() -> StopList, text: &str, size: usize, masks: bool) {
    let whole = ready(block_on(filter().whole(text)));
    let mut pieces = filter();
    let mut out = String::new();
    let mut stop = false;
    let chars: Vec<char> = text.chars().collect();
    for piece in chars.chunks(size) {
        let filtered = ready(block_on(pieces.push(&piece.iter().collect::<String>())));
        out.push_str(&filtered.text);
        stop = filtered.stop;
        if stop {
            break;
        }
    }
    if !stop {
        let rest = ready(block_on(pieces.finish()));
        out.push_str(&rest.text);
        stop = rest.stop;
    }
    assert_eq!((&out, stop), (&whole.text, whole.stop));
    if !masks || serde_json::from_str::<serde_json::Value>(text).is_err() {
        return;
    }
    match serde_json::from_str::<serde_json::Value>(&out) {
        Ok(value) => says_no_secret(&value),
        Err(error) => panic!("{error}: {out}"),
    }
}

fn ready<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn says_no_secret(value: &serde_json::Value) {
    let check = |text: &str| {
        let border = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_' || !c.is_ascii());
        let lower = text.to_ascii_lowercase();
        for (at, word) in lower.match_indices("secret") {
            let alone = border(lower[..at].chars().next_back())
                && border(lower[at + word.len()..].chars().next());
            assert!(!alone, "{text}");
        }
    };
    match value {
        serde_json::Value::String(text) => check(text),
        serde_json::Value::Array(items) => items.iter().for_each(says_no_secret),
        serde_json::Value::Object(members) => members.iter().for_each(|(name, value)| {
            check(name);
            says_no_secret(value);
        }),
        _ => {}
    }
}

/// Takes a stream through; `None` where an event cannot be read.
fn run(rewriter: &mut Rewriter, stream: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = SseDecoder::new();
    let mut out = Vec::new();
    let mut take = |event: Bytes| match block_on(rewriter.event(event)) {
        Ok(done) => {
            done.events.iter().for_each(|event| out.extend_from_slice(event));
            Some(())
        }
        Err(RewriteError::Unreadable(_) | RewriteError::TooMany) => None,
        Err(error) => panic!("{error}"),
    };
    for chunk in stream.chunks(size) {
        for event in decoder.push(Bytes::copy_from_slice(chunk)).ok()? {
            take(event)?;
        }
    }
    if let Some(rest) = decoder.finish().ok()? {
        take(rest)?;
    }
    let rest = block_on(rewriter.end()).ok()?;
    rest.events.iter().for_each(|event| out.extend_from_slice(event));
    Some(out)
}
