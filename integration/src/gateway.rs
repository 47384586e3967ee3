//! The real `commutator` as a process of its own, with everything it writes at hand.

mod binary;
mod config;
mod metrics;
mod output;

use std::net::SocketAddr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Request;
use serde_json::Value;
use tempfile::TempDir;

pub use binary::binary;
use config::Files;
pub use config::{GatewayOptions, TestPolicy, Wait};
pub use metrics::Metrics;
use output::Output;

use crate::client::{Answer, Client};
use crate::wait::{PATIENCE, eventually, find};

/// How often a start is tried again on other ports, where somebody took one in between.
const START_ATTEMPTS: usize = 5;

/// A running gateway. Dropping it kills the process, and fails the test if the gateway had panicked.
#[derive(Debug)]
pub struct Gateway {
    child: Option<Child>,
    output: Output,
    /// Shared with the processes that take over from this one.
    directory: Arc<TempDir>,
    files: Files,
    token: Option<String>,
}

/// How a process ended that was to end by itself.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything on its standard error.
    pub stderr: String,
}

enum Started {
    Running(Box<Gateway>),
    Ended(Ended),
}

impl Gateway {
    /// Starts the gateway with this policy and waits until it is ready as `options.wait` wants it.
    ///
    /// # Errors
    /// It cannot be built or does not start; what it wrote is in the error.
    pub async fn start(policy: impl AsRef<str>, options: GatewayOptions) -> Result<Self> {
        match Self::launch(policy.as_ref(), &options).await? {
            Started::Running(gateway) => Ok(*gateway),
            Started::Ended(ended) => bail!("it ended: {}\n{}", ended.status, ended.stderr),
        }
    }

    /// Starts the gateway with a configuration that it must refuse, and returns how it ended.
    ///
    /// # Errors
    /// It starts nevertheless.
    pub async fn refuse(policy: impl AsRef<str>, options: GatewayOptions) -> Result<Ended> {
        match Self::launch(policy.as_ref(), &options).await? {
            Started::Running(_) => bail!("it started"),
            Started::Ended(ended) => Ok(ended),
        }
    }

