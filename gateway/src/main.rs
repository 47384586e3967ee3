//! `commutator`: an LLM gateway in front of NVIDIA Dynamo frontends.

mod admin;
mod bootstrap;
mod cli;
mod cluster;
mod config;
mod demo;
mod import;
mod lifecycle;
mod policy_file;
mod proxy;
mod server;
mod snapshot;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: a SIGHUP that comes before its handler stands would end the process.
    lifecycle::signals::ignore_hangup();
    cli::main()
}
