//! The configuration files of one gateway.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::client::Certificate;

/// When a gateway counts as started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The process runs, whatever it does.
    Spawned,
    /// Both listeners answer.
    Live,
    /// That many frontends are ready, too.
    Frontends(usize),
}

/// How a gateway is started.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// What to wait for.
    pub wait: Wait,
    /// More of `gateway.yaml`: any top-level keys but `listeners`, `admin`, `policy` and `upgrade_socket`.
    pub bootstrap: String,
    /// Adds a listener with TLS.
    pub certificate: Option<Certificate>,
    /// The address of the admin listener.
    pub admin_ip: IpAddr,
    /// The admin listener's token.
    pub admin_token: Option<String>,
    /// More environment variables.
    pub env: Vec<(String, String)>,
    /// More of the command line.
    pub args: Vec<String>,
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            wait: Wait::Frontends(1),
            bootstrap: String::new(),
            certificate: None,
            admin_ip: Ipv4Addr::LOCALHOST.into(),
            admin_token: None,
            env: Vec::new(),
            args: Vec::new(),
        }
    }
}

/// Where the files are, and the addresses in them.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) bootstrap: PathBuf,
    pub(super) data: SocketAddr,
    pub(super) tls: Option<SocketAddr>,
    pub(super) admin: SocketAddr,
}

pub(super) fn write(directory: &Path, policy: &str, options: &GatewayOptions) -> Result<Files> {
    // All bound at once, so that they differ.
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    let held = [local, local, options.admin_ip].map(|ip| TcpListener::bind((ip, 0)));
    let [data, tls, admin] = held.map(|held| held?.local_addr());
    let (data, tls, mut admin) = (data?, tls?, admin?);
    let mut text = format!("listeners:\n  - address: {data}\n");
    if let Some(certificate) = &options.certificate {
        std::fs::write(directory.join("cert.pem"), &certificate.chain)?;
        std::fs::write(directory.join("key.pem"), &certificate.key)?;
        let _ = writeln!(
            text,
            "  - address: {tls}\n    tls: {{certificate: {0}/cert.pem, key: {0}/key.pem}}",
            directory.display()
        );
    }
    let _ = writeln!(text, "admin:\n  address: {admin}");
    if let Some(token) = &options.admin_token {
        std::fs::write(directory.join("token"), token)?;
        let _ = writeln!(text, "  token: file:{}", directory.join("token").display());
    }
    let _ = writeln!(
        text,
        "policy: policy.yaml\nupgrade_socket: {}\n{}",
        directory.join("upgrade.sock").display(),
        options.bootstrap
    );
    let bootstrap = directory.join("gateway.yaml");
    std::fs::write(&bootstrap, text)?;
    std::fs::write(directory.join("policy.yaml"), policy)?;
    if admin.ip().is_unspecified() {
        admin.set_ip(local);
    }
    Ok(Files {
        bootstrap,
        data,
        tls: options.certificate.as_ref().map(|_| tls),
        admin,
    })
}

/// A policy over one cluster, `dynamo`, with the models `math` (known to the frontends as `org/math-8b`) and
/// `general`; `general` answers automatic requests. Each part takes more YAML.
#[derive(Debug, Clone, Default)]
pub struct TestPolicy {
    /// The frontends.
    pub frontends: Vec<SocketAddr>,
    /// More keys of the cluster, in flow or block style, without indentation.
    pub cluster: String,
    /// More top-level keys.
    pub top: String,
}

impl TestPolicy {
    /// The models that its frontends must serve.
    pub const MODELS: [&str; 2] = ["org/math-8b", "general"];

    /// A policy for these frontends.
    #[must_use]
    pub fn new(frontends: &[SocketAddr]) -> Self {
        Self {
            frontends: frontends.to_vec(),
            ..Self::default()
        }
    }

    /// Adds keys to the cluster.
    #[must_use]
    pub fn cluster(mut self, yaml: &str) -> Self {
        self.cluster.push_str(yaml);
        self.cluster.push('\n');
        self
    }

    /// Adds keys at the top level.
    #[must_use]
    pub fn top(mut self, yaml: &str) -> Self {
        self.top.push_str(yaml);
        self.top.push('\n');
        self
    }

    /// The file.
    #[must_use]
    pub fn yaml(&self) -> String {
        let frontends: Vec<String> = self.frontends.iter().map(|a| format!("\"{a}\"")).collect();
        let cluster = self.cluster.trim_end().replace('\n', "\n    ");
        format!(
            "version: 1\n\
             clusters:\n  - name: dynamo\n    endpoints: {{static: [{}]}}\n    {cluster}\n\
             models:\n  - {{name: math, cluster: dynamo, upstream_name: org/math-8b, aliases: [maths/v1]}}\n  \
             - {{name: general, cluster: dynamo}}\n\
             default_model: general\n{}",
            frontends.join(", "),
            self.top
        )
    }
}
