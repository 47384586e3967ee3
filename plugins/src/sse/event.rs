//! The fields of one event.

use std::borrow::Cow;

/// One event, its lines read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// `event:`; `None` where it has none.
    pub name: Option<Cow<'a, str>>,
    /// The `data:` lines joined by LF; `None` where there is none, and then a client's parser shows no event.
    pub data: Option<Cow<'a, str>>,
    /// `id:`; `None` where it has none.
    pub id: Option<Cow<'a, str>>,
    /// Did it hold comments (`: ...`)?
    pub comment: bool,
}

impl<'a> Event<'a> {
    /// Reads the bytes of one event, as [`super::SseDecoder`] cuts them. Never fails: unknown fields are ignored
    /// and invalid UTF-8 is replaced, as the standard says.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut event = Self::default();
        for line in Lines(bytes) {
            event.line(line);
        }
        event
    }

    /// Does it hold comments and nothing that a client sees, such as a keep-alive?
    #[must_use]
    pub fn is_comment_only(&self) -> bool {
        self.comment && self.name.is_none() && self.data.is_none() && self.id.is_none()
    }

    fn line(&mut self, line: &'a [u8]) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => {
                self.comment = true;
                return;
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match field {
            b"event" => self.name = Some(String::from_utf8_lossy(value)),
            b"id" => self.id = Some(String::from_utf8_lossy(value)),
            b"data" => {
                let value = String::from_utf8_lossy(value);
                match &mut self.data {
                    Some(data) => {
                        let data = data.to_mut();
                        data.push('\n');
                        data.push_str(&value);
                    }
                    None => self.data = Some(value),
                }
            }
            _ => {}
        }
    }
}

/// The lines of an event, without their ends.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', self.0).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at(end);
        self.0 = match rest {
            [b'\r', b'\n', rest @ ..] | [_, rest @ ..] => rest,
            [] => rest,
        };
        Some(line)
    }
}
