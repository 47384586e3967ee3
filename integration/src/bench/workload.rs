//! What is sent.

use bytes::Bytes;
use serde_json::json;

use super::entrant::Kind;

/// Models that the simulator serves: those of the example policy.
pub(super) const MODELS: &[&str] = &[
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct",
];

/// A kind of load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    /// Key in the record.
    pub(super) id: &'static str,
    /// Bytes of a request's body.
    pub(super) size: usize,
    pub(super) connections: usize,
}

/// As many requests as go through.
pub(super) const LOADS: &[Workload] = &[
    Workload {
        id: "1k",
        size: 1 << 10,
        connections: 32,
    },
    Workload {
        id: "100k",
        size: 100 << 10,
        connections: 8,
    },
];

/// One request at a time.
pub(super) const LATENCY: &[Workload] = &[
    Workload {
        id: "1k-latency",
        size: 1 << 10,
        connections: 1,
    },
    Workload {
        id: "100k-latency",
        size: 100 << 10,
        connections: 1,
    },
];

/// A prompt that the example policy's decision `math` takes. At 100 KiB `long_documents` takes it.
const OPENING: &str =
    "Please solve the equation below and explain \"why\" the roots are what they are.\n";
/// As in ordinary prompts, lines end and some characters are escaped or not ASCII.
const PROSE: &str = "The committee met on Thursday to weigh the two proposals for the river bridge.\n\
    Some members called the first one \"elegant but dear\"; others liked the café on its deck.\n\
    Nobody could say how long the old piers would hold, so they asked for another survey.\n";

/// The name that `kind` is asked for: a plain proxy passes on whatever there is.
pub(super) fn model(kind: Kind) -> &'static str {
    match kind {
        Kind::Policy | Kind::PolicyLog => "MoM",
        _ => MODELS[0],
    }
}

/// A chat completion request whose body has exactly `size` bytes.
pub(super) fn chat(model: &str, size: usize, stream: bool) -> Bytes {
    let render = |text: &str| {
        let mut body = json!({
            "model": model,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": text},
            ],
            "temperature": 0.7,
            "max_tokens": 256,
        });
        if stream {
            body["stream"] = json!(true);
        }
        body.to_string()
    };
    let mut text = OPENING.to_owned();
    let mut length = render(&text).len();
    // An escaped character takes two bytes, so the end is filled with plain ones.
    for letter in PROSE.chars().cycle() {
        if length + 4 > size {
            break;
        }
        text.push(letter);
        length += match letter {
            '\n' | '"' => 2,
            other => other.len_utf8(),
        };
    }
    text.extend(std::iter::repeat_n('x', size.saturating_sub(length)));
    render(&text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_size_that_the_table_names() {
        for size in [1 << 10, 100 << 10] {
            for model in ["MoM", MODELS[0]] {
                assert_eq!(chat(model, size, false).len(), size);
                assert_eq!(chat(model, size, true).len(), size);
            }
        }
    }
}
