//! What is generated from the doc comments of the configuration structs: JSON Schema and reference page.

use std::process::ExitCode;

use schemars::Schema;

use crate::bootstrap::Bootstrap;
use crate::config;
use crate::policy_file::PolicyFile;

/// A configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Which {
    /// `policy.yaml`
    Policy,
    /// `gateway.yaml`
    Bootstrap,
}

fn schema_of(which: Which) -> Schema {
    match which {
        Which::Policy => config::editor_schema::<PolicyFile>(),
        Which::Bootstrap => config::editor_schema::<Bootstrap>(),
    }
}

/// The JSON Schema, as it stands under `conf/`.
pub(super) fn schema_text(which: Which) -> String {
    let mut text = serde_json::to_string_pretty(&schema_of(which)).unwrap_or_default();
    text.push('\n');
    text
}

/// The reference page, as it stands in `conf/README.md`.
pub(super) fn reference_text() -> String {
    let intro = "# Configuration reference\n\n\
        Two files: `gateway.yaml` is fixed for the life of the process, `policy.yaml` is reloaded while requests run.\n\
        `commutator check` says everything that is wrong with both. This page is generated: `commutator reference`.\n\n";
    let bootstrap = config::reference(&schema_of(Which::Bootstrap), "gateway.yaml");
    let policy = config::reference(&schema_of(Which::Policy), "policy.yaml");
    format!("{intro}{bootstrap}\n{policy}")
}

/// Prints the schema.
pub(super) fn schema(which: Which) -> ExitCode {
    print!("{}", schema_text(which));
    ExitCode::SUCCESS
}

/// Prints the reference page.
pub(super) fn reference() -> ExitCode {
    print!("{}", reference_text());
    ExitCode::SUCCESS
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Compares with the committed file, or writes it where `UPDATE_GENERATED` is set.
    fn is_fresh(name: &str, text: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../conf")
            .join(name);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "conf/{name} is stale: run `UPDATE_GENERATED=1 cargo test -p commutator generate`"
        );
    }

    #[test]
    fn the_policy_schema_is_fresh() {
        is_fresh("policy.schema.json", &schema_text(Which::Policy));
    }

    #[test]
    fn the_bootstrap_schema_is_fresh() {
        is_fresh("gateway.schema.json", &schema_text(Which::Bootstrap));
    }

    #[test]
    fn the_reference_is_fresh() {
        is_fresh("README.md", &reference_text());
    }
}
