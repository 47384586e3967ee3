//! The load generator as a command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use commutator_integration::load::{self, LoadConfig, Pacing};

/// Sends chat completions (or any JSON) and tells how fast and how well they are answered.
#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// Where to send: `http://HOST:PORT/PATH`; the path defaults to `/v1/chat/completions`.
    url: String,
    /// File with a request body; several are sent in turn. Default: a chat completion.
    #[arg(long)]
    body: Vec<PathBuf>,
    /// Model of the default body.
    #[arg(long, default_value = "MoM", conflicts_with = "body")]
    model: String,
    /// Bytes of text in the default body.
    #[arg(long, default_value_t = 64, conflicts_with = "body")]
    size: usize,
    /// Ask for a stream in the default body.
    #[arg(long, conflicts_with = "body")]
    stream: bool,
    /// A further header, `name: value`.
    #[arg(long = "header", short = 'H')]
    headers: Vec<String>,
    /// Connections.
    #[arg(long, short, default_value_t = 16)]
    connections: usize,
    /// Threads.
    #[arg(long, short, default_value_t = 1)]
    threads: usize,
    /// Requests per second (open loop). Default: as fast as answers come.
    #[arg(long)]
    rate: Option<f64>,
    /// Number of requests.
    #[arg(long, short = 'n')]
    count: Option<u64>,
    /// Seconds. Default 10, unless a number is given.
    #[arg(long, short)]
    duration: Option<f64>,
    /// Seconds at the beginning that do not count.
    #[arg(long, default_value_t = 0.0)]
    warmup: f64,
    /// Seconds for one exchange.
    #[arg(long, default_value_t = 30.0)]
    timeout: f64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn config(&self) -> anyhow::Result<LoadConfig> {
        let rest = self.url.strip_prefix("http://");
        let rest = rest.context("the URL must begin with http://")?;
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/v1/chat/completions"),
        };
        let mut addresses = std::net::ToSocketAddrs::to_socket_addrs(host)
            .with_context(|| format!("`{host}` must be HOST:PORT"))?;
        let addr = addresses.next().context("the host has no address")?;
        let mut config = if self.body.is_empty() {
            let text = "word ".repeat(self.size / 5 + 1);
            LoadConfig::chat(addr, &self.model, &text[..self.size], self.stream)
        } else {
            let read = |file: &PathBuf| {
                let bytes = std::fs::read(file);
                bytes.with_context(|| format!("cannot read {}", file.display()))
            };
            let bodies: anyhow::Result<Vec<_>> = self.body.iter().map(read).collect();
            LoadConfig::new(addr, path, bodies?.into_iter().map(Into::into).collect())
        };
        config.path = path.to_owned();
        config.host = host.to_owned();
        for header in &self.headers {
            let Some((name, value)) = header.split_once(':') else {
                bail!("`{header}` is not `name: value`");
            };
            let pair = (name.trim().to_owned(), value.trim().to_owned());
            config.headers.push(pair);
        }
        config.connections = self.connections;
        config.threads = self.threads;
        config.pacing = self
            .rate
            .map_or(Pacing::Closed, |rate| Pacing::Open { rate });
        config.count = self.count;
        config.duration = match (self.duration, self.count) {
            (Some(duration), _) => Some(seconds("--duration", duration)?),
            (None, None) => Some(Duration::from_secs(10)),
            (None, Some(_)) => None,
        };
        config.warmup = seconds("--warmup", self.warmup)?;
        config.timeout = seconds("--timeout", self.timeout)?;
        Ok(config)
    }
}

fn seconds(name: &str, value: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(value).with_context(|| format!("{name} {value} is no time"))
}

/// Exits with 1 if a request failed.
fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let report = load::run_blocking(&args.config()?)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(ExitCode::from(u8::from(report.failed() > 0)))
}
