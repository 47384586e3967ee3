//! One keep-alive connection.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{self, Decoder, Malformed, Sink};

/// Bytes that are read at once; also the longest head.
const BUFFER: usize = 64 * 1024;

/// Why an exchange failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// No connection.
    Connect,
    /// The connection ended before the head of the response was whole.
    Disconnected,
    /// The body ended early, or a stream without `[DONE]`.
    Truncated,
    /// An event of the stream was an error.
    ErrorEvent,
    /// A status other than 200.
    Status(u16),
    /// No whole answer in time.
    Timeout,
    /// The response is not HTTP.
    Malformed,
}

impl Failure {
    pub(super) fn name(self) -> String {
        match self {
            Self::Connect => "connect".into(),
            Self::Disconnected => "disconnected".into(),
            Self::Truncated => "truncated".into(),
            Self::ErrorEvent => "error_event".into(),
            Self::Status(status) => format!("status_{status}"),
            Self::Timeout => "timeout".into(),
            Self::Malformed => "malformed".into(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether another request may follow.
    pub(super) reusable: bool,
}

impl Connection {
    pub(super) async fn open(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            reusable: true,
        })
    }

    /// Sends a request and reads its answer into `sink`. The status is returned with a good answer's
    /// end or a failure.
    pub(super) async fn exchange(
        &mut self,
        request: &[u8],
        sink: &mut Sink,
        mut gap: impl FnMut(u64),
    ) -> (Option<u16>, Result<Instant, Failure>) {
        self.reusable = false;
        // A server may answer and close before it has read all: the answer counts, not the write.
        let sent = self.stream.write_all(request).await;
        let head = match self.head().await {
            Ok(head) => head,
            Err(failure) => return (None, Err(failure)),
        };
        sink.begin(head);
        let mut decoder = Decoder::new(head.framing);
        let end = match self.body(&mut decoder, sink, &mut gap).await {
            Ok(end) => end,
            Err(failure) => return (Some(head.status), Err(failure)),
        };
        self.reusable = sent.is_ok() && !head.close && decoder.is_done();
        let result = if head.status != 200 {
            Err(Failure::Status(head.status))
        } else if sink.error {
            Err(Failure::ErrorEvent)
        } else if !sink.is_good_stream() {
            Err(Failure::Truncated)
        } else {
            Ok(end)
        };
        (Some(head.status), result)
    }

    async fn head(&mut self) -> Result<wire::Head, Failure> {
        loop {
            let found = match self.buffer[self.start..self.end] {
                [] => None,
                ref bytes => wire::head(bytes).map_err(|Malformed| Failure::Malformed)?,
            };
            match found {
                // 1xx: the real head follows.
                Some((length, head)) if head.status < 200 => self.start += length,
                Some((length, head)) => {
                    self.start += length;
                    return Ok(head);
                }
                None => {
                    if self.read().await? == 0 {
                        return Err(Failure::Disconnected);
                    }
                }
            }
        }
    }

    async fn body(
        &mut self,
        decoder: &mut Decoder,
        sink: &mut Sink,
        gap: &mut impl FnMut(u64),
    ) -> Result<Instant, Failure> {
        loop {
            let now = Instant::now();
            let bytes = &self.buffer[self.start..self.end];
            self.start += decoder
                .decode(bytes, |part| sink.feed(part, now, gap))
                .map_err(|Malformed| Failure::Malformed)?;
            if decoder.is_done() {
                return Ok(now);
            }
            match self.read().await {
                Ok(0) | Err(Failure::Disconnected) => {
                    let to_the_end = matches!(decoder, Decoder::ToTheEnd);
                    return match to_the_end {
                        true => Ok(now),
                        false => Err(Failure::Truncated),
                    };
                }
                Ok(_) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn read(&mut self) -> Result<usize, Failure> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            return Err(Failure::Malformed);
        }
        let read = self.stream.read(&mut self.buffer[self.end..]).await;
        let read = read.map_err(|_| Failure::Disconnected)?;
        self.end += read;
        Ok(read)
    }
}
