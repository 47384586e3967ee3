//! A stream that is written beforehand: one buffer, and where and when each event ends.

use bytes::Bytes;

/// What an event waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Sent with the event before it.
    No,
    /// Sent at the time to first token.
    First,
    /// Sent one inter-token time after the last token.
    Token,
}

/// Events in order.
#[derive(Debug)]
pub(crate) struct Script {
    buffer: Bytes,
    /// End in the buffer, and when it goes.
    steps: Vec<(usize, Wait)>,
    /// The first of the steps that tell the client that the stream is whole.
    terminal: usize,
}

impl Script {
    /// One step that is no event: raw bytes of a unary body.
    pub(crate) fn raw(bytes: Bytes) -> Self {
        Self {
            steps: vec![(bytes.len(), Wait::No)],
            buffer: bytes,
            terminal: 1,
        }
    }

    pub(crate) fn step(&self, index: usize) -> Option<(Bytes, Wait)> {
        let (end, wait) = *self.steps.get(index)?;
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.steps[before].0);
        Some((self.buffer.slice(start..end), wait))
    }

    /// Cuts off everything after `events` events.
    pub(crate) fn truncate(&mut self, events: usize) {
        self.steps.truncate(events);
    }

    /// Cuts off the terminator.
    pub(crate) fn drop_terminator(&mut self) {
        self.steps.truncate(self.terminal);
    }

    /// Adds raw bytes as one more event.
    pub(crate) fn push(&mut self, event: &str) {
        let end = self.steps.last().map_or(0, |step| step.0);
        let mut buffer = self.buffer[..end].to_vec();
        buffer.extend_from_slice(event.as_bytes());
        self.steps.push((buffer.len(), Wait::No));
        self.buffer = buffer.into();
    }
}

/// Writes a [`Script`].
#[derive(Debug)]
pub(super) struct ScriptBuilder {
    buffer: Vec<u8>,
    steps: Vec<(usize, Wait)>,
    terminal: Option<usize>,
    tokens: usize,
}

impl ScriptBuilder {
    /// `tokens` is a guess for the size of the buffer.
    pub(super) fn new(tokens: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(256 * (tokens + 4)),
            steps: Vec::with_capacity(tokens + 4),
            terminal: None,
            tokens: 0,
        }
    }

    /// An event that goes out with the one before it.
    pub(super) fn event(&mut self, name: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) {
        self.push(name, Wait::No, write);
    }

    /// An event that carries a token.
    pub(super) fn token(&mut self, name: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) {
        let wait = if self.tokens == 0 {
            Wait::First
        } else {
            Wait::Token
        };
        self.tokens += 1;
        self.push(name, wait, write);
    }

    /// What follows is the terminator.
    pub(super) fn terminator(&mut self) {
        self.terminal = Some(self.steps.len());
    }

    pub(super) fn done(&mut self) {
        self.event(None, |out| out.extend_from_slice(b"[DONE]"));
    }

    fn push(&mut self, name: Option<&str>, wait: Wait, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(name) = name {
            self.buffer.extend_from_slice(b"event: ");
            self.buffer.extend_from_slice(name.as_bytes());
            self.buffer.push(b'\n');
        }
        self.buffer.extend_from_slice(b"data: ");
        write(&mut self.buffer);
        self.buffer.extend_from_slice(b"\n\n");
        self.steps.push((self.buffer.len(), wait));
    }

    pub(super) fn build(self) -> Script {
        Script {
            terminal: self.terminal.unwrap_or(self.steps.len()),
            buffer: self.buffer.into(),
            steps: self.steps,
        }
    }
}
