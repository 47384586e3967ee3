//! A small client, and a simulator with two models.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use commutator_simulator::{Simulator, SimulatorConfig};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

pub const CHAT: &str = "/v1/chat/completions";
/// Far beyond what anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn config() -> SimulatorConfig {
    SimulatorConfig {
        name: "frontend-a".into(),
        models: vec!["math".into(), "org/general".into()],
        request_faults: true,
        ..SimulatorConfig::default()
    }
}

pub async fn simulator() -> Simulator {
    Simulator::start(config()).await.unwrap()
}

pub fn chat(text: &str) -> Value {
    json!({"model": "math", "messages": [{"role": "user", "content": text}]})
}

pub fn streamed(text: &str) -> Value {
    let mut body = chat(text);
    body["stream"] = json!(true);
    body
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The body, frame by frame: one per HTTP chunk.
    pub frames: Vec<Bytes>,
    /// Whether the body ended as HTTP wants it.
    pub whole: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `data:` of each event.
    pub fn data(&self) -> Vec<&str> {
        let lines = self.text().lines();
        lines
            .filter_map(|line| line.strip_prefix("data: "))
            .collect()
    }

    /// `data:` of each event that is JSON.
    pub fn events(&self) -> Vec<Value> {
        let data = self.data().into_iter().filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    /// `event:` of each event.
    pub fn names(&self) -> Vec<&str> {
        let lines = self.text().lines();
        lines
            .filter_map(|line| line.strip_prefix("event: "))
            .collect()
    }

    pub fn is_flat_error(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/json");
        let body = self.json();
        assert_eq!(body["code"], status);
        assert!(body["type"].is_string());
        assert!(body["message"].as_str().unwrap().contains(part), "{body}");
        assert!(body.get("error").is_none());
    }
}

pub fn request(path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post(path)
        .header("host", "frontend")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

pub async fn collect(response: http::Response<Incoming>) -> Answer {
    let (head, mut body) = response.into_parts();
    let mut frames = Vec::new();
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frames.extend(frame.into_data().ok()),
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    Answer {
        status: head.status,
        headers: head.headers,
        body: frames.concat().into(),
        frames,
        whole,
    }
}

/// One keep-alive connection.
pub struct Client(pub http1::SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Answer> {
        self.0.ready().await?;
        Ok(collect(self.0.send_request(request).await?).await)
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(request(path, body.to_string())).await.unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "frontend");
        let request = request.body(Full::default()).unwrap();
        self.send(request).await.unwrap()
    }
}

/// One request on a connection of its own.
pub async fn post(simulator: &Simulator, path: &str, body: &Value) -> Answer {
    Client::connect(simulator.addr())
        .await
        .post(path, body)
        .await
}

pub async fn get(simulator: &Simulator, path: &str) -> Answer {
    Client::connect(simulator.addr()).await.get(path).await
}

pub async fn h2(addr: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// Waits until something holds; fails when it never does.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Checks that something does not come.
pub async fn stays_pending<F: Future>(future: F) {
    let short = Duration::from_millis(150);
    assert!(tokio::time::timeout(short, future).await.is_err());
}
