//! `commutator classify`: what the models and rules say about texts, one JSON object a text.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use commutator_models::engine::{EngineMetrics, QueueOptions};
use commutator_models::source::{HubOptions, Source};
use commutator_models::understand::{
    Device, Inspection, Precision, Question, Understanding, UnderstandingConfig,
};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};

/// Options of `classify`.
#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// The text.
    #[arg(long, value_name = "TEXT", conflicts_with = "jsonl")]
    text: Option<String>,
    /// Read texts from standard input, one `{"text": ...}` a line; answers come one a line in the same order.
    #[arg(long)]
    jsonl: bool,
    /// The bundle's directory, instead of where it is usually found.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// The model for subjects: `bundle`, `dir:PATH` or `hub:ORG/NAME@REVISION`.
    #[arg(long, value_name = "MODEL")]
    domain: Option<Source>,
    /// The model for attacks.
    #[arg(long, value_name = "MODEL")]
    jailbreak: Option<Source>,
    /// The model for personal data.
    #[arg(long, value_name = "MODEL")]
    pii: Option<Source>,
    /// Add the text's vector to each answer.
    #[arg(long)]
    embedding: bool,
    /// Where the models run.
    #[arg(long, value_parser = word::<Device>, value_name = "auto|cpu|cuda")]
    device: Option<Device>,
    /// The numbers that they compute with.
    #[arg(long, value_parser = word::<Precision>, value_name = "auto|f32|bf16|int8|w8a8")]
    precision: Option<Precision>,
    /// Threads of one forward pass. Default: as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// A value as configuration files spell it.
fn word<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::String(text.to_owned())).map_err(|error| error.to_string())
}

/// Texts that are inspected at the same time: as many clients.
const AT_ONCE: usize = 64;

/// A line of the input. Other fields are for whoever reads the answers.
#[derive(Debug, Deserialize)]
struct Line {
    text: String,
}

impl Classify {
    pub(crate) fn run(&self) -> ExitCode {
        if self.text.is_none() && !self.jsonl {
            eprintln!(
                "error: give --text TEXT, or --jsonl and one {{\"text\": ...}} a line on standard input"
            );
            return ExitCode::from(2);
        }
        // What the models warn of, such as a GPU that is not there. A second subscriber changes nothing.
        let warnings = tracing_subscriber::fmt()
            .with_writer(io::stderr)
            .with_max_level(tracing::Level::WARN)
            .without_time()
            .with_target(false);
        let _ = warnings.try_init();
        let understanding = match self.load() {
            Ok(understanding) => Arc::new(understanding),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        };
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        };
        let done = match &self.text {
            Some(text) => runtime.block_on(self.one(&understanding, text)),
            None => runtime.block_on(self.lines(&understanding)),
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            // Whoever read the answers has enough of them.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn load(&self) -> Result<Understanding, commutator_models::ModelError> {
        let mut config = UnderstandingConfig::default();
        let sources = [
            (&self.domain, &mut config.domain),
            (&self.jailbreak, &mut config.jailbreak),
            (&self.pii, &mut config.pii),
        ];
        for (given, source) in sources {
            if let Some(given) = given {
                *source = given.clone();
            }
        }
        config.device = self.device.unwrap_or(config.device);
        config.precision = self.precision.unwrap_or(config.precision);
        // No proxy beside it wants a core.
        let cores = || std::thread::available_parallelism().ok();
        config.compute_threads = self.threads.or_else(|| cores().map(usize::from));
        // The limits keep a server's answers quick. Here nobody is in a hurry: `AT_ONCE` bounds what is inside, and a
        // text must never be refused because those before it are long.
        config.engine.queue = QueueOptions {
            max_texts: usize::MAX,
            max_text_bytes: usize::MAX,
            max_tokens: usize::MAX,
            ..QueueOptions::default()
        };
        let mut hub = HubOptions::from_process_env();
        if self.bundle.is_some() {
            hub.bundle.clone_from(&self.bundle);
        }
        Understanding::load(&config, &hub, &EngineMetrics::unregistered())
    }

    fn questions(&self) -> Vec<Question> {
        let wanted = |question: &Question| self.embedding || *question != Question::Embedding;
        Question::ALL.into_iter().filter(wanted).collect()
    }

