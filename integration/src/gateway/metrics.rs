//! The text exposition format of Prometheus, as far as the tests need it.

/// All samples of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    samples: Vec<Sample>,
    text: String,
}

#[derive(Debug, Clone)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Metrics {
    /// Reads a scrape; lines that are no samples are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            samples: lines.filter_map(sample).collect(),
            text: text.to_owned(),
        }
    }

    /// The sum over all samples of `name` (without the `commutator_` in front) that carry all of `labels`; 0 where
    /// there are none.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let matching = self.samples.iter().filter(|sample| {
            sample.name.strip_prefix("commutator_") == Some(name)
                && labels.iter().all(|(key, value)| {
                    let mut own = sample.labels.iter();
                    own.any(|(k, v)| k == key && v == value)
                })
        });
        matching.fold(0.0, |sum, sample| sum + sample.value)
    }

    /// The scrape as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let (name, rest) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (series, ""),
    };
    let mut labels = Vec::new();
    let mut rest = rest;
    while let Some((key, after)) = rest.split_once("=\"") {
        // No label value of the gateway's holds a quote.
        let (value, after) = after.split_once('"')?;
        labels.push((key.to_owned(), value.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_labels() {
        let metrics = Metrics::parse(
            "# HELP commutator_x x\ncommutator_x{a=\"1\",b=\"2\"} 3\ncommutator_x{a=\"1\",b=\"4\"} 5\n\
             commutator_x_total 7\ncommutator_y 1.5\n",
        );
        assert_eq!(metrics.sum("x", &[("a", "1")]), 8.0);
        assert_eq!(metrics.sum("x", &[("a", "1"), ("b", "4")]), 5.0);
        assert_eq!(metrics.sum("x", &[("b", "1")]), 0.0);
        assert_eq!(metrics.sum("y", &[]), 1.5);
    }
}
