//! HTTP/1.1 by hand: any bytes out, and each part of an answer on its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Answer;
use crate::wait::soon;

/// A head of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Head {
    /// A header as text; empty where it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// One connection.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// It cannot.
    pub async fn connect(addr: SocketAddr) -> Self {
        match TcpStream::connect(addr).await {
            Ok(stream) => Self::over(stream),
            Err(error) => panic!("{addr}: {error}"),
        }
    }

    /// Speaks over this connection.
    #[must_use]
    pub fn over(stream: TcpStream) -> Self {
        // Each write is to be a segment of its own.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// Sends these bytes; a peer that has closed is no error, as the answer tells more.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("the bytes are sent", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends a POST of JSON with these further header lines (each ending in CRLF).
    pub async fn post(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        ))
        .await;
    }

    /// Ends the sending direction.
    pub async fn half_close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Closes with a reset.
    pub fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }

    /// Reads more; `false` at the end.
    async fn fill(&mut self) -> bool {
        let read = soon("more bytes", self.stream.read_buf(&mut self.buffer)).await;
        read.is_ok_and(|count| count > 0)
    }

    /// Takes what has come or comes within `time`, without waiting for more.
    pub async fn within(&mut self, time: Duration) -> Bytes {
        if self.buffer.is_empty() {
            let read = self.stream.read_buf(&mut self.buffer);
            let _ = tokio::time::timeout(time, read).await;
        }
        self.buffer.split().freeze()
    }

    /// Reads on until the buffer holds `text`, and takes everything up to its end.
    ///
    /// # Panics
    /// The connection ends before.
    pub async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffer, text.as_bytes()) {
                let taken = self.buffer.split_to(at + text.len());
                return String::from_utf8_lossy(&taken).into_owned();
            }
            assert!(
                self.fill().await,
                "end before {text:?} in {:?}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// Reads a head, also an interim one.
    ///
    /// # Panics
    /// None comes.
    pub async fn head(&mut self) -> Head {
        match self.try_head().await {
            Some(head) => head,
            None => panic!("no head, only {:?}", String::from_utf8_lossy(&self.buffer)),
        }
    }

    /// Reads a head; `None` where the connection ends instead.
    pub async fn try_head(&mut self) -> Option<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 256];
            let mut parsed = httparse::Response::new(&mut headers);
            if let Ok(httparse::Status::Complete(size)) = parsed.parse(&self.buffer) {
                let fields = parsed.headers.iter().filter_map(|header| {
                    let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
                    Some((name, HeaderValue::from_bytes(header.value).ok()?))
                });
                let mut map = HeaderMap::new();
                for (name, value) in fields {
                    map.append(name, value);
                }
                let head = Head {
                    status: parsed.code.unwrap_or(0),
                    headers: map,
                };
                self.buffer.advance(size);
                return Some(head);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Reads an answer as its framing wants it; interim heads are skipped.
    pub async fn answer(&mut self) -> Answer {
        let head = loop {
            let head = self.head().await;
            if head.status >= 200 {
                break head;
            }
        };
        self.body_of(head).await
    }

    async fn body_of(&mut self, head: Head) -> Answer {
        let mut body = BytesMut::new();
        let mut whole = true;
        if head.header("transfer-encoding").contains("chunked") {
            loop {
                match self.chunk().await {
                    Some(chunk) if chunk.is_empty() => break,
                    Some(chunk) => body.extend_from_slice(&chunk),
                    None => {
                        whole = false;
                        break;
                    }
                }
            }
        } else if let Ok(length) = head.header("content-length").parse::<usize>() {
            while self.buffer.len() < length && self.fill().await {}
            whole = self.buffer.len() >= length;
            body = self.buffer.split_to(length.min(self.buffer.len()));
        } else if !matches!(head.status, 204 | 304) {
            while self.fill().await {}
            body = self.buffer.split();
        }
        Answer {
            status: http::StatusCode::from_u16(head.status).unwrap_or_default(),
            headers: head.headers,
            version: http::Version::HTTP_11,
            body: body.freeze(),
            whole,
        }
    }

    /// Reads one chunk of a chunked body; an empty one is its end, `None` a broken one.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        let (line, size) = loop {
            if let Ok(httparse::Status::Complete(found)) = httparse::parse_chunk_size(&self.buffer)
            {
                break found;
            }
            if !self.fill().await {
                return None;
            }
        };
        let size = usize::try_from(size).ok()?;
        while self.buffer.len() < line + size + 2 {
            if !self.fill().await {
                return None;
            }
        }
        self.buffer.advance(line);
        let data = self.buffer.split_to(size).freeze();
        self.buffer.advance(2);
        Some(data)
    }

    /// Waits for the end of the connection; returns what still came.
    pub async fn rest(&mut self) -> Bytes {
        while self.fill().await {}
        self.buffer.split().freeze()
    }
}
