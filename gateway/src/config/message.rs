//! Words for mistakes: what `serde` reports, said so that an operator understands it.

use std::fmt;

use commutator_plugins::{problem, secret};
use serde::de::{self, Expected, Unexpected};

use super::tree::{Kind, NodeId, Scalar, Tree};

/// What went wrong, before it is put into words.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    UnknownField {
        name: String,
        expected: &'static [&'static str],
    },
    UnknownWord {
        name: String,
        expected: &'static [&'static str],
    },
    Missing(&'static str),
    /// The wrong kind of value.
    Type {
        expected: String,
    },
    /// The right kind, but a value that does not fit.
    Range {
        expected: String,
    },
    /// From a `TryFrom` or a `deserialize_with`.
    Custom(String),
    /// A literal where a reference to a secret belongs.
    SecretLiteral,
}

/// Where an error arose. `serde` does not say; whoever hands a part of the tree out notes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// At a value.
    Node(NodeId),
    /// At the key of this value.
    Key(NodeId),
    /// Inside a value made up for this node.
    Hole(NodeId),
    /// Inside a value made up for a missing field: the mapping and the place in its list of phantoms.
    Phantom(NodeId, usize),
}

/// The error type of the deserializer.
#[derive(Debug)]
pub(super) struct DeError {
    pub(super) at: Option<At>,
    pub(super) what: What,
}

impl DeError {
    pub(super) fn new(what: What) -> Self {
        Self { at: None, what }
    }

    /// Notes the place, unless one further inside is known.
    pub(super) fn or_at(mut self, at: At) -> Self {
        self.at.get_or_insert(at);
        self
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.what)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Custom(message.to_string()))
    }

    // The values in `Unexpected` are left out: the snippet shows them, and they may come from references.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Type {
            expected: expectation(&expected.to_string()),
        })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(What::Range {
            expected: expectation(&expected.to_string()),
        })
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(What::Custom(format!(
            "{length} items are the wrong number, expected {expected}"
        )))
    }

    fn unknown_variant(name: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownWord {
            name: name.to_owned(),
            expected,
        })
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self::new(What::UnknownField {
            name: name.to_owned(),
            expected,
        })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(What::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(What::Custom(format!("`{field}` is given twice")))
    }
}

const LIST: &str = "a list";
pub(super) const MAPPING: &str = "a mapping";
const NUMBER: &str = "number";
const BOOL: &str = "`true` or `false`";

/// `serde` names Rust types; this names what to write.
fn expectation(expected: &str) -> String {
    let nonzero = expected.strip_prefix("a nonzero ");
    let least = if nonzero.is_some() { 1 } else { 0 };
    let whole = |max: u64| format!("a whole number from {least} to {max}");
    match nonzero.unwrap_or(expected) {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" | "usize" => format!("a whole number from {least} up"),
        "i8" => format!("a whole number from {} to {}", i8::MIN, i8::MAX),
        "i16" => format!("a whole number from {} to {}", i16::MIN, i16::MAX),
        "i32" => format!("a whole number from {} to {}", i32::MIN, i32::MAX),
        "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => BOOL.into(),
        "a sequence" => LIST.into(),
        "a map" => MAPPING.into(),
        "unit" => "nothing".into(),
        other if other.starts_with("struct ") => MAPPING.into(),
        other => other.to_owned(),
    }
}

/// The kind of a node, as the operator sees it.
fn found(tree: &Tree, id: NodeId) -> &'static str {
    match &tree.nodes[id].kind {
        Kind::Seq(items) if items.is_empty() => "an empty list",
        Kind::Map(entries) if entries.is_empty() => "an empty mapping",
        Kind::Seq(_) => LIST,
        Kind::Map(_) => MAPPING,
        Kind::Scalar { value, text, .. } => match value {
            Scalar::Str if text.is_empty() => "an empty string",
            Scalar::Null => "nothing",
            Scalar::Bool(_) => "a boolean",
            Scalar::Int(_) | Scalar::Big(_) => "a number",
            Scalar::Float(_) => "a number with a fraction",
            Scalar::Str => "a string",
        },
    }
}

