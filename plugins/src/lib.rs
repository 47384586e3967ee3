//! Signals, policy and plugins.
