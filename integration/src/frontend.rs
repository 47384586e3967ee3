//! A frontend whose every byte the test decides. It answers no probes: use it with `readiness: {mode: none}`.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::BytesMut;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::client::Raw;
use crate::wait::soon;

/// Cluster settings for a policy over such frontends.
pub const UNPROBED: &str = "readiness: {mode: none}";

/// A listening socket.
#[derive(Debug)]
pub struct Frontend {
    listener: TcpListener,
    addr: SocketAddr,
}

/// An address that refuses connections for as long as this lives: a socket holds it and does not listen, so that
/// nobody else gets it either.
#[derive(Debug)]
pub struct Refusing {
    /// The address.
    pub addr: SocketAddr,
    _held: TcpSocket,
}

impl Refusing {
    /// Takes a free port.
    ///
    /// # Errors
    /// No port is free.
    pub fn new() -> std::io::Result<Self> {
        let held = TcpSocket::new_v4()?;
        held.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            addr: held.local_addr()?,
            _held: held,
        })
    }
}

/// One request that has come whole, and the connection to answer on.
#[derive(Debug)]
pub struct Exchange {
    /// The head as it came, without the empty line.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// To send any bytes.
    pub connection: Raw,
}

impl Frontend {
    /// Listens.
    ///
    /// # Panics
    /// It cannot.
    pub async fn start() -> Self {
        let listener = match TcpListener::bind("127.0.0.1:0").await {
            Ok(listener) => listener,
            Err(error) => panic!("{error}"),
        };
        match listener.local_addr() {
            Ok(addr) => Self { listener, addr },
            Err(error) => panic!("{error}"),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The next connection.
    ///
    /// # Panics
    /// None comes.
    pub async fn accept(&self) -> TcpStream {
        match soon("a connection", self.listener.accept()).await {
            Ok((stream, _)) => stream,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next connection with its first request, read to the end of its declared length.
    ///
    /// # Panics
    /// It ends before.
    pub async fn request(&self) -> Exchange {
        let mut stream = self.accept().await;
        let mut buffer = BytesMut::new();
        let end = loop {
            if let Some(at) = memchr::memmem::find(&buffer, b"\r\n\r\n") {
                break at;
            }
            let read = soon("a request", stream.read_buf(&mut buffer)).await;
            assert!(read.is_ok_and(|count| count > 0), "end in the head");
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .unwrap_or(0);
        let mut body = buffer.split_off(end + 4);
        while body.len() < length {
            let read = soon("a body", stream.read_buf(&mut body)).await;
            assert!(read.is_ok_and(|count| count > 0), "end in the body");
        }
        Exchange {
            head,
            body: body.to_vec(),
            connection: Raw::over(stream),
        }
    }
}

impl Exchange {
    /// Sends the head of a chunked event stream.
    pub async fn stream_head(&mut self) {
        self.connection
            .send(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                 transfer-encoding: chunked\r\n\r\n",
            )
            .await;
    }

    /// Sends one chunk.
    pub async fn chunk(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.connection.send(chunk).await;
    }

    /// Answers with a whole JSON body.
    pub async fn json(&mut self, body: &str) {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.connection.send(head + body).await;
    }

    /// Answers with a whole event stream, one chunk an event.
    pub async fn events(&mut self, events: &[String]) {
        self.stream_head().await;
        for event in events {
            self.chunk(event).await;
        }
        self.end().await;
    }

    /// Ends a chunked body.
    pub async fn end(&mut self) {
        self.connection.send("0\r\n\r\n").await;
    }
}
