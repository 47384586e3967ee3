//! `commutator import`: a policy out of another gateway's configuration.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::config::Document;
use crate::import::report::{Loss, Report};
use crate::import::vllm_sr;

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// A configuration of the vLLM Semantic Router, v0.3: its config.yaml, or Helm values with it under `config:`.
    VllmSr(VllmSr),
}

#[derive(Debug, Args)]
struct VllmSr {
    /// The configuration.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write the policy to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite the file that `--out` names.
    #[arg(long, requires = "out")]
    force: bool,
    /// Write nothing, and fail, if anything has no counterpart or means something else here.
    #[arg(long)]
    strict: bool,
}

impl Import {
    /// Runs the command.
    pub(crate) fn run(&self) -> ExitCode {
        let From::VllmSr(options) = &self.from;
        let document = match Document::load(&options.file) {
            Ok(document) => document,
            Err(errors) => return refused(&errors),
        };
        let imported = match vllm_sr::convert(&document) {
            Ok(imported) => imported,
            Err(errors) => return refused(&errors),
        };
        list(&options.file, &imported.report);
        if options.strict && imported.report.is_lossy() {
            eprintln!("error: not everything has a counterpart (--strict); nothing was written");
            return ExitCode::FAILURE;
        }
        match write(options, &imported.policy) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn refused(errors: &crate::config::ConfigErrors) -> ExitCode {
    eprintln!("{errors}");
    ExitCode::FAILURE
}

/// Everything that could not be carried over, the worst first.
fn list(file: &Path, report: &Report) {
    for loss in Loss::ALL {
        let remarks = report.of(loss);
        if remarks.is_empty() {
            continue;
        }
        eprintln!("{} ({}):", loss.title(), remarks.len());
        for remark in remarks {
            eprintln!(
                "  {}:{}: {}: {}",
                file.display(),
                remark.line,
                remark.path,
                remark.why
            );
        }
    }
}

fn write(options: &VllmSr, policy: &str) -> anyhow::Result<()> {
    let Some(out) = &options.out else {
        // A closed pipe is no reason to panic.
        return io::stdout()
            .write_all(policy.as_bytes())
            .context("standard output");
    };
    let mut open = OpenOptions::new();
    match options.force {
        true => open.write(true).create(true).truncate(true),
        false => open.write(true).create_new(true),
    };
    let mut file = open.open(out).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!(
                "{} exists already; overwrite it with --force",
                out.display()
            )
        }
        _ => anyhow::Error::new(error).context(out.display().to_string()),
    })?;
    file.write_all(policy.as_bytes())
        .with_context(|| out.display().to_string())?;
    eprintln!(
        "{}: written; check it with `commutator check --policy {0}`",
        out.display()
    );
    Ok(())
}
