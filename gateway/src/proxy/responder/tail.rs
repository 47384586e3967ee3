//! The end of an answer that passes by, kept for the `usage` in it.

use std::collections::VecDeque;

use bytes::Bytes;
use commutator_plugins::sse::{Usage, usage_of};
use memchr::memmem;
use serde_json::value::RawValue;

/// How much of an answer's end is kept. An answer states its usage last, so this is enough of a long one (the vectors
/// of a batch of embeddings, megabytes of them).
const WINDOW: usize = 256 * 1024;

/// The last chunks of a body.
#[derive(Debug)]
pub(super) struct Tail {
    chunks: VecDeque<Bytes>,
    size: usize,
    /// Nothing has been dropped yet.
    whole: bool,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self {
            chunks: VecDeque::new(),
            size: 0,
            whole: true,
        }
    }

    /// Takes the next chunk, and drops what is no longer needed.
    pub(super) fn push(&mut self, chunk: Bytes) {
        self.size += chunk.len();
        self.chunks.push_back(chunk);
        while let Some(first) = self.chunks.front()
            && self.size - first.len() >= WINDOW
        {
            self.size -= first.len();
            self.whole = false;
            self.chunks.pop_front();
        }
    }

    /// The usage that the answer states.
    pub(super) fn usage(&mut self) -> Usage {
        let joined: &[u8] = match self.chunks.make_contiguous() {
            [] => return Usage::default(),
            [one] => one,
            many => &many.concat(),
        };
        let found = match self.whole {
            true => std::str::from_utf8(joined).ok().and_then(usage_of),
            false => last_usage(joined),
        };
        found.unwrap_or_default()
    }
}

/// The last `usage` in the end of a document. Text cannot be mistaken for it: a quote inside a string stands behind a
/// backslash, and so `"usage"` with both quotes bare is a key or a whole string.
fn last_usage(end: &[u8]) -> Option<Usage> {
    const KEY: &[u8] = b"\"usage\"";
    let value = &end[memmem::rfind(end, KEY)? + KEY.len()..];
    let value = value.trim_ascii_start().strip_prefix(b":")?;
    let mut values = serde_json::Deserializer::from_slice(value).into_iter::<&RawValue>();
    let usage = values.next()?.ok()?.get();
    usage_of(&format!(r#"{{"usage":{usage}}}"#))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn usage_in(body: &str, chunk: usize) -> Usage {
        let mut tail = Tail::new();
        for piece in body.as_bytes().chunks(chunk) {
            tail.push(Bytes::copy_from_slice(piece));
            assert!(tail.size < WINDOW + chunk);
        }
        tail.usage()
    }

    #[test]
    fn usage_is_found_in_short_and_long_answers() {
        for size in [10, WINDOW - 100, WINDOW, 3 * WINDOW] {
            let body = format!(
                r#"{{"text":"{} \"usage\":{{\"prompt_tokens\":9}}","usage" : {{"prompt_tokens":3,"completion_tokens":5}},"z":[]}}"#,
                "\u{e9}".repeat(size / 2)
            );
            for chunk in [1000, 65_536, 1 << 20] {
                let usage = usage_in(&body, chunk);
                assert_eq!((usage.prompt, usage.completion), (3, 5), "{size} {chunk}");
            }
        }
    }

    #[test]
    fn an_answer_without_usage_has_none() {
        let long = "x".repeat(2 * WINDOW);
        for body in [
            String::new(),
            "{}".to_owned(),
            format!(r#"{{"text":"{long}"}}"#),
            format!(r#"{{"text":"{long}","usage":"#),
            format!(r#"{{"text":"{long}","x":"usage"}}"#),
        ] {
            assert_eq!(usage_in(&body, 50_000), Usage::default());
        }
    }
}
