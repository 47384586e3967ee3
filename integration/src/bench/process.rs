//! Child processes: started, looked at through `/proc`, ended.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Time for a child to listen.
const START: Duration = Duration::from_secs(20);
/// Time to end after SIGTERM.
const END: Duration = Duration::from_secs(3);
/// USER_HZ is 100 on every Linux architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// Which cores each part gets.
#[derive(Debug, Clone)]
pub(super) struct Pins {
    pub(super) simulator: String,
    pub(super) proxy: String,
}

impl Pins {
    /// Pins the load (this process) where it is wanted and the machine has four cores.
    pub(super) fn new(wanted: bool) -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if !wanted || cores < 4 {
            if wanted {
                eprintln!("bench: {cores} cores are too few to pin to; nothing is pinned");
            }
            return None;
        }
        let own = std::process::id().to_string();
        let status = Command::new("taskset")
            .args(["-p", "-c", "2,3", &own])
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => Some(Self {
                simulator: "1".into(),
                proxy: "0".into(),
            }),
            _ => {
                eprintln!("bench: taskset does not work here; nothing is pinned");
                None
            }
        }
    }
}

/// A loopback address that was free a moment ago.
pub(super) fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A child and what it forked; ended when dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts a program with as many file descriptors as it may have, on `core` where one is given.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        core: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#, "sh"]);
        if let Some(core) = core {
            command.args(["taskset", "-c", core]);
        }
        let child = command
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            // Prompts and keys of the caller's environment are none of the entrants' business.
            .env_remove("RUST_LOG")
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(Self {
            child,
            name: program.display().to_string(),
        })
    }

    /// Waits until something listens on `addr`.
    pub(super) fn wait_for(&self, addr: SocketAddr) -> anyhow::Result<()> {
        let start = Instant::now();
        while TcpStream::connect(addr).is_err() {
            if start.elapsed() > START {
                bail!("{} does not listen on {addr}", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// User and system time of all its processes so far, in ticks of 10 ms.
    pub(super) fn cpu(&self) -> Duration {
        let all = tree(self.child.id());
        all.into_iter().filter_map(cpu).sum()
    }

    /// Resident memory of all its processes in MiB; what they share is counted for each.
    pub(super) fn rss(&self) -> f64 {
        let all = tree(self.child.id());
        let kib: u64 = all.into_iter().filter_map(rss_kib).sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53 KiB")]
        let mib = kib as f64 / 1024.0;
        mib
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(&pid).status();
        let start = Instant::now();
        while start.elapsed() < END {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(TICK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process and its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        next += 1;
    }
    all
}

fn cpu(pid: u32) -> Option<Duration> {
    cpu_in(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14 and 15 of `/proc/PID/stat`.
fn cpu_in(stat: &str) -> Option<Duration> {
    // The name in parentheses before them may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * (user + system))
}

fn rss_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "7 (a ) (b) S 1 7 7 0 -1 4194304 100 0 0 0 120 35 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_in(stat), Some(Duration::from_millis(1550)));
        assert_eq!(cpu_in("7 (a) S 1"), None);
        assert_eq!(cpu_in(""), None);
    }

    #[test]
    fn this_process_has_memory_and_is_in_its_own_tree() {
        let own = std::process::id();
        assert!(rss_kib(own).unwrap() > 100);
        assert_eq!(tree(own)[0], own);
        assert_eq!(rss_kib(0), None);
    }
}
