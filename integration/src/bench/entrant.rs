//! Who takes part, with which configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::process::{Pins, Process, free_address};
use super::tools::Programs;
use super::workload;

/// Time until a started entrant has to answer.
const READY: Duration = Duration::from_secs(20);
/// The endpoints of the example policy, which the simulator replaces.
const EXAMPLE_ENDPOINTS: &str = r#"["127.0.0.1:8000", "127.0.0.1:8001"]"#;

/// An entrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The simulator itself.
    Direct,
    Nginx,
    Envoy,
    /// One cluster, one model, nothing to decide.
    #[value(name = "empty")]
    #[serde(rename = "empty")]
    Empty,
    /// `conf/examples/without-models.yaml`, asked for `MoM`.
    Policy,
    /// The same with the access log on.
    #[value(name = "log")]
    #[serde(rename = "log")]
    PolicyLog,
}

impl Kind {
    pub(super) const ALL: &[Self] = &[
        Self::Direct,
        Self::Nginx,
        Self::Envoy,
        Self::Empty,
        Self::Policy,
        Self::PolicyLog,
    ];

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Empty => "empty",
            Self::Policy => "policy",
            Self::PolicyLog => "log",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Direct => "no proxy",
            Self::Nginx => "nginx, plain",
            Self::Envoy => "Envoy, plain",
            Self::Empty => "commutator, empty policy",
            Self::Policy => "commutator, example policy",
            Self::PolicyLog => "the same with access log",
        })
    }
}

/// What is to be started.
#[derive(Debug)]
pub(super) struct Entrant<'a> {
    pub(super) kind: Kind,
    /// The simulator.
    pub(super) upstream: SocketAddr,
    /// The clone.
    pub(super) root: &'a Path,
    /// For its files; made by `start`.
    pub(super) directory: PathBuf,
}

/// An entrant that answers.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) kind: Kind,
    pub(super) addr: SocketAddr,
    process: Option<Process>,
}

impl Entrant<'_> {
    /// Writes its configuration, starts it and waits for a good answer.
    pub(super) fn start(self, programs: &Programs, pins: Option<&Pins>) -> anyhow::Result<Running> {
        let kind = self.kind;
        if kind == Kind::Direct {
            let addr = self.upstream;
            return Ok(Running {
                kind,
                addr,
                process: None,
            });
        }
        std::fs::create_dir_all(&self.directory)?;
        let addr = free_address()?;
        let core = pins.map(|pins| pins.proxy.as_str());
        let process = match kind {
            Kind::Nginx => self.nginx(programs, addr, core)?,
            Kind::Envoy => self.envoy(programs, addr, core)?,
            _ => self.commutator(programs, addr, core)?,
        };
        process.wait_for(addr)?;
        let running = Running {
            kind,
            addr,
            process: Some(process),
        };
        running.wait()?;
        Ok(running)
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.directory.join(name);
        std::fs::write(&path, text)?;
        path.to_str().map(str::to_owned).context("path is no UTF-8")
    }

    fn nginx(
        &self,
        programs: &Programs,
        addr: SocketAddr,
        core: Option<&str>,
    ) -> anyhow::Result<Process> {
        let program = programs.nginx.as_ref().context("nginx is missing")?;
        let directory = self.directory.to_str().context("path is no UTF-8")?;
        let text = include_str!("nginx.conf")
            .replace("@DIR@", directory)
            .replace("@LISTEN@", &addr.to_string())
            .replace("@UPSTREAM@", &self.upstream.to_string());
        let conf = self.write("nginx.conf", &text)?;
        let errors = self.directory.join("error.log");
        let errors = errors.to_str().context("path is no UTF-8")?;
        Process::start(program, &["-e", errors, "-p", directory, "-c", &conf], core)
    }

    fn envoy(
        &self,
        programs: &Programs,
        addr: SocketAddr,
        core: Option<&str>,
    ) -> anyhow::Result<Process> {
        let program = programs.envoy.as_ref().context("envoy is missing")?;
        let text = include_str!("envoy.yaml")
            .replace("@LISTEN_PORT@", &addr.port().to_string())
            .replace("@UPSTREAM_PORT@", &self.upstream.port().to_string());
        let conf = self.write("envoy.yaml", &text)?;
        let arguments = [
            "-c",
            &conf,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "error",
        ];
        Process::start(program, &arguments, core)
    }

    fn commutator(
        &self,
        programs: &Programs,
        addr: SocketAddr,
        core: Option<&str>,
    ) -> anyhow::Result<Process> {
        let log = if self.kind == Kind::PolicyLog {
            "stdout"
        } else {
            "off"
        };
        let admin = free_address()?;
        let socket = self.directory.join("upgrade.sock");
        self.write("policy.yaml", &self.policy()?)?;
        let gateway = self.write(
            "gateway.yaml",
            &format!(
                "listeners: [{{address: \"{addr}\"}}]\nadmin: {{address: \"{admin}\"}}\npolicy: policy.yaml\n\
                 threads: 1\nupgrade_socket: {}\nlog: {{level: error, access: {log}}}\n",
                socket.display()
            ),
        )?;
        Process::start(&programs.commutator, &["run", "--config", &gateway], core)
    }

    fn policy(&self) -> anyhow::Result<String> {
        let upstream = self.upstream;
        if self.kind == Kind::Empty {
            let model = workload::model(self.kind);
            return Ok(format!(
                "version: 1\nclusters:\n  - name: dynamo\n    endpoints: {{static: [\"{upstream}\"]}}\n\
                 models:\n  - {{name: {model}, cluster: dynamo}}\n"
            ));
        }
        let path = self.root.join("conf/examples/without-models.yaml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if !text.contains(EXAMPLE_ENDPOINTS) {
            bail!(
                "{} has other endpoints than {EXAMPLE_ENDPOINTS}",
                path.display()
            );
        }
        Ok(text.replace(EXAMPLE_ENDPOINTS, &format!("[\"{upstream}\"]")))
    }
}

impl Running {
    fn wait(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let answer = Client::connect(self.addr).and_then(|mut client| {
                client.exchange(&super::client::request(self, 1024, false, &[]))
            });
            match answer {
                Ok(answer) if answer.status() == Some(200) => return Ok(()),
                Ok(answer) if start.elapsed() > READY => {
                    bail!("{} answers {}", self.kind, answer.text())
                }
                Err(error) if start.elapsed() > READY => bail!("{}: {error}", self.kind),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// Makes sure that the work to be measured is really done.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if !matches!(self.kind, Kind::Policy | Kind::PolicyLog) {
            return Ok(());
        }
        for (size, decision) in [(1 << 10, "math"), (100 << 10, "long_documents")] {
            let mut client = Client::connect(self.addr)?;
            let answer = client.exchange(&super::client::request(self, size, false, &[]))?;
            let wanted = format!("x-vsr-selected-decision: {decision}\r\n");
            if !answer.text().to_ascii_lowercase().contains(&wanted) {
                bail!("{}: no `{}` in {}", self.kind, wanted.trim(), answer.text());
            }
        }
        Ok(())
    }

    /// CPU time so far; `None` without a process.
    pub(super) fn cpu(&self) -> Option<Duration> {
        self.process.as_ref().map(Process::cpu)
    }

    /// Resident memory in MiB; `None` without a process.
    pub(super) fn rss(&self) -> Option<f64> {
        self.process.as_ref().map(Process::rss)
    }
}
