//! What reached the simulator, for tests to look at.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, Version};

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet: it is being read, held or answered.
    Active,
    /// The answer was handed out whole (also an error answer, or a fault that ends cleanly).
    Complete,
    /// The client went away (or half-closed) before the end.
    ClientLeft,
    /// The simulator broke it off: a fault or [`stop`](crate::Simulator::stop).
    Broken,
}

/// One POST request.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Method, always POST at present.
    pub method: Method,
    /// Path without the query.
    pub path: String,
    /// Query, if any.
    pub query: Option<String>,
    /// Protocol version.
    pub version: Version,
    /// Headers as they came.
    pub headers: HeaderMap,
    /// The body, byte for byte; empty while it has not come whole, or if it was too large.
    pub body: Bytes,
    /// When the headers had been read.
    pub at: Instant,
    /// Number of the connection, counted from 1: equal numbers mean a reused connection.
    pub connection: u64,
    /// Status that was answered; `None` before that.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
}

impl RequestRecord {
    /// Whether the client left before the end.
    pub fn client_left(&self) -> bool {
        self.outcome == Outcome::ClientLeft
    }

    /// A header's value as text, if there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A record that is still being filled in.
#[derive(Debug)]
pub(crate) struct Cell {
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
    at: Instant,
    connection: u64,
    body: OnceLock<Bytes>,
    status: AtomicU16,
    outcome: AtomicU8,
}

impl Cell {
    pub(crate) fn set_body(&self, body: Bytes) {
        let _ = self.body.set(body);
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::Release);
    }

    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        self.outcome.store(outcome as u8, Ordering::Release);
    }

    fn snapshot(&self) -> RequestRecord {
        let status = self.status.load(Ordering::Acquire);
        let outcome = match self.outcome.load(Ordering::Acquire) {
            x if x == Outcome::Complete as u8 => Outcome::Complete,
            x if x == Outcome::ClientLeft as u8 => Outcome::ClientLeft,
            x if x == Outcome::Broken as u8 => Outcome::Broken,
            _ => Outcome::Active,
        };
        RequestRecord {
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            query: self.uri.query().map(str::to_owned),
            version: self.version,
            headers: self.headers.clone(),
            body: self.body.get().cloned().unwrap_or_default(),
            at: self.at,
            connection: self.connection,
            status: (status != 0).then_some(status),
            outcome,
        }
    }
}

/// The last requests.
#[derive(Debug)]
pub(crate) struct Recorder {
    limit: usize,
    cells: Mutex<VecDeque<Arc<Cell>>>,
}

impl Recorder {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            cells: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, head: &http::request::Parts, connection: u64) -> Option<Arc<Cell>> {
        if self.limit == 0 {
            return None;
        }
        let cell = Arc::new(Cell {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            at: Instant::now(),
            connection,
            body: OnceLock::new(),
            status: AtomicU16::new(0),
            outcome: AtomicU8::new(Outcome::Active as u8),
        });
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if cells.len() == self.limit {
            cells.pop_front();
        }
        cells.push_back(Arc::clone(&cell));
        Some(cell)
    }

    pub(crate) fn all(&self) -> Vec<RequestRecord> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().map(|cell| cell.snapshot()).collect()
    }

    pub(crate) fn clear(&self) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.clear();
    }
}
