//! Waiting without guessing: polls until something holds, and fails with its name when it never does.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Far beyond what anything here takes, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `holds` says true.
///
/// # Panics
/// It never does.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// It never does.
pub async fn find<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The future's value.
///
/// # Panics
/// It does not come.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("never: {what}"),
    }
}
