//! `commutator models`: what models are here, fetching others, checking them.

mod measure;
mod progress;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use commutator_models::agreement;
use commutator_models::source::{
    HubModel, HubOptions, Located, LockFile, Report, Source, list, locate, pull, verify,
};

use self::measure::Measure;
use self::progress::Meter;

/// Options of `models`.
#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what the bundle and the hub cache hold.
    List(List),
    /// Fetch a model of the hub into the cache and check every byte of it.
    ///
    /// Reads HF_TOKEN, HF_ENDPOINT, HF_HUB_CACHE, HF_HOME and HF_HUB_OFFLINE as the Python tools do, and shares their
    /// cache. An interrupted download goes on where it was.
    Pull(Pull),
    /// Read models whole and compare them with their checksums; exit 1 and one line for each problem.
    Verify(Verify),
    /// Measure whether fewer bits give the same labels on this machine's kernels; `precision: auto` then goes by it.
    Measure(Measure),
}

/// Where models are on this machine.
#[derive(Debug, Args)]
struct Places {
    /// The bundle's directory. Otherwise COMMUTATOR_BUNDLE; otherwise `../share/commutator/bundle` and `bundle` beside
    /// the binary; otherwise the source tree it was built from.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// The hub cache. Otherwise HF_HUB_CACHE; otherwise `hub` in HF_HOME; otherwise `~/.cache/huggingface/hub`.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    places: Places,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Pull {
    #[command(flatten)]
    places: Places,
    /// `hub:ORG/NAME` or `hub:ORG/NAME@REVISION`; `hub:` may be left out.
    #[arg(value_name = "REF")]
    model: String,
    /// A branch, a tag or a commit; `main` unless REF says otherwise.
    #[arg(long)]
    revision: Option<String>,
    /// Note the commit and the checksums in this file.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Do not measure what fewer bits do to its labels; it then runs in 32 bits on the CPU unless it is stored in 8.
    #[arg(long)]
    no_measure: bool,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    places: Places,
    /// References or directories; without any, everything that the lock file names, or all that is here.
    #[arg(value_name = "REF|DIR")]
    models: Vec<String>,
    /// The bundle and everything in the hub cache.
    #[arg(long, conflicts_with_all = ["models", "lock"])]
    all: bool,
    /// Compare with this lock file too.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
}

impl Models {
    /// Runs the command.
    pub(crate) fn run(&self) -> ExitCode {
        let outcome = match &self.command {
            Command::List(list) => list.run(),
            Command::Pull(pull) => pull.run(),
            Command::Verify(verify) => verify.run(),
            Command::Measure(measure) => measure.run(),
        };
        outcome.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        })
    }
}

impl Places {
    fn options(&self) -> HubOptions {
        let mut options = HubOptions::from_process_env();
        if let Some(bundle) = &self.bundle {
            options.bundle = Some(bundle.clone());
        }
        if let Some(cache) = &self.cache {
            options.cache.clone_from(cache);
        }
        options
    }
}

