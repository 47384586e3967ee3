//! The JSON inside an event: cutting it out, and putting changed JSON in its place.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::json::{Document, JsonError};

/// One event and where its data stands.
pub(super) struct Frame {
    bytes: Bytes,
    /// The value of each `data:` line.
    lines: Vec<Range<usize>>,
}

/// What an event's data is.
pub(super) enum Data {
    /// There is none: a comment, or a name alone.
    None,
    /// The end marker `[DONE]`.
    Done,
    /// A document.
    Json(Document),
    /// Something else.
    Unreadable(JsonError),
}

impl Frame {
    pub(super) fn new(bytes: Bytes) -> Self {
        let lines = data_lines(&bytes);
        Self { bytes, lines }
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Does it end with a blank line? The last one of a stream that broke off may not, and what follows would become a
    /// part of it.
    pub(super) fn is_whole(&self) -> bool {
        let ends = [&b"\r\n"[..], b"\n", b"\r"];
        let line = ends.iter().find_map(|end| self.bytes.strip_suffix(*end));
        line.is_some_and(|rest| rest.is_empty() || rest.ends_with(b"\n") || rest.ends_with(b"\r"))
    }

    pub(super) fn data(&self) -> Data {
        let data = match self.lines.as_slice() {
            [] => return Data::None,
            [one] => self.bytes.slice(one.clone()),
            many => {
                let mut joined = BytesMut::new();
                for (index, line) in many.iter().enumerate() {
                    if index > 0 {
                        joined.extend_from_slice(b"\n");
                    }
                    joined.extend_from_slice(&self.bytes[line.clone()]);
                }
                joined.freeze()
            }
        };
        match data.trim_ascii() {
            b"" => return Data::None,
            b"[DONE]" => return Data::Done,
            _ => {}
        }
        match Document::parse(data) {
            Ok(doc) => Data::Json(doc),
            Err(error) => Data::Unreadable(error),
        }
    }

    /// The event with other data; all its other bytes stay.
    pub(super) fn with(&self, data: &[u8]) -> Bytes {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else {
            return self.bytes.clone();
        };
        let mut out = BytesMut::with_capacity(self.bytes.len() + data.len());
        out.extend_from_slice(&self.bytes[..first.start]);
        for (index, line) in data.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                out.extend_from_slice(b"\ndata: ");
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(&self.bytes[last.end..]);
        out.freeze()
    }
}

/// A new event; `name` where the API names its events.
pub(super) fn event(name: Option<&str>, json: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(json.len() + 64);
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\n");
    }
    for line in json.split(|byte| *byte == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.extend_from_slice(b"\n");
    }
    out.extend_from_slice(b"\n");
    out.freeze()
}

/// The values of the `data:` lines.
fn data_lines(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = match bytes.starts_with(b"\xef\xbb\xbf") {
        true => 3,
        false => 0,
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = &rest[..length];
        if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            found.push(at + length - value.len()..at + length);
        } else if line == b"data" {
            found.push(at + length..at + length);
        }
        at += length
            + if rest[length..].starts_with(b"\r\n") {
                2
            } else {
                1
            };
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sse::Event;

    fn json(bytes: &'static str) -> Document {
        match Frame::new(Bytes::from_static(bytes.as_bytes())).data() {
            Data::Json(doc) => doc,
            _ => panic!("no JSON in {bytes}"),
        }
    }

    #[test]
    fn finds_the_data_of_events_however_they_are_written() {
        for event in [
            "data: {\"a\":1}\n\n",
            "data:{\"a\":1}\r\n\r\n",
            "\u{feff}event: x\rid: 4\rdata: {\"a\":1}\r\r",
            ": hello\ndata: {\ndata: \"a\":\ndata: 1}\n\n",
            "data: {\"a\":1}",
        ] {
            assert!(json(event).root().get("a").is_some(), "{event:?}");
            let frame = Frame::new(Bytes::from_static(event.as_bytes()));
            let changed = frame.with(b"{\"b\":2}");
            let (old, new) = (Event::parse(event.as_bytes()), Event::parse(&changed));
            assert_eq!(
                (old.name, old.id, old.comment),
                (new.name, new.id, new.comment)
            );
            assert_eq!(new.data.unwrap(), "{\"b\":2}");
        }
    }

    #[test]
    fn other_data_is_told_apart() {
        let of = |event: &'static str| Frame::new(Bytes::from_static(event.as_bytes())).data();
        assert!(matches!(of(": ping\n\n"), Data::None));
        assert!(matches!(of("event: x\n\n"), Data::None));
        assert!(matches!(of("data\n\n"), Data::None));
        assert!(matches!(of("data:  [DONE] \n\n"), Data::Done));
        assert!(matches!(of("data: {\"a\":\n\n"), Data::Unreadable(_)));
    }

    #[test]
    fn an_event_without_its_blank_line_is_known() {
        let whole =
            |event: &'static str| Frame::new(Bytes::from_static(event.as_bytes())).is_whole();
        for event in ["data: 1\n\n", "data: 1\r\r", "data: 1\r\n\r\n", "\n"] {
            assert!(whole(event), "{event:?}");
        }
        for event in ["data: 1\n", "data: 1\r\n", "data: 1", ""] {
            assert!(!whole(event), "{event:?}");
        }
    }

    #[test]
    fn a_new_event_is_one_event() {
        let bytes = event(Some("x"), b"{\n\"a\":1}");
        assert_eq!(bytes, "event: x\ndata: {\ndata: \"a\":1}\n\n");
    }
}
