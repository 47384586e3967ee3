//! Reading a response as it comes: head, body framing, server-sent events.

use std::time::Instant;

use memchr::memchr;

/// Bytes of a failed answer that are kept to show.
const SAMPLE: usize = 300;
/// Longest line of a chunk head or trailer.
const MAX_LINE: usize = 8 * 1024;
/// Headers of a response that are read.
const MAX_HEADERS: usize = 100;

/// What the head of a response says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) sse: bool,
    pub(super) close: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    ToTheEnd,
}

/// The bytes break HTTP's rules.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Reads a head from the start of `bytes`: its length and content, or `None` if it is not whole yet.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(usize, Head)>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed),
    };
    let mut head = Head {
        status: response.code.ok_or(Malformed)?,
        framing: Framing::ToTheEnd,
        sse: false,
        close: response.version == Some(0),
    };
    for header in response.headers.iter() {
        let value = header.value;
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(value).map_err(|_| Malformed)?;
            if head.framing != Framing::Chunked {
                head.framing = Framing::Length(text.trim().parse().map_err(|_| Malformed)?);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("content-type") {
            head.sse = value.starts_with(b"text/event-stream");
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.close = value.eq_ignore_ascii_case(b"close");
        }
    }
    if head.status == 204 || head.status == 304 {
        head.framing = Framing::Length(0);
    }
    Ok(Some((length, head)))
}

/// Takes the framing off a body.
#[derive(Debug)]
pub(super) enum Decoder {
    Length(u64),
    ChunkHead,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
    ToTheEnd,
    Done,
}

impl Decoder {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::ChunkHead,
            Framing::ToTheEnd => Self::ToTheEnd,
        }
    }

    /// Passes what is there of the body to `sink`. Returns how many bytes are used up; the rest must
    /// be shown again together with what comes next.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(&[u8]),
    ) -> Result<usize, Malformed> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            match self {
                Self::Done => return Ok(used),
                Self::ToTheEnd => {
                    sink(rest);
                    return Ok(bytes.len());
                }
                Self::Length(left) | Self::ChunkData(left) => {
                    if rest.is_empty() {
                        return Ok(used);
                    }
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    sink(&rest[..take]);
                    used += take;
                    *left -= take as u64;
                    if *left == 0 {
                        *self = match self {
                            Self::Length(_) => Self::Done,
                            _ => Self::ChunkEnd,
                        };
                    }
                }
                Self::ChunkHead | Self::ChunkEnd | Self::Trailer => {
                    let Some(end) = memchr(b'\n', rest) else {
                        return if rest.len() > MAX_LINE {
                            Err(Malformed)
                        } else {
                            Ok(used)
                        };
                    };
                    self.line(&rest[..=end])?;
                    used += end + 1;
                }
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let blank = matches!(line, b"\r\n" | b"\n");
        *self = match self {
            Self::ChunkHead => match httparse::parse_chunk_size(line) {
                Ok(httparse::Status::Complete((_, 0))) => Self::Trailer,
                Ok(httparse::Status::Complete((_, size))) => Self::ChunkData(size),
                _ => return Err(Malformed),
            },
            Self::ChunkEnd if blank => Self::ChunkHead,
            Self::ChunkEnd => return Err(Malformed),
            Self::Trailer if blank => Self::Done,
            _ => Self::Trailer,
        };
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// What is looked for in a body.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) bytes: u64,
    pub(super) sample: Vec<u8>,
    keep_sample: bool,
    sse: bool,
    /// A line that has not ended yet.
    partial: Vec<u8>,
    has_data: bool,
    pub(super) events: u64,
    pub(super) done: bool,
    pub(super) error: bool,
    pub(super) first: Option<Instant>,
    last: Option<Instant>,
}

impl Sink {
    /// Forgets the last answer.
    pub(super) fn reset(&mut self) {
        let mut partial = std::mem::take(&mut self.partial);
        partial.clear();
        *self = Self {
            partial,
            ..Self::default()
        };
    }

    pub(super) fn begin(&mut self, head: Head) {
        self.sse = head.sse;
        self.keep_sample = head.status != 200;
    }

    /// Takes a piece of the body that arrived `now`; `gap` is called with the time since the event
    /// before.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant, gap: &mut impl FnMut(u64)) {
        self.bytes += bytes.len() as u64;
        if self.keep_sample {
            let room = SAMPLE - self.sample.len();
            self.sample
                .extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        if !self.sse {
            return;
        }
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            if self.partial.is_empty() {
                self.line(&rest[..end], now, gap);
            } else {
                let mut line = std::mem::take(&mut self.partial);
                line.extend_from_slice(&rest[..end]);
                self.line(&line, now, gap);
                line.clear();
                self.partial = line;
            }
            rest = &rest[end + 1..];
        }
        self.partial.extend_from_slice(rest);
    }

    fn line(&mut self, line: &[u8], now: Instant, gap: &mut impl FnMut(u64)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_data) {
                self.event(now, gap);
            }
        } else if let Some(data) = field(line, b"data:") {
            self.has_data = true;
            if data == b"[DONE]" {
                self.done = true;
            } else if data.starts_with(br#"{"error""#) {
                self.fail(data);
            }
        } else if let Some(name) = field(line, b"event:") {
            match name {
                b"error" | b"response.failed" => self.fail(name),
                b"response.completed" | b"response.incomplete" => self.done = true,
                _ => {}
            }
        }
    }

    fn fail(&mut self, why: &[u8]) {
        self.error = true;
        self.sample = why[..why.len().min(SAMPLE)].to_vec();
    }

    fn event(&mut self, now: Instant, gap: &mut impl FnMut(u64)) {
        self.events += 1;
        if self.first.is_none() {
            self.first = Some(now);
        }
        if let Some(last) = self.last {
            gap(super::report::nanos(now.duration_since(last)));
        }
        self.last = Some(now);
    }

    /// Whether what came is a good answer, apart from its framing.
    pub(super) fn is_good_stream(&self) -> bool {
        !self.sse || (self.done && !self.error)
    }
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

#[cfg(test)]
mod tests;