/// Message and hint for what went wrong at a node, or at its key.
pub(super) fn words(tree: &Tree, at: At, what: &What) -> (String, Option<String>) {
    let (At::Node(id) | At::Key(id) | At::Hole(id) | At::Phantom(id, _)) = at;
    match what {
        What::UnknownField { name, expected } => {
            (format!("unknown field `{name}`"), choice(name, expected))
        }
        What::UnknownWord { name, expected } => {
            let name = redact(tree, id, name);
            let kind = if matches!(at, At::Key(_)) {
                "kind"
            } else {
                "word"
            };
            (format!("unknown {kind} `{name}`"), choice(&name, expected))
        }
        What::Missing(field) => (format!("missing field `{field}`"), None),
        What::Type { expected } => {
            let message = format!("expected {expected}, found {}", found(tree, id));
            (message, type_hint(tree, id, expected))
        }
        What::Range { expected } => (range(tree, id, expected), None),
        What::Custom(text) => {
            let text = redact(tree, id, text);
            match text.split_once(problem::HINT) {
                Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
                None => (text, None),
            }
        }
        What::SecretLiteral => (
            "a secret must not stand in the file itself".into(),
            Some(secret::LITERAL_HINT.into()),
        ),
    }
}

fn range(tree: &Tree, id: NodeId, expected: &str) -> String {
    match &tree.nodes[id].kind {
        Kind::Scalar { value, text, .. } if *value != Scalar::Str => {
            let text = redact(tree, id, text);
            format!("{text} is out of range, expected {expected}")
        }
        _ => format!("not a valid value, expected {expected}"),
    }
}

fn type_hint(tree: &Tree, id: NodeId, expected: &str) -> Option<String> {
    match &tree.nodes[id].kind {
        Kind::Map(_) | Kind::Seq(_) if expected == LIST => Some("begin each item with `- `".into()),
        Kind::Map(_) | Kind::Seq(_) => None,
        Kind::Scalar {
            value,
            text,
            plain,
            expanded,
        } => match value {
            _ if expanded.is_some() => None,
            Scalar::Null if expected == LIST => Some("write `[]` for none".into()),
            Scalar::Null if expected == MAPPING => Some("write `{}` to take the defaults".into()),
            Scalar::Null => Some("give a value or remove the key".into()),
            Scalar::Str if expected == LIST => Some("begin each item with `- `".into()),
            Scalar::Str if expected == BOOL => match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" | "true" => Some("write `true`".into()),
                "no" | "off" | "n" | "false" => Some("write `false`".into()),
                _ => None,
            },
            Scalar::Str if !plain && expected.contains(NUMBER) && text.parse::<f64>().is_ok() => {
                Some(format!("remove the quotes: `{text}`"))
            }
            Scalar::Str => None,
            _ if expected == "a string" => Some(format!("put quotes around it: `\"{text}\"`")),
            _ => None,
        },
    }
}

/// Takes the values of environment variables out of a message: it may quote a password.
fn redact(tree: &Tree, id: NodeId, text: &str) -> String {
    let Kind::Scalar {
        text: value,
        expanded: Some(expanded),
        ..
    } = &tree.nodes[id].kind
    else {
        return text.to_owned();
    };
    let mut out = text.to_owned();
    let mut hide = |value: &str, shown: &str| {
        if !value.is_empty() {
            let escaped = format!("{value:?}");
            out = out.replace(value, shown);
            out = out.replace(&escaped[1..escaped.len() - 1], shown);
        }
    };
    hide(value, &expanded.written);
    for (name, value) in &expanded.used {
        // Replacing a digit or two would only garble the sentence.
        if value.chars().count() > 2 {
            hide(value, &format!("${{{name}}}"));
        }
    }
    out
}

/// "did you mean", or the list of what is allowed.
fn choice(name: &str, expected: &[&str]) -> Option<String> {
    const SHOWN: usize = 12;
    if let Some(best) = suggestion(name, expected) {
        return Some(format!("did you mean `{best}`?"));
    }
    let list: Vec<String> = expected
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if expected.len() > SHOWN { ", ..." } else { "" };
    match list.len() {
        0 => Some("nothing is expected here".into()),
        1 => Some(format!("expected {}", list[0])),
        _ => Some(format!("expected one of {}{more}", list.join(", "))),
    }
}

/// The expected name that is most like `name`, if any is like it.
pub(super) fn suggestion<'a>(name: &str, expected: &[&'a str]) -> Option<&'a str> {
    let plain = |s: &str| s.to_lowercase().replace(['-', ' ', '.'], "_");
    let name = plain(name);
    expected
        .iter()
        .map(|candidate| {
            let other = plain(candidate);
            let edits = strsim::normalized_damerau_levenshtein(&name, &other);
            // A shared beginning speaks for a shortened or lengthened word (`timeout_ms`, `timeout`).
            let prefix = strsim::jaro_winkler(&name, &other);
            (
                *candidate,
                edits.max(if prefix >= 0.88 { prefix } else { 0.0 }),
            )
        })
        .filter(|(_, score)| *score >= 0.6)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(candidate, _)| candidate)
}
