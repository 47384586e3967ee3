//! Clients: hyper's for well-formed requests over every protocol, a raw one for everything else.

mod answer;
mod raw;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

pub use answer::{Answer, Opened};
pub use raw::{Head, Raw};
pub use tls::Certificate;

use crate::wait::soon;

/// The path of the chat API.
pub const CHAT: &str = "/v1/chat/completions";

/// A request's body.
pub type Body = BoxBody<Bytes, Infallible>;

/// A body with a declared length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body of unknown length, sent in these pieces: chunked in HTTP/1.1.
pub fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Body {
    let frames: Vec<_> = pieces
        .into_iter()
        .map(|piece| Ok(Frame::data(piece)))
        .collect();
    StreamBody::new(futures::stream::iter(frames)).boxed()
}

/// A POST of JSON.
///
/// # Panics
/// The path is none.
pub fn post(path: &str, body: Body) -> Request<Body> {
    let request = Request::post(path)
        .header("host", "gateway")
        .header("content-type", "application/json");
    match request.body(body) {
        Ok(request) => request,
        Err(error) => panic!("{path}: {error}"),
    }
}

/// A chat of one user message to the model `math`.
#[must_use]
pub fn chat(text: &str) -> Value {
    json!({"model": "math", "messages": [{"role": "user", "content": text}]})
}

/// The same, streamed.
#[must_use]
pub fn streamed(text: &str) -> Value {
    let mut body = chat(text);
    body["stream"] = json!(true);
    body
}

enum Sender {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

/// One connection.
pub struct Client {
    sender: Sender,
    https: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.sender {
            Sender::H1(_) => "Client(h1)",
            Sender::H2(_) => "Client(h2)",
        })
    }
}

impl Client {
    /// HTTP/1.1 with keep-alive.
    ///
    /// # Panics
    /// It cannot connect.
    pub async fn h1(addr: SocketAddr) -> Self {
        match Self::try_h1(addr).await {
            Ok(client) => client,
            Err(error) => panic!("{addr}: {error:#}"),
        }
    }

    /// HTTP/1.1 with keep-alive.
    ///
    /// # Errors
    /// It cannot connect.
    pub async fn try_h1(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        Self::h1_over(stream, false).await
    }

    async fn h1_over<S>(stream: S, https: bool) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::H1(sender),
            https,
        })
    }

    async fn h2_over<S>(stream: S, https: bool) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender: Sender::H2(sender),
            https,
        })
    }

    /// HTTP/2 in clear text, by prior knowledge.
    ///
    /// # Panics
    /// It cannot connect.
    pub async fn h2c(addr: SocketAddr) -> Self {
        match Self::try_h2c(addr).await {
            Ok(client) => client,
            Err(error) => panic!("{addr}: {error:#}"),
        }
    }

    async fn try_h2c(addr: SocketAddr) -> anyhow::Result<Self> {
        Self::h2_over(TcpStream::connect(addr).await?, false).await
    }

    /// TLS, offering these protocols (`h2`, `http/1.1`); what the server picks is spoken.
    ///
    /// # Panics
    /// It cannot connect, or the certificate is not the one expected.
    pub async fn tls(addr: SocketAddr, certificate: &Certificate, alpn: &[&str]) -> Self {
        match Self::try_tls(addr, certificate, alpn).await {
            Ok(client) => client,
            Err(error) => panic!("{addr}: {error:#}"),
        }
    }

    async fn try_tls(
        addr: SocketAddr,
        certificate: &Certificate,
        alpn: &[&str],
    ) -> anyhow::Result<Self> {
        let (stream, h2) = certificate.connect(addr, alpn).await?;
        match h2 {
            true => Self::h2_over(stream, true).await,
            false => Self::h1_over(stream, true).await,
        }
    }

    /// Is HTTP/2 spoken on this connection?
    #[must_use]
    pub fn is_h2(&self) -> bool {
        matches!(self.sender, Sender::H2(_))
    }

    /// Sends a request and returns when the answer's head has come.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn open(&mut self, mut request: Request<Body>) -> hyper::Result<Opened> {
        let response = match &mut self.sender {
            Sender::H1(sender) => {
                soon("the connection is free", sender.ready()).await?;
                soon("the answer's head", sender.send_request(request)).await?
            }
            Sender::H2(sender) => {
                // HTTP/2 wants the authority in the target, and forbids what HTTP/1.1 needs.
                let scheme = if self.https { "https" } else { "http" };
                let target = format!("{scheme}://gateway{}", request.uri());
                if let Ok(target) = target.parse() {
                    *request.uri_mut() = target;
                }
                request.headers_mut().remove("host");
                *request.version_mut() = http::Version::HTTP_2;
                soon("the connection is free", sender.ready()).await?;
                soon("the answer's head", sender.send_request(request)).await?
            }
        };
        Ok(Opened::new(response))
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// # Errors
    /// The connection broke before the answer's head.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        Ok(self.open(request).await?.collect().await)
    }

    /// Posts JSON.
    ///
    /// # Panics
    /// The connection breaks.
    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string()).await
    }

    /// Posts these bytes as JSON.
    ///
    /// # Panics
    /// The connection breaks.
    pub async fn post_bytes(&mut self, path: &str, body: impl Into<Bytes>) -> Answer {
        match self.send(post(path, full(body))).await {
            Ok(answer) => answer,
            Err(error) => panic!("POST {path}: {error}"),
        }
    }

    /// Gets a page.
    ///
    /// # Panics
    /// The connection breaks.
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "gateway");
        let request = request.body(full("")).map_err(|error| error.to_string());
        match request {
            Ok(request) => match self.send(request).await {
                Ok(answer) => answer,
                Err(error) => panic!("GET {path}: {error}"),
            },
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// A second handle on the same HTTP/2 connection.
    ///
    /// # Panics
    /// HTTP/1.1 has only one request at a time.
    #[must_use]
    pub fn again(&self) -> Self {
        match &self.sender {
            Sender::H2(sender) => Self {
                sender: Sender::H2(sender.clone()),
                https: self.https,
            },
            Sender::H1(_) => panic!("HTTP/1.1 has one request at a time"),
        }
    }
}
