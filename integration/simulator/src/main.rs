//! The simulator as a process of its own.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use commutator_simulator::{Pace, Simulator, SimulatorConfig};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// A simulated Dynamo frontend: runs no model, names itself in every answer.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Address to listen on; port 0 lets the kernel choose.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Name that every answer carries.
    #[arg(long, default_value = "simulator")]
    name: String,
    /// Models, separated by commas.
    #[arg(long, value_delimiter = ',', default_value = "simulated")]
    models: Vec<String>,
    /// Milliseconds to the first token.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    ttft: u64,
    /// Milliseconds between two tokens.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    inter_token: u64,
    /// Tokens of an answer.
    #[arg(long, default_value_t = 16)]
    tokens: usize,
    /// Set TCP_NODELAY, which Dynamo does not.
    #[arg(long)]
    nodelay: bool,
    /// Threads that serve connections.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Keep no record of requests.
    #[arg(long)]
    no_record: bool,
    /// Obey the request header `x-simulate`.
    #[arg(long)]
    request_faults: bool,
    /// Accept unknown request fields.
    #[arg(long)]
    lenient: bool,
}

impl Args {
    fn config(self) -> SimulatorConfig {
        let standard = SimulatorConfig::default();
        SimulatorConfig {
            listen: self.listen,
            name: self.name,
            models: self.models,
            pace: Pace {
                ttft: Duration::from_millis(self.ttft),
                inter_token: Duration::from_millis(self.inter_token),
                tokens: self.tokens,
            },
            nodelay: self.nodelay,
            record: if self.no_record { 0 } else { standard.record },
            request_faults: self.request_faults,
            strict: !self.lenient,
            ..standard
        }
    }
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let main = single()?;
    let mut runtimes = vec![main.handle().clone()];
    for _ in 1..args.threads {
        runtimes.push(worker()?);
    }
    main.block_on(run(args.config(), runtimes))
}

fn single() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A single-threaded runtime on a thread of its own: no work is stolen, no lock is shared.
fn worker() -> io::Result<Handle> {
    let runtime = single()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("simulator".into())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

async fn run(config: SimulatorConfig, runtimes: Vec<Handle>) -> io::Result<()> {
    let models = config.models.join(", ");
    let simulator = Simulator::start_on(config, runtimes).await?;
    println!(
        "{} simulates {models} on http://{}",
        simulator.name(),
        simulator.addr()
    );
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupt = tokio::signal::ctrl_c() => interrupt?,
    }
    // As Dynamo: refuse new requests, exit when the last stream has ended. A second signal ends it now.
    simulator.drain();
    while simulator.active() > 0 {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    simulator.stop().await;
    Ok(())
}
