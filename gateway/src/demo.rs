//! `commutator demo`: the real gateway with the example policy in front of two simulated frontends.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use commutator_simulator::{Pace, Simulator, SimulatorConfig};

use crate::bootstrap::{AccessLog, Bootstrap, Listener};
use crate::server;

/// The policy that the repository ships as its example.
const POLICY: &str = include_str!("../../conf/policy.yaml");

/// The example's frontends, which the demo replaces by its own.
const EXAMPLE_FRONTENDS: [&str; 2] = ["127.0.0.1:8000", "127.0.0.1:8001"];

/// The upstream names of the example's models.
const MODELS: [&str; 3] = [
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct",
];

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Port of the gateway.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of the admin listener.
    #[arg(long, default_value_t = 9090)]
    admin_port: u16,
    /// Print the access log, one JSON line a request.
    #[arg(long)]
    access_log: bool,
}

impl Demo {
    /// Runs until interrupted.
    pub(crate) fn run(&self) -> ExitCode {
        match self.start() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn start(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("simulator")
            .enable_all()
            .build()?;
        let frontends = runtime.block_on(simulate())?;
        let policy = write_policy(&frontends)?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut bootstrap = Bootstrap {
            listeners: vec![Listener {
                address: local(self.port),
                tls: None,
            }],
            ..Bootstrap::default()
        };
        bootstrap.admin.address = local(self.admin_port);
        bootstrap.shutdown.grace = commutator_plugins::units::HumanDuration::from_secs(5);
        bootstrap.log.level = "warn".to_owned();
        bootstrap.log.access = if self.access_log {
            AccessLog::Stdout
        } else {
            AccessLog::Off
        };
        let guide = self.guide(&frontends, &policy);
        let address = bootstrap.admin.address;
        std::thread::spawn(move || {
            if wait_until_ready(address) {
                println!("{guide}");
            }
        });
        let options = server::Options {
            upgrade: false,
            wait_for_upstream: true,
        };
        server::run(bootstrap, policy, &options)?;
        Ok(())
    }

    fn guide(&self, frontends: &[Simulator], policy: &std::path::Path) -> String {
        let (port, admin) = (self.port, self.admin_port);
        let addresses: Vec<String> = frontends.iter().map(|f| f.addr().to_string()).collect();
        format!(
            r#"
Commutator serves on http://127.0.0.1:{port}, admin on http://127.0.0.1:{admin}
Two SIMULATED Dynamo frontends stand behind it ({frontends}): they run no model.
Policy: {policy}  (edit it: it is reloaded while requests run)

Let the policy choose the model (a math question goes to `math`, with reasoning and a system prompt):
  curl -i http://127.0.0.1:{port}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model":"MoM","messages":[{{"role":"user","content":"What is 2+2?"}}]}}'

The same as a stream:
  curl -N http://127.0.0.1:{port}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model":"MoM","stream":true,"messages":[{{"role":"user","content":"Write a Python function that reverses a list"}}]}}'

Personal data is stopped before a frontend sees it, also for a model that is named:
  curl -i http://127.0.0.1:{port}/v1/chat/completions -H 'content-type: application/json' \
    -d '{{"model":"general","messages":[{{"role":"user","content":"My SSN is 123-45-6789"}}]}}'

What can be asked for, and why a request is decided as it is:
  curl http://127.0.0.1:{port}/v1/models
  curl http://127.0.0.1:{admin}/explain -d '{{"model":"MoM","messages":[{{"role":"user","content":"What is 2+2?"}}]}}'

What operators see:
  curl http://127.0.0.1:{admin}/status
  curl http://127.0.0.1:{admin}/metrics

Ctrl-C ends it."#,
            frontends = addresses.join(", "),
            policy = policy.display(),
        )
    }
}

async fn simulate() -> anyhow::Result<Vec<Simulator>> {
    let mut frontends = Vec::new();
    for name in ["frontend-a", "frontend-b"] {
        let config = SimulatorConfig {
            name: name.to_owned(),
            models: MODELS.map(str::to_owned).to_vec(),
            pace: Pace {
                ttft: Duration::from_millis(40),
                inter_token: Duration::from_millis(15),
                ..Pace::default()
            },
            record: 0,
            ..SimulatorConfig::default()
        };
        frontends.push(Simulator::start(config).await?);
    }
    Ok(frontends)
}

/// The example policy with the simulated frontends' addresses, where the user can edit it.
fn write_policy(frontends: &[Simulator]) -> anyhow::Result<PathBuf> {
    let mut text = POLICY.to_owned();
    for (example, frontend) in EXAMPLE_FRONTENDS.iter().zip(frontends) {
        text = text.replace(example, &frontend.addr().to_string());
    }
    let directory = std::env::temp_dir().join(format!("commutator-demo-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("policy.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Asks `/readyz` until it answers 200; `false` after half a minute.
fn wait_until_ready(admin: SocketAddr) -> bool {
    use std::io::{Read, Write};
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        let Ok(mut stream) = std::net::TcpStream::connect(admin) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
        let request = "GET /readyz HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n";
        let mut start = [0; 12];
        if stream.write_all(request.as_bytes()).is_ok()
            && stream.read_exact(&mut start).is_ok()
            && start.ends_with(b"200")
        {
            return true;
        }
    }
    false
}
