//! The one pass over the bytes: validates and writes the tape.

use std::collections::HashSet;

use super::{Kind, Node};

/// Values nested deeper are refused, as `serde_json` (and so the frontend) does.
pub const MAX_DEPTH: usize = 128;

/// A document with more values on its tape is refused: at 20 bytes each they would cost more memory than the
/// largest body itself. A long agent conversation with large tool schemas has a few thousand.
pub const MAX_NODES: usize = 1 << 20;

/// Objects with more keys are searched for repeated keys with a hash set instead of pair by pair.
const FEW_KEYS: usize = 16;

/// Why a document is not acceptable JSON. Never holds text of the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct JsonError {
    /// Position in the body, in bytes from its start.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// What may come next.
enum Expect {
    Value,
    /// Right after `[`.
    ItemOrEnd,
    /// Right after `{`.
    KeyOrEnd,
    Key,
    /// After a value: a comma, the container's end or the document's.
    Separator,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    /// Tape indices of the containers that are open.
    open: Vec<u32>,
}

pub(super) fn scan(bytes: &[u8]) -> Result<Vec<Node>, JsonError> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(JsonError {
            offset: 0,
            what: "document larger than 4 GiB",
        });
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(JsonError {
            offset: error.valid_up_to(),
            what: "invalid UTF-8",
        });
    }
    let mut scanner = Scanner {
        bytes,
        at: 0,
        nodes: Vec::with_capacity(32),
        open: Vec::with_capacity(8),
    };
    scanner.run()?;
    Ok(scanner.nodes)
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), JsonError> {
        let mut expect = Expect::Value;
        loop {
            self.skip_space();
            expect = match expect {
                Expect::Value => self.value()?,
                Expect::ItemOrEnd if self.peek() == Some(b']') => self.close()?,
                Expect::ItemOrEnd => self.value()?,
                Expect::KeyOrEnd if self.peek() == Some(b'}') => self.close()?,
                Expect::KeyOrEnd | Expect::Key => self.key()?,
                Expect::Separator => match self.separator()? {
                    Some(expect) => expect,
                    None => return Ok(()),
                },
            };
        }
    }

    fn error<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError {
            offset: self.at.min(self.bytes.len()),
            what,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn push(&mut self, kind: Kind, start: usize, escaped: bool) -> Result<u32, JsonError> {
        if self.nodes.len() >= MAX_NODES {
            return self.error("too many values");
        }
        // Both fit: the document is below 4 GiB and the tape below MAX_NODES.
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            start: start as u32,
            end: self.at as u32,
            next: index + 1,
            kind,
            escaped,
        });
        Ok(index)
    }

    fn in_array(&self) -> bool {
        self.open
            .last()
            .is_some_and(|&i| self.nodes[i as usize].kind == Kind::Array)
    }

    fn value(&mut self) -> Result<Expect, JsonError> {
        let start = self.at;
        match self.peek() {
            Some(b'{') => self.open_container(Kind::Object, Expect::KeyOrEnd),
            Some(b'[') => self.open_container(Kind::Array, Expect::ItemOrEnd),
            Some(b'"') => {
                let escaped = self.string()?;
                self.push(Kind::String, start, escaped)?;
                Ok(Expect::Separator)
            }
            Some(b't') => self.literal(b"true", Kind::Bool),
            Some(b'f') => self.literal(b"false", Kind::Bool),
            Some(b'n') => self.literal(b"null", Kind::Null),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                match self.open.last().map(|&i| &mut self.nodes[i as usize]) {
                    Some(array) if array.kind == Kind::Array => array.escaped = true,
                    _ => {
                        self.push(Kind::Number, start, false)?;
                    }
                }
                Ok(Expect::Separator)
            }
            Some(_) => self.error("expected a value"),
            None => self.error("unexpected end"),
        }
    }

    fn open_container(&mut self, kind: Kind, next: Expect) -> Result<Expect, JsonError> {
        if self.open.len() >= MAX_DEPTH - 1 {
            return self.error("nested too deeply");
        }
        let index = self.push(kind, self.at, false)?;
        self.open.push(index);
        self.at += 1;
        Ok(next)
    }

    fn close(&mut self) -> Result<Expect, JsonError> {
        self.at += 1;
        let Some(index) = self.open.pop() else {
            return self.error("unexpected end of a container");
        };
        let next = self.nodes.len() as u32;
        let node = &mut self.nodes[index as usize];
        node.end = self.at as u32;
        node.next = next;
        if node.kind == Kind::Object {
            self.refuse_repeated_keys(index)?;
        }
        Ok(Expect::Separator)
    }

    fn key(&mut self) -> Result<Expect, JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.error("expected a key");
        }
        let escaped = self.string()?;
        self.push(Kind::String, start, escaped)?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.error("expected a colon");
        }
        self.at += 1;
        Ok(Expect::Value)
    }

    fn separator(&mut self) -> Result<Option<Expect>, JsonError> {
        if self.open.is_empty() {
            return match self.peek() {
                None => Ok(None),
                Some(_) => self.error("unexpected text after the document"),
            };
        }
        let array = self.in_array();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(Some(if array { Expect::Value } else { Expect::Key }))
            }
            Some(b']') if array => self.close().map(Some),
            Some(b'}') if !array => self.close().map(Some),
            Some(_) => self.error("expected a comma or the end"),
            None => self.error("unexpected end"),
        }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Expect, JsonError> {
        let start = self.at;
        if !self.bytes[self.at..].starts_with(word) {
            return self.error("expected a value");
        }
        self.at += word.len();
        self.push(kind, start, false)?;
        Ok(Expect::Separator)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return self.error("expected a digit");
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if let Some(b'0'..=b'9') = self.peek() {
                return self.error("number with a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Moves behind the closing quote; says whether the string holds a backslash.
    fn string(&mut self) -> Result<bool, JsonError> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = memchr::memchr2(b'"', b'\\', rest) else {
                self.at = self.bytes.len();
                return self.error("unterminated string");
            };
            if has_control(&rest[..length]) {
                self.at += rest.iter().position(|&b| b < 0x20).unwrap_or(0);
                return self.error("control character in a string");
            }
            self.at += length + 1;
            if rest[length] == b'"' {
                return Ok(escaped);
            }
            escaped = true;
            self.escape()?;
        }
    }

    /// The part of an escape behind its backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                self.at += 1;
                match self.hex4()? {
                    0xDC00..=0xDFFF => self.error("unpaired surrogate"),
                    0xD800..=0xDBFF => {
                        if !self.bytes[self.at..].starts_with(b"\\u") {
                            return self.error("unpaired surrogate");
                        }
                        self.at += 2;
                        match self.hex4()? {
                            0xDC00..=0xDFFF => Ok(()),
                            _ => self.error("unpaired surrogate"),
                        }
                    }
                    _ => Ok(()),
                }
            }
            Some(_) => self.error("invalid escape"),
            None => self.error("unterminated string"),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|b| char::from(b).to_digit(16));
            let Some(digit) = digit else {
                return self.error("invalid escape");
            };
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }

    fn refuse_repeated_keys(&self, object: u32) -> Result<(), JsonError> {
        let mut keys: Vec<u32> = Vec::new();
        let end = self.nodes[object as usize].next;
        let mut at = object + 1;
        while at < end {
            keys.push(at);
            at = self.nodes[at as usize + 1].next;
        }
        let repeated = if keys.len() <= FEW_KEYS {
            keys.iter().enumerate().find_map(|(n, &key)| {
                keys[..n]
                    .iter()
                    .any(|&other| self.same_key(key, other))
                    .then_some(key)
            })
        } else {
            let mut seen = HashSet::with_capacity(keys.len());
            keys.iter()
                .copied()
                .find(|&key| !seen.insert(self.decoded(key)))
        };
        match repeated {
            Some(key) => Err(JsonError {
                offset: self.nodes[key as usize].start as usize,
                what: "repeated key",
            }),
            None => Ok(()),
        }
    }

    fn same_key(&self, a: u32, b: u32) -> bool {
        let (one, two) = (&self.nodes[a as usize], &self.nodes[b as usize]);
        if one.escaped || two.escaped {
            return self.decoded(a) == self.decoded(b);
        }
        self.bytes[one.start as usize..one.end as usize]
            == self.bytes[two.start as usize..two.end as usize]
    }

    fn decoded(&self, key: u32) -> std::borrow::Cow<'_, [u8]> {
        let node = &self.nodes[key as usize];
        let raw = &self.bytes[node.start as usize..node.end as usize];
        if node.escaped
            && let Ok(text) = serde_json::from_slice::<String>(raw)
        {
            return text.into_bytes().into();
        }
        raw[1..raw.len() - 1].into()
    }
}

/// Written as a fold without early exit so that the compiler vectorises it.
fn has_control(bytes: &[u8]) -> bool {
    bytes
        .chunks(256)
        .any(|chunk| chunk.iter().fold(false, |found, &b| found | (b < 0x20)))
}
