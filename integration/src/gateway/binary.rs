//! The binary under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, ensure};

/// Names a binary to test instead of this workspace's.
const OVERRIDE: &str = "COMMUTATOR_BIN";

/// The path of `commutator`: the one that `COMMUTATOR_BIN` names, else this workspace's, which is brought up to date
/// once per process. (Cargo builds the binaries of a test's own package only.)
///
/// # Errors
/// It cannot be built.
pub fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .as_deref()
        .map_err(|error| anyhow!("{error}"))
}

fn build() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "{OVERRIDE}: no file {}", path.display());
        return Ok(path);
    }
    // .../target/PROFILE/deps/TEST-HASH, wherever the target directory is.
    let test = std::env::current_exe()?;
    let profile = test
        .ancestors()
        .skip(1)
        .find(|path| !path.ends_with("deps"))
        .context("a test lies in a target directory")?;
    let target = profile.parent().context("a profile has a parent")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("this crate lies in a workspace")?;
    let binary = profile.join("commutator");
    if is_fresh(&binary, workspace) {
        return Ok(binary);
    }
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(["build", "--quiet", "--workspace", "--bins"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace);
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().context("cargo build")?;
    ensure!(
        output.status.success(),
        "cargo build failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(binary.is_file(), "no file {}", binary.display());
    Ok(binary)
}

/// What the binary is made from, relative to the workspace.
const SOURCES: [&str; 6] = [
    "Cargo.lock",
    "gateway",
    "plugins",
    "models/src",
    "conf",
    "integration/simulator/src",
];

/// Is the binary newer than all of its sources? Then Cargo, which may choose other features for one package than for
/// all and then compiles every dependency anew, need not be asked.
fn is_fresh(binary: &Path, workspace: &Path) -> bool {
    let Some(built) = modified(binary) else {
        return false;
    };
    let mut stack: Vec<PathBuf> = SOURCES.iter().map(|path| workspace.join(path)).collect();
    while let Some(path) = stack.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            stack.extend(entries.map(|entry| entry.path()));
        } else if modified(&path).is_none_or(|time| time > built) {
            return false;
        }
    }
    true
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}