    async fn one(&self, understanding: &Arc<Understanding>, text: &str) -> io::Result<bool> {
        let answer = inspect(understanding, text, &self.questions()).await;
        let mut out = io::stdout().lock();
        match (&answer, out.is_terminal()) {
            (Ok(answer), true) => writeln!(out, "{answer:#}")?,
            (Ok(answer), false) => writeln!(out, "{answer}")?,
            (Err(error), _) => eprintln!("error: {error}"),
        }
        Ok(answer.is_ok())
    }

    /// Answers every line; a line that cannot be answered gets an `error` in its place. Were all answered?
    async fn lines(&self, understanding: &Arc<Understanding>) -> io::Result<bool> {
        let questions = self.questions();
        let (send, receive) = tokio::sync::mpsc::channel(AT_ONCE);
        // Reading blocks; answers must not wait for it.
        let reader = std::thread::spawn(move || -> io::Result<()> {
            for line in io::stdin().lock().split(b'\n') {
                if send.blocking_send(line?).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let lines = futures::stream::unfold(receive, async |mut receive| {
            let line: Option<Vec<u8>> = receive.recv().await;
            line.map(|line| (line, receive))
        });
        let answers = lines
            .enumerate()
            .filter(|(_, line)| std::future::ready(!line.trim_ascii().is_empty()))
            .map(|(index, line)| answer(understanding, &questions, index + 1, line))
            .buffered(AT_ONCE);
        let mut answers = std::pin::pin!(answers);
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut all = true;
        while let Some(answer) = answers.next().await {
            all &= answer.get("error").is_none();
            writeln!(out, "{answer}")?;
        }
        out.flush()?;
        match reader.join() {
            Ok(read) => read.map(|()| all),
            Err(_) => Ok(false),
        }
    }
}

async fn answer(
    understanding: &Arc<Understanding>,
    questions: &[Question],
    number: usize,
    line: Vec<u8>,
) -> Value {
    let parsed: Result<Line, _> = serde_json::from_slice(&line);
    let answered = match parsed {
        Ok(Line { text }) => inspect(understanding, &text, questions).await,
        Err(error) => Err(format!("line {number}: {error}")),
    };
    answered.unwrap_or_else(|error| json!({"error": error, "line": number}))
}

async fn inspect(
    understanding: &Arc<Understanding>,
    text: &str,
    questions: &[Question],
) -> Result<Value, String> {
    let inspection = understanding.inspect(text, questions, None).await;
    let inspection = inspection.map_err(|error| error.to_string())?;
    Ok(describe(&inspection, understanding.jailbreak_threshold()))
}

fn describe(inspection: &Inspection, threshold: f32) -> Value {
    let millis = |duration: std::time::Duration| round(duration.as_secs_f64() * 1e3, 1e3);
    let mut answer = json!({});
    if let Some(best) = inspection.domain.as_ref().and_then(|scores| scores.first()) {
        answer["domain"] = json!({"label": best.label, "score": score(best.score)});
    }
    if let Some(attack) = &inspection.jailbreak {
        let label = if attack.score >= threshold {
            "jailbreak"
        } else {
            "benign"
        };
        answer["jailbreak"] = json!({"label": label, "score": score(attack.score)});
        if !attack.disguise.is_empty() {
            let names: Vec<&str> = attack.disguise.iter().map(|kind| kind.name()).collect();
            answer["jailbreak"]["disguise"] = json!(names);
        }
    }
    if let Some(findings) = &inspection.pii {
        let findings = findings.iter().map(|finding| {
            json!({"label": finding.label, "start": finding.range.start, "end": finding.range.end,
                "score": score(finding.score)})
        });
        answer["pii"] = findings.collect();
    }
    if let Some(vector) = &inspection.embedding {
        answer["embedding"] = json!(vector);
    }
    answer["windows"] = json!(inspection.windows);
    if inspection.unread_bytes > 0 {
        answer["unread_bytes"] = json!(inspection.unread_bytes);
    }
    let timing = &inspection.timing;
    answer["timing_ms"] = json!({
        "normalize": millis(timing.normalize),
        "rules": millis(timing.rules),
        "tokenize": millis(timing.engine.tokenize),
        "queue": millis(timing.engine.queue),
        "compute": millis(timing.engine.compute),
        "total": millis(timing.total),
    });
    answer
}

/// A probability with six decimals.
fn score(score: f32) -> f64 {
    round(f64::from(score), 1e6)
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
