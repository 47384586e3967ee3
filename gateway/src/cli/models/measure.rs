//! `commutator models measure`: what fewer bits do to a model's labels.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use commutator_models::agreement::{self, Measured, Record};
use commutator_models::checkpoint;
use commutator_models::native::Threads;
use commutator_models::source::{HubOptions, Located, Source, locate};

use super::{Places, model_or_dir};

#[derive(Debug, Args)]
pub(super) struct Measure {
    #[command(flatten)]
    places: Places,
    /// References or directories; the bundle without any.
    #[arg(value_name = "REF|DIR")]
    models: Vec<String>,
    /// Texts of your own to measure with, one a line. Otherwise a few hundred that are built in.
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
}

impl Measure {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let options = self.places.options();
        let texts = match &self.texts {
            None => agreement::texts(),
            Some(path) => {
                let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                lines.map(str::to_owned).collect()
            }
        };
        anyhow::ensure!(!texts.is_empty(), "there is no text to measure with");
        let sources = match self.models.as_slice() {
            [] => vec![Source::Bundle { head: None }],
            models => models
                .iter()
                .map(|text| model_or_dir(text))
                .collect::<Result<_, _>>()?,
        };
        for source in sources {
            measure(&locate(&source, &options)?, &options, &texts)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Measures a model, and the members of a bundle, on all cores; prints what came out and keeps the record for
/// `precision: auto`.
pub(super) fn measure(
    located: &Located,
    options: &HubOptions,
    texts: &[String],
) -> anyhow::Result<()> {
    (located.each().iter()).try_for_each(|one| measure_one(one, options, texts))
}

fn measure_one(located: &Located, options: &HubOptions, texts: &[String]) -> anyhow::Result<()> {
    let name = located.name();
    let read = checkpoint::read_dir(&located.dir, &name, &checkpoint::Options::default())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let precisions: Vec<_> = agreement::precisions()
        .iter()
        .map(ToString::to_string)
        .collect();
    eprintln!(
        "{name}: running {} texts in {}",
        texts.len(),
        precisions.join(", ")
    );
    let threads = Threads::new(cores)?;
    let measured = agreement::measure(&name, &read, texts, &threads)?;
    let record = Record::new(&located.content, measured);
    print!("{}", table(&record.measured));
    let path = record.write(options)?;
    println!(
        "{name}: `precision: auto` takes {}; noted in {}",
        record.precision,
        path.display()
    );
    Ok(())
}

/// A line a precision and head.
fn table(measured: &[Measured]) -> String {
    let mut text = format!(
        "{:10}{:12}{:20}{:>16}{:>10}{:>10}\n",
        "PRECISION", "KERNELS", "HEAD", "SAME LABELS", "SHARE", "TOKENS/S"
    );
    for one in measured {
        for (index, head) in one.heads.iter().enumerate() {
            let (precision, kernels, speed) = match index {
                0 => (
                    one.precision.to_string(),
                    one.kernels.as_str(),
                    format!("{:.0}", one.tokens_per_second),
                ),
                _ => (String::new(), "", String::new()),
            };
            text.push_str(&format!(
                "{precision:10}{kernels:12}{:20}{:>16}{:>9.2}%{speed:>10}\n",
                head.head,
                format!("{} of {}", head.same, head.of),
                100.0 * head.share(),
            ));
        }
    }
    text
}
