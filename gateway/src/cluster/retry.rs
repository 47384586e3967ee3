//! The retry budget: retries as a share of recent requests, so that they cannot multiply the load
//! on a cluster that fails (the idea of Finagle's `RetryBudget`, with a sliding window).

use parking_lot::Mutex;

use super::clock::Millis;
use super::config::RetryBudgetConfig;

/// How far back requests count, in seconds.
const WINDOW: u64 = 10;

/// Counts the requests and retries of the last [`WINDOW`] seconds.
#[derive(Debug)]
pub(super) struct RetryBudget {
    percent: u64,
    min_per_second: u64,
    seconds: Mutex<[Second; WINDOW as usize]>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Second {
    /// Which second this slot counts.
    number: u64,
    requests: u64,
    retries: u64,
}

impl RetryBudget {
    pub(super) fn new(config: &RetryBudgetConfig) -> Self {
        Self {
            percent: u64::from(config.percent),
            min_per_second: u64::from(config.min_per_second),
            seconds: Mutex::default(),
        }
    }

    pub(super) fn record_request(&self, now: Millis) {
        current(&mut self.seconds.lock(), now).requests += 1;
    }

    /// Takes one retry out of the budget if there is one.
    pub(super) fn try_take(&self, now: Millis) -> bool {
        let mut seconds = self.seconds.lock();
        let oldest = (now / 1000).saturating_sub(WINDOW - 1);
        let (requests, retries) = seconds
            .iter()
            .filter(|second| second.number >= oldest)
            .fold((0, 0), |(q, r), s| (q + s.requests, r + s.retries));
        let allowed = requests * self.percent / 100 + self.min_per_second * WINDOW;
        let granted = retries < allowed;
        if granted {
            current(&mut seconds, now).retries += 1;
        }
        granted
    }
}

fn current(seconds: &mut [Second; WINDOW as usize], now: Millis) -> &mut Second {
    let number = now / 1000;
    let second = &mut seconds[(number % WINDOW) as usize];
    if second.number != number {
        *second = Second {
            number,
            ..Second::default()
        };
    }
    second
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(percent: u32, min_per_second: u32) -> RetryBudget {
        RetryBudget::new(&RetryBudgetConfig {
            percent,
            min_per_second,
        })
    }

    fn granted(budget: &RetryBudget, now: Millis) -> usize {
        (0..10_000).take_while(|_| budget.try_take(now)).count()
    }

    #[test]
    fn grants_a_share_of_the_requests() {
        let budget = budget(20, 0);
        assert_eq!(granted(&budget, 1), 0);
        for _ in 0..50 {
            budget.record_request(1);
        }
        assert_eq!(granted(&budget, 900), 10);
        assert_eq!(granted(&budget, 5_000), 0);
    }

    #[test]
    fn forgets_what_is_older_than_the_window() {
        let budget = budget(20, 0);
        for _ in 0..50 {
            budget.record_request(1);
        }
        assert_eq!(granted(&budget, 10_000), 0);
        budget.record_request(10_001);
        for _ in 0..9 {
            budget.record_request(19_999);
        }
        // Both the old requests and the retries of the first second are out of the window.
        assert_eq!(granted(&budget, 19_999), 2);
    }

    #[test]
    fn always_grants_the_minimum() {
        let budget = budget(0, 2);
        assert_eq!(granted(&budget, 1), 20);
        assert_eq!(granted(&budget, 9_000), 0);
        assert_eq!(granted(&budget, 10_500), 20);
    }
}
