//! What operators see: metrics, access log, trace context.

pub mod access_log;
pub mod metrics;
pub mod trace_context;
