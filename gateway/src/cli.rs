//! The command line.

mod classify;
pub(crate) mod explain;
mod generate;
mod import;
mod models;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use commutator_models::source::HubOptions;

use crate::bootstrap::Bootstrap;
use crate::config::{self, ConfigErrors};
use crate::snapshot::Checked;
use crate::{demo, server};

/// An LLM gateway in front of NVIDIA Dynamo frontends.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Run(Run),
    /// Check the configuration and say everything that is wrong with it; exit 1 if anything is.
    Check(Files),
    /// Say what the policy would do with a request, and why, without sending anything.
    Explain(explain::Explain),
    /// Print the JSON Schema of the policy file (or, with `bootstrap`, of the bootstrap file).
    Schema {
        /// Which file.
        #[arg(value_enum, default_value_t = generate::Which::Policy)]
        which: generate::Which,
    },
    /// Print the reference page of the configuration files, in Markdown.
    Reference,
    /// Say what texts are about, whether they attack, and which personal data they hold.
    Classify(classify::Classify),
    /// List, fetch and check the models that understand requests.
    Models(models::Models),
    /// Turn another gateway's configuration into a policy, and list what has no counterpart.
    Import(import::Import),
    /// Try it out: two simulated frontends in this process behind the real gateway.
    Demo(demo::Demo),
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Files {
    /// The bootstrap file.
    #[arg(short, long, value_name = "FILE", default_value = "conf/gateway.yaml")]
    pub config: PathBuf,
    /// The policy file, instead of the one that the bootstrap file names.
    #[arg(short, long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    files: Files,
    /// Take the listeners over from the running process, which then gets SIGQUIT.
    #[arg(long)]
    upgrade: bool,
    /// Report readiness to the service manager only once one frontend is ready.
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    wait_for_upstream: bool,
}

/// Exit status for a configuration with mistakes, as `sysexits.h` has it (EX_CONFIG).
const EXIT_CONFIG: u8 = 78;

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(run) => run_gateway(&run),
        Command::Check(files) => check(&files),
        Command::Explain(explain) => explain.run(),
        Command::Schema { which } => generate::schema(which),
        Command::Reference => generate::reference(),
        Command::Classify(classify) => classify.run(),
        Command::Models(models) => models.run(),
        Command::Import(import) => import.run(),
        Command::Demo(demo) => demo.run(),
    }
}

/// Reads the bootstrap file and finds the policy file.
pub(crate) fn read_bootstrap(files: &Files) -> Result<(Bootstrap, PathBuf), ConfigErrors> {
    let loaded = config::load(
        &files.config,
        &config::process_env,
        &mut Bootstrap::problems,
    )?;
    let bootstrap = loaded.value;
    let policy = match &files.policy {
        Some(policy) => policy.clone(),
        None => files
            .config
            .parent()
            .unwrap_or(Path::new("."))
            .join(&bootstrap.policy),
    };
    Ok((bootstrap, policy))
}

fn run_gateway(run: &Run) -> ExitCode {
    let (bootstrap, policy) = match read_bootstrap(&run.files) {
        Ok(read) => read,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let options = server::Options {
        upgrade: run.upgrade,
        wait_for_upstream: run.wait_for_upstream,
    };
    match server::run(bootstrap, policy, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(server::StartError::Policy(errors)) => {
            eprintln!("{errors}");
            ExitCode::from(EXIT_CONFIG)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(files: &Files) -> ExitCode {
    let mut failed = false;
    let policy = match read_bootstrap(files) {
        Ok((_, policy)) => {
            println!("{}: ok", files.config.display());
            Some(policy)
        }
        Err(errors) => {
            eprintln!("{errors}");
            failed = true;
            files.policy.clone()
        }
    };
    if let Some(policy) = policy {
        match Checked::read(&policy) {
            Ok(checked) => {
                for warning in checked.warnings() {
                    eprintln!("{warning}");
                }
                // The models may be on the machine that will serve only.
                if checked.needs_models()
                    && let Err(error) = checked.find_models(&HubOptions::from_process_env())
                {
                    eprintln!("warning: understanding: {error}");
                }
                let (clusters, models, decisions) = checked.counts();
                println!(
                    "{}: ok ({clusters} clusters, {models} models, {decisions} decisions)",
                    policy.display()
                );
            }
            Err(errors) => {
                eprintln!("{errors}");
                failed = true;
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