    async fn launch(policy: &str, options: &GatewayOptions) -> Result<Started> {
        let binary = binary()?;
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            let directory = tempfile::tempdir()?;
            let files = config::write(directory.path(), policy, options)?;
            let mut gateway = Self::spawn(binary, Arc::new(directory), files, options)?;
            match gateway.wait_until_up(options).await? {
                None => return Ok(Started::Running(Box::new(gateway))),
                Some(status) => {
                    let stderr = gateway.finish();
                    let lost_a_port = stderr.contains("Address already in use");
                    last = Some(Ended { status, stderr });
                    if !lost_a_port {
                        break;
                    }
                }
            }
        }
        last.map(Started::Ended).context("it was never tried")
    }

    /// Starts a second process on the same files.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn sibling(&self, options: &GatewayOptions) -> Result<Self> {
        let directory = Arc::clone(&self.directory);
        Self::spawn(binary()?, directory, self.files.clone(), options)
    }

    /// Starts a second process on the same files, which waits for this one's listeners: send SIGQUIT to this one
    /// once [`Gateway::awaits_listeners`] returns.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn successor(&self, options: &GatewayOptions) -> Result<Self> {
        let mut options = options.clone();
        options.args.push("--upgrade".to_owned());
        self.sibling(&options)
    }

    /// Waits until a process started by [`Gateway::successor`] has opened the upgrade socket.
    ///
    /// # Panics
    /// It ends instead.
    pub async fn awaits_listeners(&mut self) {
        let socket = self.directory().join("upgrade.sock");
        eventually("the new process opens the upgrade socket", || {
            if let Ok(Some(status)) = self.poll_exit() {
                panic!("it ended: {status}\n{}", self.stderr());
            }
            // Bound is not yet listening; the old process looks for itself.
            socket.exists()
        })
        .await;
    }

    /// Waits until the process serves as `options.wait` wants it.
    ///
    /// # Errors
    /// It ends, or never does.
    pub async fn serves(&mut self, options: &GatewayOptions) -> Result<()> {
        match self.wait_until_up(options).await? {
            None => Ok(()),
            Some(status) => bail!("it ended: {status}\n{}", self.stderr()),
        }
    }

    fn spawn(
        binary: &Path,
        directory: Arc<TempDir>,
        files: Files,
        options: &GatewayOptions,
    ) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .arg("run")
            .arg("--config")
            .arg(&files.bootstrap)
            .args(&options.args)
            .current_dir(directory.path())
            .env_remove("RUST_LOG")
            .env_remove("NOTIFY_SOCKET")
            .envs(options.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and touches no memory of
        // ours. The thread that forks is the test's own and outlives the gateway it holds.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command
            .spawn()
            .with_context(|| binary.display().to_string())?;
        let output = Output::capture(&mut child);
        Ok(Self {
            child: Some(child),
            output,
            directory,
            files,
            token: options.admin_token.clone(),
        })
    }

    /// `Some` where the process ended instead.
    async fn wait_until_up(&mut self, options: &GatewayOptions) -> Result<Option<ExitStatus>> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.poll_exit()? {
                return Ok(Some(status));
            }
            if self.is_up(options.wait).await {
                return Ok(None);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("it never became ready:\n{}", self.stderr());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn is_up(&self, wait: Wait) -> bool {
        if wait == Wait::Spawned {
            return true;
        }
        if tokio::net::TcpStream::connect(self.files.data)
            .await
            .is_err()
        {
            return false;
        }
        let Ok(live) = self.try_admin("GET", "/livez", "").await else {
            return false;
        };
        match wait {
            Wait::Spawned => true,
            Wait::Live => live.status == 200,
            Wait::Frontends(count) => {
                self.try_admin("GET", "/readyz", "")
                    .await
                    .is_ok_and(|answer| answer.status == 200)
                    && self.ready_frontends().await >= count
            }
        }
    }

    async fn ready_frontends(&self) -> usize {
        let Ok(status) = self.try_admin("GET", "/status", "").await else {
            return 0;
        };
        let status = serde_json::from_slice::<Value>(&status.body).unwrap_or_default();
        let clusters = status["clusters"].as_array().into_iter().flatten();
        clusters
            .flat_map(|cluster| cluster["endpoints"].as_array().into_iter().flatten())
            .filter(|endpoint| endpoint["state"] == "ready")
            .count()
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.files.data
    }

    /// Where clients connect with TLS.
    ///
    /// # Panics
    /// The gateway was started without.
    #[must_use]
    pub fn tls_addr(&self) -> SocketAddr {
        match self.files.tls {
            Some(address) => address,
            None => panic!("no TLS listener was asked for"),
        }
    }

    /// The operator's listener.
    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.files.admin
    }

    /// The directory with `gateway.yaml` and `policy.yaml`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The process's id.
    ///
    /// # Panics
    /// It has been waited for.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match &self.child {
            Some(child) => child.id(),
            None => panic!("the process has been waited for"),
        }
    }

    /// Everything on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.output.stderr()
    }

    /// Everything on standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.output.stdout()
    }

    /// The access log so far, one value a line.
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        let text = self.output.stdout();
        // The last line may not have come whole.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The access log's line for the request with this id, once it is there.
    pub async fn access_line(&self, id: &str) -> Value {
        find(&format!("access log line of {id}"), || async {
            let mut lines = self.access_log().into_iter();
            lines.find(|line| line["request_id"] == id)
        })
        .await
    }

    /// A request to the admin listener, with its token if there is one.
    ///
    /// # Panics
    /// No answer comes.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        match self.try_admin(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("admin {method} {path}: {error:#}\n{}", self.stderr()),
        }
    }

    /// As [`Gateway::admin`], for a process that may be gone.
    ///
    /// # Errors
    /// No answer comes.
    pub async fn try_admin(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "admin");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(crate::client::full(body.to_owned()))?;
        let mut client = Client::try_h1(self.files.admin).await?;
        Ok(client.send(request).await?)
    }

    /// The metrics of this moment.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(self.admin("GET", "/metrics", "").await.text())
    }

    /// Waits until a metric (see [`Metrics::sum`]) is at least `value`.
    pub async fn metric_reaches(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        find(
            &format!("{name} {labels:?} reaches {value}"),
            || async move { (self.metrics().await.sum(name, labels) >= value).then_some(()) },
        )
        .await;
    }

    /// Waits until no request is running.
    pub async fn idle(&self) {
        find("no request is running", || async {
            let running = self.metrics().await.sum("requests_in_flight", &[]);
            (running == 0.0).then_some(())
        })
        .await;
    }

    /// Writes another policy and has it loaded; returns the gateway's report.
    ///
    /// # Panics
    /// The file cannot be written.
    pub async fn reload(&self, policy: impl AsRef<str>) -> Answer {
        let path = self.directory.path().join("policy.yaml");
        if let Err(error) = std::fs::write(&path, policy.as_ref()) {
            panic!("{}: {error}", path.display());
        }
        self.admin("POST", "/reload", "").await
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: i32) {
        if let Some(child) = &self.child
            && let Ok(pid) = libc::pid_t::try_from(child.id())
        {
            // SAFETY: sends a signal to our own child, which has not been waited for: the id is still its own.
            unsafe {
                libc::kill(pid, signal);
            }
        }
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// It does not.
    pub async fn wait_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the gateway ends", || {
            status = self.poll_exit().ok().flatten();
            status.is_some()
        })
        .await;
        status.unwrap_or_else(|| ExitStatus::from_raw(0))
    }

    fn poll_exit(&mut self) -> Result<Option<ExitStatus>> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }

    /// Ends the process and returns what it said.
    fn finish(&mut self) -> String {
        if let Some(mut child) = self.child.take() {
            // Fails only where it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.output.join();
        self.output.stderr()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let stderr = self.finish();
        if std::thread::panicking() {
            eprintln!("--- the gateway's standard error ---\n{stderr}---");
            return;
        }
        assert!(
            !stderr.contains("panicked at"),
            "the gateway panicked:\n{stderr}"
        );
    }
}
