//! Reading configuration files: YAML to checked Rust structs, with every mistake reported at once.
//!
//! The way of a file:
//! 1. `yaml`: the text becomes a [`tree::Tree`] of nodes that know their line and column. Anchors and
//!    merge keys are expanded within bounds.
//! 2. `expand`: `${ENV}` references inside scalars are replaced, in the tree and never in the raw text.
//! 3. `recover`: the tree is deserialised again and again, each time with the places known to be wrong
//!    patched over, until nothing new turns up. `serde` by itself stops at the first mistake.
//! 4. The caller checks the meaning and reports [`Problems`] by path; [`Source::locate`] turns them into
//!    the same [`ConfigErrors`], with line, column and snippet.
//!
//! Rules for configuration structs:
//! - `#[serde(deny_unknown_fields)]` everywhere, so that a misspelt key is an error with a suggestion.
//! - Enums are externally tagged (`- pii: {...}`) or plain words. Untagged and internally tagged enums and
//!   `flatten` make `serde` copy the content into a buffer that has no positions: mistakes inside would be
//!   reported at the outermost line, with poor messages. Do not use them.
//! - Quantities are [`HumanDuration`] and [`ByteSize`], credentials are [`Secret`].
//! - A `TryFrom` that refuses a value gives one sentence, and advice through `problem::with_hint`.
//!
//! - No `alias` for field names: a second spelling is a second thing to document.
//!
//! References: `${NAME}` and `${NAME:-default}` anywhere in a value (not in keys), `$${` for a literal `${`;
//! `file:PATH` where a [`Secret`] belongs, relative to the directory of the configuration. In brackets or
//! braces a value with a reference needs quotes.
//!
//! [`HumanDuration`]: commutator_plugins::units::HumanDuration
//! [`ByteSize`]: commutator_plugins::units::ByteSize
//! [`Secret`]: commutator_plugins::secret::Secret

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use commutator_plugins::problem::{Problems, Severity};
use recover::Recovered;
use serde::de::DeserializeOwned;
use tree::Finding;

mod de;
mod de_hole;
mod document;
mod error;
mod expand;
mod message;
mod path;
mod recover;
mod reference;
mod secret_file;
mod snippet;
mod source;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use document::{Document, Node, Value};
pub(crate) use error::ConfigErrors;
pub(crate) use reference::{editor_schema, reference};
pub(crate) use source::Source;

/// Bytes: more than any sane configuration, less than what hurts to read on every reload.
const MAX_FILE: u64 = 4 << 20;

/// A configuration that was read without a mistake.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    /// The configuration.
    pub(crate) value: T,
    /// Where everything stands, for placing what later checks find.
    pub(crate) source: Source,
    /// What a check of the meaning warned about, with its places; empty if nothing.
    pub(crate) warnings: ConfigErrors,
    /// Every file that was read: the configuration itself first, then those named by secrets.
    pub(crate) files: Vec<PathBuf>,
}

/// Looks an environment variable up. A parameter, so that tests need not touch the process.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of this process.
pub(crate) fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Checks what `serde` cannot see: names that refer to each other, and the like.
pub(crate) type Check<'a, T> = &'a mut dyn FnMut(&T) -> Problems;

/// Reads `path` as a `T` and checks its meaning.
///
/// # Errors
/// Everything that is wrong with the file, not only the first mistake. The meaning is checked too where the only
/// mistakes of form are unknown keys.
pub(crate) fn load<T: DeserializeOwned>(
    path: &Path,
    env: Env<'_>,
    check: Check<'_, T>,
) -> Result<Loaded<T>, ConfigErrors> {
    let name = path.display().to_string();
    match read_bounded(path, MAX_FILE) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => parse_at(&name, path, &text, env, check),
            Err(error) => Err(not_utf8(&name, &error)),
        },
        Err(message) => Err(ConfigErrors::whole_file(&name, Severity::Error, message)),
    }
}

/// Reads `text` as a `T`. `name` is shown in messages, and relative `file:` references start from its
/// directory.
///
/// # Errors
/// Everything that is wrong with the text.
#[cfg(test)]
pub(crate) fn parse<T: DeserializeOwned>(
    name: &str,
    text: &str,
    env: Env<'_>,
) -> Result<Loaded<T>, ConfigErrors> {
    parse_at(name, Path::new(name), text, env, &mut |_| Problems::new())
}

fn parse_at<T: DeserializeOwned>(
    name: &str,
    path: &Path,
    text: &str,
    env: Env<'_>,
    check: Check<'_, T>,
) -> Result<Loaded<T>, ConfigErrors> {
    let (mut tree, mut found) = yaml::parse(text);
    if tree.is_usable() {
        expand::expand(&mut tree, text, env, &mut found);
    }
    let secrets = secret_file::Files::beside(path);
    let recovered = if tree.is_usable() {
        recover::deserialize(&mut tree, &secrets, &mut found)
    } else {
        Recovered {
            value: None,
            faithful: false,
        }
    };
    let source = Source::new(name, text, tree);
    if let (true, Some(value)) = (recovered.faithful, &recovered.value) {
        found.extend(source.place(check(value)));
    }
    let is_error = |finding: &Finding| finding.severity == Severity::Error;
    match recovered.value {
        Some(value) if !found.iter().any(is_error) => {
            let mut files = vec![path.to_owned()];
            files.extend(secrets.into_read());
            Ok(Loaded {
                value,
                warnings: source.report(found),
                source,
                files,
            })
        }
        _ => Err(source.report(found)),
    }
}

/// The bytes of a file, if there are no more than `limit`.
fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot read the file: {error}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > limit {
        return Err(format!("the file is larger than {limit} bytes"));
    }
    Ok(bytes)
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> ConfigErrors {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let text = String::from_utf8_lossy(good);
    let found = tree::Finding::error(tree::Span::end_of(&text), "not UTF-8 text");
    Source::new(name, &text, tree::Tree::unusable()).report(vec![found])
}
