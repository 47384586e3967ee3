//! Black-box tests of the real binary in front of simulated frontends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod http1;
mod support;
