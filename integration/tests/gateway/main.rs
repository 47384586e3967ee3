//! Black-box tests of the real binary in front of simulated frontends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod abort;
mod admin;
mod answers;
mod answers_guard;
mod bodies;
mod crowd;
mod engine_thread;
mod errors;
mod explain;
mod fidelity;
mod guards;
mod headers;
mod hostile;
mod http1;
mod http2;
mod models;
mod overlap;
mod privacy;
mod replaces;
mod retry;
mod stream;
mod support;
mod webhook;
