//! Server-sent events: cutting a byte stream into events, and what their data says.
//!
//! Framing follows the WHATWG HTML standard, section 9.2.5: lines end with LF, CRLF or CR, an event ends with a
//! blank line. The bytes themselves are never changed, so that an answer that nobody edits reaches the client as
//! the frontend wrote it.

mod event;
mod payload;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};

pub use event::Event;
pub use payload::{EventError, Usage, error_of, is_done, is_usage_only_chunk, usage_of};

/// The largest event a decoder takes by default, in bytes. The last event of the Responses API repeats the whole
/// answer, so this is generous.
pub const MAX_EVENT: usize = 16 << 20;

/// Why a stream cannot be cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// One event is larger than the decoder takes.
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Where the scan stands inside the current line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a line.
    LineStart,
    /// Behind at least one byte of a line.
    MidLine,
    /// Behind a CR that ended a line with text; an LF here still belongs to it.
    AfterCr,
    /// Behind a CR that ended a blank line: the event ends here, or behind an LF that follows.
    BlankCr,
}

/// Where an event ends, seen from the byte just scanned.
enum End {
    None,
    Before,
    After,
}

impl State {
    fn step(self, byte: u8) -> (Self, End) {
        match (self, byte) {
            (Self::LineStart | Self::BlankCr, b'\n') => (Self::LineStart, End::After),
            (Self::MidLine | Self::AfterCr, b'\n') => (Self::LineStart, End::None),
            (Self::MidLine, b'\r') => (Self::AfterCr, End::None),
            (Self::LineStart | Self::AfterCr, b'\r') => (Self::BlankCr, End::None),
            (Self::BlankCr, b'\r') => (Self::BlankCr, End::Before),
            (Self::BlankCr, _) => (Self::MidLine, End::Before),
            (_, _) => (Self::MidLine, End::None),
        }
    }
}

/// Cuts a stream into whole events, wherever the network split it.
///
/// The events, put behind each other, are the stream: comments, blank lines and a byte order mark included. An
/// event that lies inside one chunk is a slice of it, without a copy.
#[derive(Debug)]
pub struct SseDecoder {
    /// The start of an event whose end has not come yet.
    pending: BytesMut,
    state: State,
    limit: usize,
    failed: bool,
}

impl Default for SseDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl SseDecoder {
    /// A decoder for events of at most [`MAX_EVENT`] bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_EVENT)
    }

    /// A decoder for events of at most `limit` bytes.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            pending: BytesMut::new(),
            state: State::LineStart,
            limit,
            failed: false,
        }
    }

    /// The events that `chunk` completes, blank line included. A blank line that ends with a lone CR at the
    /// chunk's end is held back until the next byte shows that no LF belongs to it.
    ///
    /// # Errors
    /// [`SseError::TooLarge`]; events in front of the one that is too large come first, the error with the next
    /// call. After an error, every call fails.
    pub fn push(&mut self, chunk: Bytes) -> Result<Vec<Bytes>, SseError> {
        if self.failed {
            return Err(self.too_large());
        }
        let mut events = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < chunk.len() {
            if self.state == State::MidLine {
                match memchr::memchr2(b'\n', b'\r', &chunk[at..]) {
                    Some(skip) => at += skip,
                    None => break,
                }
            }
            let (state, end) = self.state.step(chunk[at]);
            self.state = state;
            let end = match end {
                End::None => None,
                End::Before => Some(at),
                End::After => Some(at + 1),
            };
            at += 1;
            if let Some(end) = end {
                let piece = chunk.slice(start..end);
                start = end;
                if self.pending.len() + piece.len() > self.limit {
                    return self.fail(events);
                }
                events.push(self.join(piece));
            }
        }
        if self.pending.len() + (chunk.len() - start) > self.limit {
            return self.fail(events);
        }
        self.pending.extend_from_slice(&chunk[start..]);
        Ok(events)
    }

    /// What is left at the stream's end: an event without its blank line, or nothing.
    ///
    /// # Errors
    /// [`SseError::TooLarge`], where an earlier call found it.
    pub fn finish(&mut self) -> Result<Option<Bytes>, SseError> {
        if self.failed {
            return Err(self.too_large());
        }
        self.state = State::LineStart;
        let rest = self.pending.split().freeze();
        Ok((!rest.is_empty()).then_some(rest))
    }

    fn join(&mut self, piece: Bytes) -> Bytes {
        if self.pending.is_empty() {
            return piece;
        }
        self.pending.extend_from_slice(&piece);
        self.pending.split().freeze()
    }

    fn fail(&mut self, events: Vec<Bytes>) -> Result<Vec<Bytes>, SseError> {
        self.failed = true;
        self.pending = BytesMut::new();
        if events.is_empty() {
            return Err(self.too_large());
        }
        Ok(events)
    }

    fn too_large(&self) -> SseError {
        SseError::TooLarge { limit: self.limit }
    }
}
