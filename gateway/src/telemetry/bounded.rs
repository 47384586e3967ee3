//! Label values that come from elsewhere, so that there are never too many time series.

use std::collections::HashSet;

use parking_lot::Mutex;

use super::metrics::OTHER;

/// The first values it hears; all later ones are [`OTHER`].
#[derive(Debug)]
pub(crate) struct Bounded {
    most: usize,
    heard: Mutex<HashSet<String>>,
}

impl Bounded {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            heard: Mutex::default(),
        }
    }

    /// The value itself, or [`OTHER`].
    pub(crate) fn label<'a>(&self, value: &'a str) -> &'a str {
        let mut heard = self.heard.lock();
        if heard.contains(value) {
            return value;
        }
        if heard.len() >= self.most {
            return OTHER;
        }
        heard.insert(value.to_owned());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_values_keep_their_names() {
        let bounded = Bounded::new(2);
        let labels = ["a", "b", "c", "a", "d"].map(|value| bounded.label(value));
        assert_eq!(labels, ["a", "b", OTHER, "a", OTHER]);
    }
}
