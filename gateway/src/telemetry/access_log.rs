//! The access log: one JSON object a request, written by a thread of its own. Never any text of a prompt or answer.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use commutator_plugins::finding::Finding;
use commutator_plugins::guard::Verdict;
use serde::Serialize;

use crate::bootstrap;

/// Lines that may wait for a slow disk or pipe before they are dropped (and counted).
const QUEUE: usize = 16 * 1024;

/// How long the end of the process waits for the writer.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);

/// One request. Times in milliseconds, sizes in bytes; absent = not applicable.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Entry<'a> {
    /// RFC 3339, UTC, when the request's head had come.
    pub time: String,
    /// `x-request-id`.
    pub request_id: &'a str,
    /// Trace id in hexadecimal.
    pub trace_id: String,
    /// Client address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// HTTP method.
    pub method: &'a str,
    /// Path without query (a query could hold a key).
    pub path: &'a str,
    /// API name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<&'static str>,
    /// Status the client saw; 499 where it left before one.
    pub status: u16,
    /// Error code of the answer, or why a stream broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// `x-vsr-response-path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_path: Option<&'static str>,
    /// Was a stream asked for?
    pub stream: bool,
    /// The model the client named.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub requested_model: &'a str,
    /// The model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// The decision that applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'a str>,
    /// Its confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// Cluster of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<&'a str>,
    /// The frontend that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Frontends tried.
    pub attempts: u32,
    /// Size of the request's body as the client sent it.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// From the head to the last byte.
    pub duration_ms: f64,
    /// Signals, decision and plugins.
    pub policy_ms: f64,
    /// Waiting for a slot of the cluster.
    pub queue_ms: f64,
    /// From the head to the first event or byte of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Events of the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Tokens as the frontend counted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// See `prompt_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// See `prompt_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// `x-vsr-why`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What guards decided.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub verdicts: &'a [Verdict],
    /// What they found: labels, scores and offsets.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub findings: &'a [Finding],
    /// Did the client get the whole answer?
    pub complete: bool,
    /// Revision of the policy.
    pub revision: u64,
}

/// The writing end; cheap to use from any thread.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    sender: Option<SyncSender<Message>>,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Starts the writer.
    #[must_use]
    pub(crate) fn start(target: bootstrap::AccessLog) -> Self {
        let out: Box<dyn Write + Send> = match target {
            bootstrap::AccessLog::Off => return Self { sender: None },
            bootstrap::AccessLog::Stdout => Box::new(std::io::stdout()),
            bootstrap::AccessLog::Stderr => Box::new(std::io::stderr()),
        };
        let (sender, receiver) = sync_channel(QUEUE);
        let spawned = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_lines(&receiver, out));
        Self {
            sender: spawned.is_ok().then_some(sender),
        }
    }

    /// Is there a log at all? Saves building an entry.
    #[must_use]
    pub(crate) fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Queues one line; `false` where the writer cannot keep up and the line was dropped.
    pub(crate) fn write(&self, entry: &Entry<'_>) -> bool {
        let (Some(sender), Ok(mut line)) = (&self.sender, serde_json::to_vec(entry)) else {
            return true;
        };
        line.push(b'\n');
        !matches!(
            sender.try_send(Message::Line(line)),
            Err(TrySendError::Full(_))
        )
    }

    /// Waits until everything queued so far is written, for the end of the process.
    pub(crate) fn flush(&self) {
        let Some(sender) = &self.sender else { return };
        // A writer that hangs on a full pipe must not keep the process alive: `send` would wait for ever.
        let end = Instant::now() + FLUSH_PATIENCE;
        let (done, wait) = sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(back)) = sender.try_send(message) {
            if Instant::now() > end {
                return;
            }
            message = back;
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = wait.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

/// Writes until all senders are gone; flushes whenever the queue runs empty.
fn write_lines(receiver: &Receiver<Message>, out: Box<dyn Write + Send>) {
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, out);
    let mut dirty = false;
    loop {
        let wait = if dirty {
            Duration::from_millis(20)
        } else {
            Duration::from_secs(3600)
        };
        match receiver.recv_timeout(wait) {
            Ok(Message::Line(line)) => {
                dirty = out.write_all(&line).is_ok();
            }
            Ok(Message::Flush(done)) => {
                let _ = out.flush();
                dirty = false;
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {
                let _ = out.flush();
                dirty = false;
            }
            Err(RecvTimeoutError::Disconnected) => {
                let _ = out.flush();
                return;
            }
        }
    }
}