impl List {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let options = self.places.options();
        let held = list(&options);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&held)?);
        } else if held.is_empty() {
            println!(
                "No bundle, and no models in the hub cache {}.",
                options.cache.display()
            );
        } else {
            print!("{}", table::of(&held));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Pull {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let options = self.places.options();
        let source = self.source()?;
        // A lock file that cannot be read is better known before a long download than after it.
        let mut lock = self
            .lock
            .as_deref()
            .map(LockFile::read_or_new)
            .transpose()?;
        let located = match &source {
            Source::Hub(model) => tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(pull(model, &options, &Meter::stderr()))?,
            _ => locate(&source, &options)?,
        };
        if let (Some(lock), Some(path)) = (&mut lock, &self.lock) {
            lock.insert(&located);
            lock.write(path)?;
        }
        println!("{}", said(&located));
        // What is no encoder of ours, or needs candle, is here all the same.
        if !self.no_measure
            && let Err(error) = measure::measure(&located, &options, &agreement::texts())
        {
            eprintln!("warning: not measured: {error:#}");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn source(&self) -> anyhow::Result<Source> {
        let mut source = reference(&self.model)?;
        if let Some(revision) = &self.revision {
            let Source::Hub(model) = &mut source else {
                anyhow::bail!("--revision is for models of the hub; `{source}` has none");
            };
            if let Some(other) = model.revision.as_ref().filter(|other| *other != revision) {
                anyhow::bail!("the reference says revision `{other}` and --revision `{revision}`");
            }
            *model = format!("{}@{revision}", model.repo).parse()?;
        }
        Ok(source)
    }
}

/// Reads a reference; on the command line a model of the hub needs no `hub:`.
fn reference(text: &str) -> anyhow::Result<Source> {
    text.parse().or_else(|error| {
        let is_path = text.starts_with(['/', '.', '~']);
        match text.parse::<HubModel>() {
            Ok(model) if text.contains('/') && !is_path => Ok(Source::Hub(model)),
            _ => Err(anyhow::Error::from(error)),
        }
    })
}

fn said(located: &Located) -> String {
    format!(
        "{}: revision {}, {} files, {}, in {}",
        located.source,
        located.revision,
        located.files.len(),
        progress::size(located.bytes()),
        located.dir.display()
    )
}

impl Verify {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let options = self.places.options();
        let lock = self.lock.as_deref().map(LockFile::read).transpose()?;
        let sources = self.sources(&options, lock.as_ref())?;
        if sources.is_empty() {
            anyhow::bail!("there is nothing to verify");
        }
        let mut failed = false;
        for source in &sources {
            let report = verify(source, &options, lock.as_ref());
            failed |= !report.problems.is_empty();
            tell(&report);
        }
        Ok(if failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    fn sources(
        &self,
        options: &HubOptions,
        lock: Option<&LockFile>,
    ) -> anyhow::Result<Vec<Source>> {
        if !self.models.is_empty() {
            return self.models.iter().map(|text| model_or_dir(text)).collect();
        }
        if let Some(lock) = lock {
            return Ok(lock.sources()?);
        }
        let held = list(options).into_iter().map(|held| match held.source {
            // Every commit of a model, not only the newest.
            Source::Hub(model) => Source::Hub(HubModel {
                revision: Some(held.revision),
                ..model
            }),
            other => other,
        });
        Ok(held.collect())
    }
}

fn model_or_dir(text: &str) -> anyhow::Result<Source> {
    if text != "bundle" && Path::new(text).is_dir() {
        return Ok(Source::Dir(text.into()));
    }
    reference(text)
}

fn tell(report: &Report) {
    for problem in &report.problems {
        eprintln!("{}: {problem}", report.source);
    }
    if report.problems.is_empty() {
        let unknown = report.files - report.compared;
        let without = match unknown {
            0 => String::new(),
            n => format!("; for {n} of them there is no checksum to compare with"),
        };
        println!(
            "{}: ok ({} files, {}{without})",
            report.source,
            report.files,
            progress::size(report.bytes)
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pull_of(model: &str, revision: Option<&str>) -> anyhow::Result<Source> {
        Pull {
            places: Places {
                bundle: None,
                cache: None,
            },
            model: model.to_owned(),
            revision: revision.map(str::to_owned),
            lock: None,
            no_measure: true,
        }
        .source()
    }

    #[test]
    fn a_reference_and_a_revision_make_one() {
        let source = pull_of("org/name", Some("v1")).unwrap();
        assert_eq!(source.to_string(), "hub:org/name@v1");
        let source = pull_of("hub:org/name@v1", Some("v1")).unwrap();
        assert_eq!(source.to_string(), "hub:org/name@v1");
        assert!(pull_of("hub:org/name@v1", Some("v2")).is_err());
        assert!(pull_of("bundle", Some("v2")).is_err());
        assert!(pull_of("org/name", Some("../x")).is_err());
    }

    #[test]
    fn a_path_is_no_model_of_the_hub() {
        let error = pull_of("./a/b", None).unwrap_err().to_string();
        assert!(error.contains("did you mean `dir:./a/b`?"), "{error}");
    }
}
