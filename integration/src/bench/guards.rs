//! What guards add to the time to the first token: none, before, and beside the frontend's work.
//!
//! The simulated frontend takes 40 ms to its first token. Every prompt is another one, so that no result is
//! remembered; the three gateways take turns, request by request.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::Client;
use super::process::{Pins, Process, free_address};
use super::tools::Programs;

/// Time to the first token of the frontend, in milliseconds.
pub(super) const TTFT_MS: u64 = 40;

/// Words of a prompt: a question, a paragraph, two pages.
const WORDS: [usize; 3] = [20, 150, 1000];

/// Requests before those that count.
const WARM: usize = 5;

/// How guards are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Setup {
    Off,
    Before,
    Overlap,
}

impl Setup {
    const ALL: [Self; 3] = [Self::Off, Self::Before, Self::Overlap];

    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Before => "before",
            Self::Overlap => "overlap",
        }
    }

    /// PII and jailbreak with the models of the bundle, at their defaults but for the mode.
    fn plugins(self) -> String {
        match self {
            Self::Off => String::new(),
            _ => {
                let mode = self.word();
                format!("plugins: [{{pii: {{mode: {mode}}}}}, {{jailbreak: {{mode: {mode}}}}}]\n")
            }
        }
    }
}

/// Times to the first event of one setup and length.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Guarded {
    setup: Setup,
    words: usize,
    first_event_ms: Vec<f64>,
}

struct Gateway {
    setup: Setup,
    addr: SocketAddr,
    _process: Process,
}

/// Measures.
pub(super) fn measure(
    programs: &Programs,
    pins: Option<&Pins>,
    scratch: &Path,
    upstream: SocketAddr,
    model: &str,
    count: usize,
) -> anyhow::Result<Vec<Guarded>> {
    let mut gateways = Vec::new();
    for setup in Setup::ALL {
        let directory = scratch.join(format!("guards-{}", setup.word()));
        gateways.push(start(programs, pins, directory, setup, upstream, model)?);
    }
    let mut all = Vec::new();
    for words in WORDS {
        let mut times = vec![Vec::new(); gateways.len()];
        for number in 0..count + WARM {
            for (gateway, times) in gateways.iter().zip(&mut times) {
                let prompt = prompt(words, number);
                let first = stream(gateway, model, &prompt)?;
                if number >= WARM {
                    times.push(first);
                }
            }
        }
        all.extend(gateways.iter().zip(times).map(|(gateway, times)| Guarded {
            setup: gateway.setup,
            words,
            first_event_ms: times,
        }));
    }
    Ok(all)
}

fn start(
    programs: &Programs,
    pins: Option<&Pins>,
    directory: PathBuf,
    setup: Setup,
    upstream: SocketAddr,
    model: &str,
) -> anyhow::Result<Gateway> {
    std::fs::create_dir_all(&directory)?;
    let (addr, admin) = (free_address()?, free_address()?);
    std::fs::write(
        directory.join("policy.yaml"),
        format!(
            "version: 1\nclusters:\n  - name: dynamo\n    endpoints: {{static: [\"{upstream}\"]}}\n\
             models:\n  - {{name: {model}, cluster: dynamo}}\n{}",
            setup.plugins()
        ),
    )?;
    let file = directory.join("gateway.yaml");
    std::fs::write(
        &file,
        format!(
            "listeners: [{{address: \"{addr}\"}}]\nadmin: {{address: \"{admin}\"}}\npolicy: policy.yaml\n\
             threads: 1\nupgrade_socket: {}\nlog: {{level: error, access: off}}\n",
            directory.join("upgrade.sock").display()
        ),
    )?;
    let file = file.display().to_string();
    let core = pins.map(|pins| pins.proxy.as_str());
    let process = Process::start(&programs.commutator, &["run", "--config", &file], core)?;
    process.wait_for(addr)?;
    Ok(Gateway {
        setup,
        addr,
        _process: process,
    })
}

/// Prose that is nobody's data and no attack, different for each number.
fn prompt(words: usize, number: usize) -> String {
    const PROSE: &str = "The committee met on Thursday to weigh the two proposals for the river bridge and some members \
        liked the first one while others thought that the old piers would not hold for another winter so they asked \
        for one more survey before anybody could decide what to build";
    let mut text = format!("Summarise report number {number} in a few words:");
    for word in PROSE
        .split_whitespace()
        .cycle()
        .skip(number % 40)
        .take(words.saturating_sub(8))
    {
        text.push(' ');
        text.push_str(word);
    }
    text
}

/// Milliseconds to the first event.
fn stream(gateway: &Gateway, model: &str, prompt: &str) -> anyhow::Result<f64> {
    let body =
        json!({"model": model, "stream": true, "messages": [{"role": "user", "content": prompt}]})
            .to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        gateway.addr,
        body.len()
    );
    let answer =
        Client::connect(gateway.addr)?.exchange(&[head.as_bytes(), body.as_bytes()].concat())?;
    let good = answer.is_good_stream() && answer.text().contains("x-vsr-response-path: upstream");
    match answer.first_event.filter(|_| good) {
        Some(first) => Ok(first.as_secs_f64() * 1e3),
        None => bail!(
            "guards {}: a stream failed: {}",
            gateway.setup.word(),
            answer.text()
        ),
    }
}

/// The table, in Markdown.
pub(super) fn render(all: &[Guarded]) -> String {
    let mut out = String::new();
    if all.is_empty() {
        return out;
    }
    let _ = writeln!(
        out,
        "\n### Time to first token with guards (PII and jailbreak, bundled models), frontend with {TTFT_MS} ms\n\n\
         | words | off, p50 ms | before adds, p50 | overlap adds, p50 | before adds, p90 | overlap adds, p90 |\n\
         |---|---|---|---|---|---|"
    );
    for words in WORDS {
        let at = |setup: Setup, share: f64| {
            let found = all.iter().find(|g| g.setup == setup && g.words == words);
            found.map_or(f64::NAN, |guarded| quantile(&guarded.first_event_ms, share))
        };
        let added = |setup: Setup, share: f64| at(setup, share) - at(Setup::Off, share);
        let _ = writeln!(
            out,
            "| {words} | {:.2} | +{:.2} | +{:.2} | +{:.2} | +{:.2} |",
            at(Setup::Off, 0.5),
            added(Setup::Before, 0.5),
            added(Setup::Overlap, 0.5),
            added(Setup::Before, 0.9),
            added(Setup::Overlap, 0.9),
        );
    }
    out
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_differ_and_have_their_length() {
        let all: std::collections::HashSet<String> =
            (0..200).map(|number| prompt(20, number)).collect();
        assert_eq!(all.len(), 200);
        assert_eq!(prompt(150, 3).split_whitespace().count(), 150);
    }

    #[test]
    fn quantiles_of_a_few() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
