//! How a download goes, for the eyes of an operator.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use commutator_models::source::Progress;

/// One line that changes on a terminal; elsewhere a line now and then.
pub(super) struct Meter {
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: String,
    total: u64,
    /// When the first byte came and how many were there already.
    begun: Option<(Instant, u64)>,
    shown: Option<Instant>,
}

impl Meter {
    pub(super) fn stderr() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Between two lines about the same file.
    fn pause(&self) -> Duration {
        if self.terminal {
            Duration::from_millis(100)
        } else {
            Duration::from_secs(5)
        }
    }

    /// Writes a line that stays.
    fn line(&self, text: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{text}");
    }
}

impl Progress for Meter {
    fn begin(&self, files: usize, bytes: u64) {
        self.state().total = bytes;
        self.line(&format!("{files} files, {}", size(bytes)));
    }

    fn file(&self, name: &str, bytes: u64) {
        self.state().file = name.to_owned();
        if !self.terminal {
            self.line(&format!("{name} ({})", size(bytes)));
        }
    }

    fn position(&self, done: u64) {
        let mut state = self.state();
        let now = Instant::now();
        let (since, from) = *state.begun.get_or_insert((now, done));
        if state.shown.is_some_and(|shown| now - shown < self.pause()) {
            return;
        }
        // The first line elsewhere says that a file begins; how it goes can only be said later.
        let first = state.shown.replace(now).is_none();
        if first && !self.terminal {
            return;
        }
        let text = status(done, state.total, done.saturating_sub(from), now - since);
        if self.terminal {
            eprint!("\r\x1b[K{}  {text}", state.file);
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{text}");
        }
    }

    fn note(&self, text: &str) {
        self.line(text);
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

/// Bytes, share, rate and the time that is left: `fetched` bytes came in `time`.
fn status(done: u64, total: u64, fetched: u64, time: Duration) -> String {
    let mut text = size(done);
    if total > 0 {
        let share = 100 * u128::from(done.min(total)) / u128::from(total);
        text.push_str(&format!(" of {} ({share} %)", size(total)));
    }
    let rate = fetched as f64 / time.as_secs_f64();
    if rate.is_finite() && rate >= 1.0 {
        let left = (total.saturating_sub(done) as f64 / rate).ceil();
        text.push_str(&format!(", {}/s", size(rate as u64)));
        if total > done {
            let left = Duration::from_secs(left as u64);
            text.push_str(&format!(", {} left", humantime::format_duration(left)));
        }
    }
    text
}

/// Bytes in the units of disks and networks, which are decimal.
pub(super) fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 999, 1_000, 41_250_000, 1_200_000_000].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "41.2 MB", "1.2 GB"]);
    }

    #[test]
    fn what_was_there_already_does_not_count_as_speed() {
        let text = status(60_000_000, 100_000_000, 10_000_000, Duration::from_secs(5));
        assert_eq!(text, "60.0 MB of 100.0 MB (60 %), 2.0 MB/s, 20s left");
    }

    #[test]
    fn nothing_is_said_that_is_not_known() {
        assert_eq!(status(5, 0, 0, Duration::ZERO), "5 B");
        assert_eq!(
            status(0, 10, 0, Duration::from_secs(1)),
            "0 B of 10 B (0 %)"
        );
        assert!(!status(10, 10, 10, Duration::from_secs(1)).contains("left"));
    }
}
