//! One blocking connection, for answers of which the first event's time counts.
//!
//! Blocking calls on a thread of their own add less jitter than a runtime does.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use memchr::memmem;

use super::entrant::Running;
use super::workload;

/// Longest silence.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole answer, or the beginning of a stream.
#[derive(Debug)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    /// From the request to the first `data:` line, where there was one.
    pub(super) first_event: Option<Duration>,
}

/// A whole request to an entrant.
pub(super) fn request(
    entrant: &Running,
    size: usize,
    stream: bool,
    headers: &[(&str, &str)],
) -> Vec<u8> {
    let body = workload::chat(workload::model(entrant.kind), size, stream);
    let mut head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        entrant.addr,
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &body].concat()
}

impl Client {
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
        })
    }

    /// Sends a request and reads its whole answer.
    pub(super) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.read(request, |answer| is_whole(&answer.bytes))
    }

    /// Sends a request and reads until the first event has come; the stream stays open.
    pub(super) fn begin(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.read(request, |answer| answer.first_event.is_some())
    }

    fn read(&mut self, request: &[u8], enough: impl Fn(&Answer) -> bool) -> io::Result<Answer> {
        let start = Instant::now();
        self.stream.write_all(request)?;
        let mut answer = Answer {
            bytes: Vec::with_capacity(8192),
            first_event: None,
        };
        while !enough(&answer) {
            let count = self.stream.read(&mut self.buffer)?;
            let now = start.elapsed();
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.bytes.extend_from_slice(&self.buffer[..count]);
            if answer.first_event.is_none() && memmem::find(&answer.bytes, b"data: ").is_some() {
                answer.first_event = Some(now);
            }
        }
        Ok(answer)
    }
}

impl Answer {
    pub(super) fn status(&self) -> Option<u16> {
        std::str::from_utf8(self.bytes.get(9..12)?)
            .ok()?
            .parse()
            .ok()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A stream that ended as it should.
    pub(super) fn is_good_stream(&self) -> bool {
        self.status() == Some(200) && memmem::find(&self.bytes, b"data: [DONE]").is_some()
    }
}

/// Is the answer complete? Entrants answer with a length, or in chunks whose last ends a read.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| {
        line.strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    match length {
        Some(length) => bytes.len() >= end + 4 + length,
        None => bytes.ends_with(b"\r\n0\r\n\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_by_length_or_by_its_last_chunk() {
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        assert!(is_whole(chunked));
        assert!(!is_whole(&chunked[..chunked.len() - 2]));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\n"));
    }
}
