//! Black-box tests: everything through a real TCP client.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "tests may panic and document nothing"
)]

mod api;
mod client;
mod fault;
mod lifecycle;
mod process;
mod rules;
mod stream;
