//! However a stream is split, its events are the same; together they are the stream; reading them never panics.
//!
//! Input: one byte that says how to split, then the stream.
#![no_main]

use bytes::Bytes;
use commutator_plugins::sse::{
    Event, SseDecoder, SseError, error_of, is_done, is_usage_only_chunk, usage_of,
};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 512;

fuzz_target!(|data: &[u8]| {
    let Some((&seed, stream)) = data.split_first() else {
        return;
    };
    let (whole, error) = decode(&[stream]);
    let mut chunks = Vec::new();
    let mut rest = stream;
    let mut step = usize::from(seed);
    while !rest.is_empty() {
        step = (step * 31 + 7) % 257;
        let (chunk, later) = rest.split_at((step % 17).min(rest.len()));
        chunks.push(chunk);
        rest = later;
    }
    assert_eq!(decode(&chunks), (whole.clone(), error));
    if error.is_none() {
        assert_eq!(whole.concat(), stream);
        assert_eq!(whole, naive(stream));
    }
    for bytes in &whole {
        assert!(bytes.len() <= LIMIT);
        let event = Event::parse(bytes);
        let _ = (is_done(&event), error_of(&event), event.is_comment_only());
        if let Some(data) = &event.data {
            let _ = (usage_of(data), is_usage_only_chunk(data));
        }
    }
});

/// The standard read literally: lines, and an event ends behind each blank one.
fn naive(stream: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    let (mut event, mut line, mut at) = (0, 0, 0);
    while at < stream.len() {
        let end = match &stream[at..] {
            [b'\r', b'\n', ..] => at + 2,
            [b'\r' | b'\n', ..] => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        if at == line {
            events.push(&stream[event..end]);
            event = end;
        }
        (at, line) = (end, end);
    }
    if event < stream.len() {
        events.push(&stream[event..]);
    }
    events
}

fn decode(chunks: &[&[u8]]) -> (Vec<Bytes>, Option<SseError>) {
    let mut decoder = SseDecoder::with_limit(LIMIT);
    let mut events = Vec::new();
    for chunk in chunks {
        match decoder.push(Bytes::copy_from_slice(chunk)) {
            Ok(more) => events.extend(more),
            Err(error) => return (events, Some(error)),
        }
    }
    match decoder.finish() {
        Ok(rest) => {
            events.extend(rest);
            (events, None)
        }
        Err(error) => (events, Some(error)),
    }
}
