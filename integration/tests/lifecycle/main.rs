//! Black-box tests of the real binary's life: reload, end, hand-over to another process, service manager.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod notify;
mod reload;
mod shutdown;
mod soak;
mod startup;
mod support;
mod upgrade;
