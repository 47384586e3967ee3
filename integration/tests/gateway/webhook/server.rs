//! A guard of the operator's: an HTTP server in the test's own process that says what the test wants.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What it answers.
#[derive(Debug, Clone)]
pub(crate) enum Say {
    /// This status with these bytes as JSON.
    Bytes(u16, String),
    /// "Look elsewhere": at `/elsewhere` of the same server.
    Redirect,
    /// A good head and these bytes, then silence with the connection open.
    Endless(String),
    /// A good head and these bytes, then the end of the connection before the end of the body.
    Half(String),
    /// The end of the connection.
    HangUp,
}

impl Say {
    /// Status 200 and this.
    pub(crate) fn json(value: &Value) -> Self {
        Self::Bytes(200, value.to_string())
    }

    /// Nothing to object to.
    pub(crate) fn pass() -> Self {
        Self::json(&json!({"action": "pass"}))
    }

    /// Stop it.
    pub(crate) fn block() -> Self {
        Self::json(
            &json!({"action": "block", "label": "gossip", "message": "Not here.", "score": 0.75}),
        )
    }
}

/// One question that came.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

struct State {
    say: Mutex<Say>,
    heard: Mutex<Vec<Heard>>,
    held: watch::Sender<bool>,
    thinking: AtomicUsize,
}

/// The server. Dropping it ends it with all its connections.
pub(crate) struct Hook {
    addr: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Hook {
    pub(crate) async fn start(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(State {
            say: Mutex::new(say),
            heard: Mutex::default(),
            held: watch::Sender::new(false),
            thinking: AtomicUsize::new(0),
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Self { addr, state, task }
    }

    /// Its address, with a query as some services want it for their keys.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/judge?tenant=7", self.addr)
    }

    /// A policy whose only plugin asks it, with these further settings (in flow style).
    pub(crate) fn policy(&self, settings: &str) -> String {
        format!(
            "plugins: [{{webhook: {{url: '{}', {settings}}}}}]",
            self.url()
        )
    }

    pub(crate) fn say(&self, say: Say) {
        *lock(&self.state.say) = say;
    }

    /// Everything that it was asked so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        lock(&self.state.heard).clone()
    }

    /// Lets questions come and answers none of them.
    pub(crate) fn hold(&self) {
        self.state.held.send_replace(true);
    }

    /// Answers again, also what came meanwhile.
    pub(crate) fn release(&self) {
        self.state.held.send_replace(false);
    }

    /// Questions that have come whole, whose asker is still there and has no answer.
    pub(crate) fn thinking(&self) -> usize {
        self.state.thinking.load(Ordering::SeqCst)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&state)));
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // A connection that breaks is what some tests are about.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Counts a question until it is answered or its asker has left: hyper drops the service's future then.
struct Thinking(Arc<State>);

impl Thinking {
    fn start(state: &Arc<State>) -> Self {
        state.thinking.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(state))
    }
}

impl Drop for Thinking {
    fn drop(&mut self) {
        self.0.thinking.fetch_sub(1, Ordering::SeqCst);
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    lock(&state.heard).push(Heard {
        method: head.method,
        target: head.uri.to_string(),
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    });
    let thinking = Thinking::start(&state);
    let mut held = state.held.subscribe();
    held.wait_for(|held| !held)
        .await
        .map_err(io::Error::other)?;
    drop(thinking);
    let say = lock(&state.say).clone();
    let mut response = Response::builder().header("content-type", "application/json");
    let body = match say {
        Say::HangUp => return Err(io::ErrorKind::ConnectionAborted.into()),
        Say::Bytes(status, text) => {
            response = response.status(StatusCode::from_u16(status).unwrap());
            Full::new(Bytes::from(text))
                .map_err(|never: Infallible| match never {})
                .boxed_unsync()
        }
        Say::Redirect => {
            response = response.status(307).header("location", "/elsewhere");
            pieces(String::new(), false)
        }
        Say::Endless(text) => pieces(text, true),
        Say::Half(text) => broken(text),
    };
    response.body(body).map_err(io::Error::other)
}

/// A body of unknown length, with or without an end.
fn pieces(text: String, endless: bool) -> Body {
    let first = futures::stream::iter([Ok(Frame::data(Bytes::from(text)))]);
    match endless {
        true => StreamBody::new(first.chain(futures::stream::pending())).boxed_unsync(),
        false => StreamBody::new(first).boxed_unsync(),
    }
}

/// A body whose connection ends before it does.
fn broken(text: String) -> Body {
    let frames = [
        Ok(Frame::data(Bytes::from(text))),
        Err(io::ErrorKind::ConnectionAborted.into()),
    ];
    // Else hyper would see the failure before it has sent what comes before.
    let paced = futures::stream::iter(frames).then(|frame| async {
        tokio::task::yield_now().await;
        frame
    });
    StreamBody::new(paced).boxed_unsync()
}
