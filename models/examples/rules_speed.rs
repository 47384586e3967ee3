//! What the rules cost: nanoseconds a byte over prose, code and a text full of numbers.
//!
//! `cargo run --release -p commutator-models --example rules_speed`; with a file's name, what is found in its lines.

use std::time::{Duration, Instant};

use commutator_models::rules::{Rules, RulesConfig};

const PROSE: &str = "The committee met again in the afternoon to talk about the new bridge. Nobody could say whether the river \
                     would rise as high as it did when the old mill was lost, but everyone agreed that waiting was no plan. \
                     A short report, written by two engineers, described how the banks might be strengthened; it was read \
                     aloud, and then the questions began. Would the road be closed? For how long? Who would pay?\n";
const CODE: &str = "pub fn merge(left: &[u32], right: &[u32]) -> Vec<u32> {\n    let mut out = Vec::with_capacity(left.len() + \
                    right.len());\n    let (mut i, mut j) = (0, 0);\n    while i < left.len() && j < right.len() {\n        if \
                    left[i] <= right[j] { out.push(left[i]); i += 1 } else { out.push(right[j]); j += 1 }\n    }\n    \
                    self.cache.insert(key.clone(), out.len() as u64 * 1024 + 17);\n    out\n}\n";
const NUMBERS: &str = "12 4711 3.14159 2024 88213 10, 20, 30; 0.001 99.5 1200 77 123456 8 15 16 23 42 1000000 31337 65535\n";

fn main() {
    let Ok(rules) = Rules::new(&RulesConfig::default()) else {
        return;
    };
    if let Some(path) = std::env::args().nth(1) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            for span in rules.find(line) {
                println!(
                    "{}\t{:.3}\t{}\t{line}",
                    span.label, span.score, &line[span.range]
                );
            }
        }
        return;
    }
    for (name, piece) in [("prose", PROSE), ("code", CODE), ("numbers", NUMBERS)] {
        let text = piece.repeat((100 << 10) / piece.len() + 1);
        let best = (0..40)
            .map(|_| time(&rules, &text))
            .min()
            .unwrap_or_default();
        let each = best.as_secs_f64() * 1e9 / text.len() as f64;
        let found = rules.find(&text).len();
        println!(
            "{name:8} {} bytes  {each:6.2} ns/byte  {:7.0} MB/s  {found} found",
            text.len(),
            1e3 / each
        );
    }
}

fn time(rules: &Rules, text: &str) -> Duration {
    let start = Instant::now();
    std::hint::black_box(rules.find(std::hint::black_box(text)));
    start.elapsed()
}
