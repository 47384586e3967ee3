//! JSON text, however it is cut, as what its strings mean.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

/// A number or word is waited for so long, in bytes.
const LONGEST: usize = 64;

/// What a piece of JSON text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Characters of a string.
    Text,
    /// A number, `true`, `false` or `null`: one thing that cannot be cut.
    Token,
    /// Digits of a number without end.
    Digits,
    /// What is no JSON at all.
    Bare,
    /// Quotes, brackets, commas, spaces.
    Structure,
}

/// A piece of JSON text.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) kind: Kind,
    /// How long it reads, in bytes.
    pub(super) len: usize,
    /// How much has been read up to its end.
    pub(super) end: usize,
    /// How one character is written; `None` where it is written as it reads.
    pub(super) raw: Option<Box<str>>,
}

impl Run {
    /// May it be cut between any two characters?
    pub(super) fn is_loose(&self) -> bool {
        self.kind != Kind::Token && self.raw.is_none()
    }
}

#[derive(Debug, Default)]
enum State {
    /// Outside of strings.
    #[default]
    Outside,
    /// In a number or word, which has begun like this.
    Token(String),
    /// In one that has no end.
    Endless(Kind),
    /// In a string.
    Inside,
    /// In an escape, which has begun like this.
    Escape(String),
}

/// Reads JSON text as it comes.
#[derive(Debug, Default)]
pub(super) struct Unescape {
    state: State,
    /// How much has been read.
    read: usize,
    /// What has been read and not been taken.
    pub(super) runs: VecDeque<Run>,
}

impl Unescape {
    /// Reads more text; what it means goes to `plain`.
    pub(super) fn push(&mut self, text: &str, plain: &mut String) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let mut length = first.len_utf8();
            match &mut self.state {
                State::Inside => match memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
                    Some(0) if first == '"' => {
                        self.state = State::Outside;
                        self.same(Kind::Structure, "\"", plain);
                    }
                    Some(0) => self.state = State::Escape("\\".to_owned()),
                    end => {
                        length = end.unwrap_or(rest.len());
                        self.same(Kind::Text, &rest[..length], plain);
                    }
                },
                State::Escape(held) => {
                    held.push(first);
                    self.escape(plain);
                }
                State::Outside if !is_structure(first) => {
                    self.state = State::Token(first.to_string());
                }
                State::Token(held) if !is_structure(first) => {
                    held.push(first);
                    if held.len() >= LONGEST {
                        self.endless(plain);
                    }
                }
                State::Endless(kind) if !is_structure(first) => {
                    let kind = *kind;
                    self.same(kind, &rest[..length], plain);
                }
                State::Outside | State::Token(_) | State::Endless(_) => {
                    self.token(plain);
                    if first == '"' {
                        self.state = State::Inside;
                    }
                    self.same(Kind::Structure, &rest[..length], plain);
                }
            }
            rest = &rest[length..];
        }
    }

    /// The text is over: what was begun stays as it is. Another text may follow.
    pub(super) fn finish(&mut self, plain: &mut String) {
        if let State::Escape(held) = &mut self.state {
            let held = mem::take(held);
            self.same(Kind::Text, &held, plain);
        }
        self.token(plain);
    }

    fn same(&mut self, kind: Kind, text: &str, plain: &mut String) {
        if text.is_empty() {
            return;
        }
        plain.push_str(text);
        self.read += text.len();
        match self.runs.back_mut() {
            Some(last) if last.kind == kind && last.is_loose() => {
                last.len += text.len();
                last.end = self.read;
            }
            _ => self.run(kind, text.len(), None),
        }
    }

    fn run(&mut self, kind: Kind, len: usize, raw: Option<Box<str>>) {
        self.runs.push_back(Run {
            kind,
            len,
            end: self.read,
            raw,
        });
    }

    /// The borders around `cut`, which counts from the beginning of what has not been taken.
    pub(super) fn border(&self, cut: usize) -> Range<usize> {
        let Some(first) = self.runs.front() else {
            return cut..cut;
        };
        let taken = first.end - first.len;
        let index = self.runs.partition_point(|run| run.end <= taken + cut);
        match self.runs.get(index) {
            Some(run) if !run.is_loose() && run.end - run.len < taken + cut => {
                run.end - run.len - taken..run.end - taken
            }
            _ => cut..cut,
        }
    }

    /// A number or word ends, if one has begun.
    fn token(&mut self, plain: &mut String) {
        if let State::Token(held) = mem::take(&mut self.state) {
            let literal = matches!(held.as_str(), "true" | "false" | "null");
            let kind = match literal || is_number(&held) {
                true => Kind::Token,
                false => Kind::Bare,
            };
            self.same(kind, &held, plain);
        }
    }

    fn endless(&mut self, plain: &mut String) {
        if let State::Token(held) = &mut self.state {
            let held = mem::take(held);
            let kind = match is_number(&held) {
                true => Kind::Digits,
                false => Kind::Bare,
            };
            self.state = State::Endless(kind);
            self.same(kind, &held, plain);
        }
    }

    /// Reads the escape that has begun, if it is complete.
    fn escape(&mut self, plain: &mut String) {
        let State::Escape(held) = &mut self.state else {
            return;
        };
        let Some((length, meant)) = meaning(held) else {
            return;
        };
        let mut raw = mem::take(held);
        let rest = raw.split_off(length);
        plain.push(meant);
        self.read += meant.len_utf8();
        self.run(Kind::Text, meant.len_utf8(), Some(raw.into()));
        self.state = State::Inside;
        self.push(&rest, plain);
    }
}

fn is_structure(c: char) -> bool {
    matches!(
        c,
        '{' | '}' | '[' | ']' | ',' | ':' | '"' | ' ' | '\t' | '\n' | '\r'
    )
}

fn is_number(token: &str) -> bool {
    let part = |byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    token.bytes().all(part)
}

/// The length of the escape that `held` begins with and the character that it means; `None` while it is not complete. As
/// lenient readers have it: an escape that JSON does not know means its letter, half a surrogate pair means U+FFFD.
fn meaning(held: &str) -> Option<(usize, char)> {
    let letter = held[1..].chars().next()?;
    let meant = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return unicode(held),
        other => other,
    };
    Some((1 + letter.len_utf8(), meant))
}

fn unicode(held: &str) -> Option<(usize, char)> {
    let lone = Some((6, char::REPLACEMENT_CHARACTER));
    let high = match digits(&held[2..]) {
        Digits::Open => return None,
        Digits::None => return Some((2, 'u')),
        Digits::Are(unit) => unit,
    };
    if let Some(meant) = char::from_u32(high) {
        return Some((6, meant));
    }
    let second = &held[6..];
    if high >= 0xDC00 || !(second.starts_with(r"\u") || r"\u".starts_with(second)) {
        return lone;
    }
    match digits(second.get(2..).unwrap_or_default()) {
        Digits::Open => None,
        Digits::Are(low @ 0xDC00..=0xDFFF) => {
            let code = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            char::from_u32(code).map(|meant| (12, meant))
        }
        _ => lone,
    }
}

enum Digits {
    /// Four of them.
    Are(u32),
    /// Fewer so far.
    Open,
    /// Something else among them.
    None,
}

fn digits(text: &str) -> Digits {
    let mut code = 0;
    let mut count = 0;
    for c in text.chars().take(4) {
        let Some(digit) = c.to_digit(16) else {
            return Digits::None;
        };
        code = code * 16 + digit;
        count += 1;
    }
    match count {
        4 => Digits::Are(code),
        _ => Digits::Open,
    }
}
