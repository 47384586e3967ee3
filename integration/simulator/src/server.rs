//! The listener, its connections, and the handle that a test holds.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use crate::config::{Pace, SimulatorConfig};
use crate::fault::Fault;
use crate::handler;
use crate::record::RequestRecord;
use crate::state::{State, lock};

/// A running simulator. Dropping the handle stops it as [`Simulator::stop`] does, without waiting.
#[derive(Debug)]
pub struct Simulator {
    state: Arc<State>,
    addr: SocketAddr,
    runtimes: Vec<Handle>,
    accept: Mutex<Option<JoinHandle<()>>>,
}

impl Simulator {
    /// Listens and serves on the current runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    ///
    /// # Panics
    /// Outside a Tokio runtime with I/O and time enabled.
    pub async fn start(config: SimulatorConfig) -> io::Result<Self> {
        Self::start_on(config, vec![Handle::current()]).await
    }

    /// Listens on the current runtime and serves connections on `runtimes` in turn (for one
    /// single-threaded runtime per core). An empty list means the current one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start_on(config: SimulatorConfig, runtimes: Vec<Handle>) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        let simulator = Self {
            addr: listener.local_addr()?,
            state: Arc::new(State::new(config)),
            runtimes: match runtimes.is_empty() {
                true => vec![Handle::current()],
                false => runtimes,
            },
            accept: Mutex::new(None),
        };
        simulator.listen(listener);
        Ok(simulator)
    }

    fn listen(&self, listener: TcpListener) {
        let task = accept(listener, Arc::clone(&self.state), self.runtimes.clone());
        *lock(&self.accept) = Some(tokio::spawn(task));
    }

    /// The address it listens on, with the real port; it stays the same over [`Simulator::restart`].
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Sets the fault that the next requests meet, in place of any other.
    pub fn set_fault(&self, fault: Fault) {
        self.state.set_fault(fault);
    }

    /// The fault that is set, with what is left of its count.
    pub fn fault(&self) -> Fault {
        self.state.fault()
    }

    /// Changes speed and length of the answers to requests that come from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.state.set_pace(pace);
    }

    /// Replaces the models; all are ready.
    pub fn set_models(&self, models: &[&str]) {
        self.state.set_models(models);
    }

    /// Says whether a model's workers are all there; `false` if there is no such model.
    pub fn set_ready(&self, model: &str, ready: bool) -> bool {
        let model = self.state.model(model);
        if let Some(model) = &model {
            model.ready.store(ready, Ordering::Release);
        }
        model.is_some()
    }

    /// The last POST requests in the order in which they came, the oldest first. Also those that were
    /// answered with an error; not those to `/simulator/`.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state.recorder.all()
    }

    /// Forgets the recorded requests; [`Simulator::total`] goes on.
    pub fn clear_requests(&self) {
        self.state.recorder.clear();
    }

    /// POST requests that are being read, held or answered.
    pub fn active(&self) -> usize {
        self.state.active.load(Ordering::Acquire)
    }

    /// POST requests since the start.
    pub fn total(&self) -> u64 {
        self.state.total.load(Ordering::Acquire)
    }

    /// Other requests since the start: health, models, readiness, metrics.
    pub fn probes(&self) -> u64 {
        self.state.probes.load(Ordering::Acquire)
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        lock(&self.state.connections).len()
    }

    /// Connections since the start.
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Acquire)
    }

    /// Answers 503 "Service is not ready" to everything from now on, `/live` too, as a frontend does
    /// after SIGTERM. Streams that run go on. [`Simulator::restart`] ends it.
    pub fn drain(&self) {
        self.state.draining.store(true, Ordering::Release);
    }

    /// Stops as SIGKILL does: the listener closes and every connection ends where it is. Returns when
    /// all are closed.
    pub async fn stop(&self) {
        self.state.stopping.store(true, Ordering::Release);
        let accept = lock(&self.accept).take();
        if let Some(accept) = accept {
            accept.abort();
            // An error only says that the task was aborted, as it was to be.
            let _ = accept.await;
        }
        self.abort_connections();
        while self.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Requests of HTTP/2 run in tasks of their own, which learn of the end a moment later.
        for _ in 0..1000 {
            if self.active() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Listens again on the same port; stops first if it still runs. Faults, records, counters and the
    /// prefix cache stay, draining ends.
    ///
    /// # Errors
    /// The port cannot be bound again.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        self.state.draining.store(false, Ordering::Release);
        self.state.stopping.store(false, Ordering::Release);
        self.listen(TcpListener::bind(self.addr).await?);
        Ok(())
    }

    fn abort_connections(&self) {
        for connection in lock(&self.state.connections).values() {
            connection.abort();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::Release);
        if let Some(accept) = lock(&self.accept).take() {
            accept.abort();
        }
        self.abort_connections();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>, runtimes: Vec<Handle>) {
    for runtime in runtimes.iter().cycle() {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                // Out of file descriptors, or the client is gone already: the next may do better.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let number = state.accepted.fetch_add(1, Ordering::AcqRel) + 1;
        // A socket belongs to the runtime that polls it: hand it over as a plain one.
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        let connection = Arc::new(Connection {
            number,
            task: OnceLock::new(),
            rst: AtomicBool::new(false),
        });
        // Under the lock, so that the connection cannot end before it is listed.
        let mut connections = lock(&state.connections);
        let task = runtime.spawn(drive(stream, Arc::clone(&state), Arc::clone(&connection)));
        let _ = connection.task.set(task.abort_handle());
        connections.insert(number, task.abort_handle());
    }
}

/// Serves one connection to its end.
async fn drive(stream: std::net::TcpStream, state: Arc<State>, connection: Arc<Connection>) {
    let listed = Listed(Arc::clone(&state), connection.number);
    let Ok(stream) = TcpStream::from_std(stream) else {
        return;
    };
    if state.nodelay {
        // A failure means that the client is gone, which reading will tell.
        let _ = stream.set_nodelay(true);
    }
    let socket = Socket {
        stream,
        connection: Arc::clone(&connection),
        _listed: listed,
    };
    let service =
        service_fn(move |request| handler::serve(state.clone(), connection.clone(), request));
    let server = auto::Builder::new(TokioExecutor::new());
    // Errors are the client's: it left, or spoke no HTTP and was told so.
    let _ = server.serve_connection(TokioIo::new(socket), service).await;
}

/// What a request may do to its connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    task: OnceLock<AbortHandle>,
    rst: AtomicBool,
}

impl Connection {
    /// Ends the connection at once, with a TCP reset or with an end of file.
    pub(crate) fn break_off(&self, rst: bool) {
        self.rst.store(rst, Ordering::Release);
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Takes a connection off the list when it ends, or when its task is dropped before it ran.
#[derive(Debug)]
struct Listed(Arc<State>, u64);

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.0.connections).remove(&self.1);
    }
}

/// A socket that may end with a reset.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    connection: Arc<Connection>,
    /// After `stream`: fields drop in order, and a connection is gone only when its socket is closed.
    _listed: Listed,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.rst.load(Ordering::Acquire) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
