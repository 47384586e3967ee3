//! Where, when and what: without it a number means nothing.

use std::path::Path;
use std::process::Command;

use serde::Serialize;

use super::tools::Programs;

/// The machine.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) memory_mib: u64,
    pub(super) kernel: String,
    /// Runnable tasks over the minute before the run: what else was going on.
    pub(super) load_before: f64,
}

impl Machine {
    pub(super) fn here() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let memory = read("/proc/meminfo");
        let memory = memory
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"));
        let kib: Option<u64> =
            memory.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        Self {
            cpu: cpu.map_or_else(
                || std::env::consts::ARCH.to_owned(),
                |cpu| cpu.trim_start_matches([' ', '\t', ':']).to_owned(),
            ),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib.unwrap_or(0) / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What a command prints, standard error too; empty where it does not run.
fn output(command: &mut Command) -> String {
    command.output().map_or_else(
        |_| String::new(),
        |out| {
            String::from_utf8_lossy(&[out.stdout, out.stderr].concat())
                .trim()
                .to_owned()
        },
    )
}

pub(super) fn commit(root: &Path) -> String {
    output(Command::new("git").arg("-C").arg(root).args([
        "describe",
        "--always",
        "--abbrev=12",
        "--dirty",
        "--exclude=*",
    ]))
}

pub(super) fn date() -> String {
    output(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]))
}

pub(super) fn versions(programs: &Programs) -> Vec<String> {
    let version = |program: &Path, flag| output(Command::new(program).arg(flag));
    let mut all = vec![version(&programs.commutator, "--version")];
    if let Some(nginx) = &programs.nginx {
        all.push(version(nginx, "-v").replace("nginx version: ", ""));
    }
    if let Some(envoy) = &programs.envoy {
        // The path, then commit/version/...
        let text = version(envoy, "--version");
        all.push(format!(
            "envoy {}",
            text.split('/').rev().nth(3).unwrap_or(&text)
        ));
    }
    all.push(output(Command::new("rustc").arg("--version")));
    all
}
