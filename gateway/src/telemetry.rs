//! What operators see: messages, metrics, access log, trace context.

pub(crate) mod access_log;
mod bounded;
pub(crate) mod metrics;
pub(crate) mod trace_context;

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::bootstrap::Log;

/// Below this level Pingora logs requests as they came: credentials and prompts, which belong in no log.
fn is_harmless(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !metadata.target().starts_with("pingora")
}

/// Sends messages to standard error. `RUST_LOG` wins over the configured level.
pub(crate) fn init_logging(log: &Log) {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| log.level.clone());
    let (filter, mistake) = match EnvFilter::try_new(&filter) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(true);
    let result = if log.json {
        let subscriber = builder.json().finish();
        subscriber.with(filter_fn(is_harmless)).try_init()
    } else {
        let subscriber = builder.with_ansi(false).finish();
        subscriber.with(filter_fn(is_harmless)).try_init()
    };
    if let Err(error) = result {
        eprintln!("no log: {error}");
    }
    if let Some(mistake) = mistake {
        tracing::warn!(%mistake, "the log level cannot be read, using info");
    }
}
