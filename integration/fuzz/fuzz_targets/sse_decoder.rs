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
