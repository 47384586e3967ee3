//! Signals, policy and plugins.

pub mod problem;
pub mod secret;
pub mod units;
