//! Black-box tests of the real binary's life: reload, end, hand-over to another process, service manager.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod soak;
mod support;
