//! A borrowed view of a JSON document: one pass, no copies, every value known by its byte range.
//!
//! The gateway forwards the client's own bytes and changes only ranges of them (CONTRACT section 7), so it
//! needs positions, which `serde_json::Value` does not keep; and a round trip through `Value` costs about
//! three times as much as one scan of the bytes.

mod escape;
mod scan;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

pub use escape::decoded_range;
pub use scan::{JsonError, MAX_DEPTH, MAX_NODES};

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, kept in the client's spelling.
    Number,
    /// A string, quotes included in its range.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// One entry of the tape: a value (or an object's key) in document order.
#[derive(Debug, Clone, Copy)]
struct Node {
    start: u32,
    end: u32,
    /// Index of the first node that is not part of this value.
    next: u32,
    kind: Kind,
    /// A string with at least one backslash; an array with numbers that are not on the tape.
    escaped: bool,
}

/// A parsed document: the bytes and the tape of the values in them.
///
/// Numbers directly inside arrays are not on the tape (token-id prompts hold hundreds of thousands of them
/// and nothing looks at a single one); they are still validated.
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Bytes,
    nodes: Vec<Node>,
}

impl Document {
    /// Parses and validates `bytes` as RFC 8259 JSON.
    ///
    /// # Errors
    /// What is wrong and at which byte. Stricter than the RFC where two parsers could disagree about the same
    /// bytes: repeated keys of an object and unpaired surrogates are refused, because what the gateway checked
    /// must be what the frontend reads.
    pub fn parse(bytes: Bytes) -> Result<Self, JsonError> {
        let nodes = scan::scan(&bytes)?;
        Ok(Self { bytes, nodes })
    }

    /// The outermost value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value {
            doc: self,
            index: 0,
        }
    }

    /// The client's bytes, unchanged.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// A value inside a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'a> {
    doc: &'a Document,
    index: u32,
}

impl std::fmt::Debug for Value<'_> {
    /// Shows type and range only: the text may be a prompt.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}@{:?}", self.kind(), self.range())
    }
}

impl<'a> Value<'a> {
    fn node(&self) -> &'a Node {
        &self.doc.nodes[self.index as usize]
    }

    /// The value's type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.node().kind
    }

    /// Where the value stands in the document's bytes; a string's quotes are inside.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.node().start as usize..self.node().end as usize
    }

    /// The value's own bytes.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        // The scanner accepts only UTF-8 and cuts only at ASCII characters, so this never fails.
        std::str::from_utf8(&self.doc.bytes[self.range()]).unwrap_or_default()
    }

    /// The text of a string, borrowed where it holds no escape; `None` for other types.
    #[must_use]
    pub fn as_str(&self) -> Option<Cow<'a, str>> {
        let node = self.node();
        if node.kind != Kind::String {
            return None;
        }
        let raw = self.raw();
        if node.escaped {
            serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(&raw[1..raw.len() - 1]))
        }
    }

    /// `true` or `false`; `None` for other types.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.raw() == "true")
    }

    /// A number that is a whole, non-negative one below 2^64; `None` otherwise.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        (self.kind() == Kind::Number)
            .then(|| self.raw().parse().ok())
            .flatten()
    }

    /// A number as a float; `None` for other types.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        (self.kind() == Kind::Number)
            .then(|| self.raw().parse().ok())
            .flatten()
    }

    /// Does this array hold numbers of its own (which [`Value::items`] skips)?
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        let node = self.node();
        node.kind == Kind::Array && node.escaped
    }

    /// Is this `null`?
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The member `key` of an object; `None` where it is missing or this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.members()
            .find(|member| member.name_is(key))
            .map(|m| m.value)
    }

    /// The members of an object in document order; nothing for other types.
    #[must_use]
    pub fn members(&self) -> Members<'a> {
        let node = self.node();
        let (next, end) = match node.kind {
            Kind::Object => (self.index + 1, node.next),
            _ => (0, 0),
        };
        Members {
            doc: self.doc,
            next,
            end,
        }
    }

    /// The strings, arrays, objects, booleans and nulls of an array in document order (numbers are skipped, see
    /// [`Document`]); nothing for other types.
    #[must_use]
    pub fn items(&self) -> Items<'a> {
        let node = self.node();
        let (next, end) = match node.kind {
            Kind::Array => (self.index + 1, node.next),
            _ => (0, 0),
        };
        Items {
            doc: self.doc,
            next,
            end,
        }
    }
}

/// One `"key": value` of an object.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The key, a string.
    pub key: Value<'a>,
    /// The value.
    pub value: Value<'a>,
}

impl<'a> Member<'a> {
    /// From the key's first quote to the value's last byte.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.key.range().start..self.value.range().end
    }

    /// The key's text.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        self.key.as_str().unwrap_or_default()
    }

    /// Is the key `name`? Compared decoded: `"mod\u0065l"` is `model` to every JSON parser behind us.
    #[must_use]
    pub fn name_is(&self, name: &str) -> bool {
        if self.key.node().escaped {
            return self.name() == name;
        }
        let raw = self.key.raw();
        &raw[1..raw.len() - 1] == name
    }
}

/// Iterator over an object's members.
#[derive(Clone)]
pub struct Members<'a> {
    doc: &'a Document,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        if self.next >= self.end {
            return None;
        }
        let key = Value {
            doc: self.doc,
            index: self.next,
        };
        let value = Value {
            doc: self.doc,
            index: self.next + 1,
        };
        self.next = value.node().next;
        Some(Member { key, value })
    }
}

/// Iterator over an array's items.
#[derive(Clone)]
pub struct Items<'a> {
    doc: &'a Document,
    next: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.next >= self.end {
            return None;
        }
        let value = Value {
            doc: self.doc,
            index: self.next,
        };
        self.next = value.node().next;
        Some(value)
    }
}

/// `text` as a JSON string, quotes included.
#[must_use]
pub fn quote(text: &str) -> String {
    // Serialising a &str cannot fail.
    serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\""))
}
