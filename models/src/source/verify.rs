//! Reading every byte again.

use serde::Serialize;

use super::files::{self, ModelFile};
use super::locate::{MISMATCH, Place};
use super::lock::LockFile;
use super::options::HubOptions;
use super::reference::Source;

/// What came out for one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was verified.
    pub source: Source,
    /// The hub's commit or the bundle's revision; a directory has none.
    pub revision: Option<String>,
    /// How many files were read.
    pub files: usize,
    /// How many of them have a checksum to compare with, from the hub, the manifest or the lock file. Of the others
    /// only the form can be checked.
    pub compared: usize,
    /// How many bytes were read.
    pub bytes: u64,
    /// Sentences; none if all is well.
    pub problems: Vec<String>,
}

/// Reads every file of a model and compares it with the checksum it should have, and with the lock file, which has to
/// know the model.
#[must_use]
pub fn verify(source: &Source, options: &HubOptions, lock: Option<&LockFile>) -> Report {
    let mut report = Report {
        source: source.clone(),
        revision: None,
        files: 0,
        compared: 0,
        bytes: 0,
        problems: Vec::new(),
    };
    let place = match Place::of(source, options) {
        Ok(place) => place,
        Err(error) => {
            report.problems.push(error.to_string());
            return report;
        }
    };
    report.revision.clone_from(&place.revision);
    let locked = lock.and_then(|lock| lock.models.get(&source.to_string()));
    let mut problems = place.problems.clone();
    let mut read = Vec::new();
    for part in &place.parts {
        let hashes = match files::hash(&part.path) {
            Ok(hashes) => hashes,
            Err(error) => {
                report.problems.push(error.to_string());
                continue;
            }
        };
        report.bytes += hashes.bytes;
        let known = locked.is_some_and(|locked| locked.files.contains_key(&part.name));
        report.compared += usize::from(part.expected.is_some() || known);
        if part.expected.as_ref().is_some_and(|sum| !sum.fits(&hashes)) {
            problems.push(format!("{}: {MISMATCH}", part.name));
        }
        read.push(ModelFile {
            name: part.name.clone(),
            sha256: hashes.sha256,
            bytes: hashes.bytes,
        });
    }
    report.files = read.len();
    for problem in problems {
        report
            .problems
            .push(place.refusal(vec![problem]).to_string());
    }
    if let Some(locked) = locked {
        let content = files::content_hash(&read);
        let revision = place.revision.as_deref().unwrap_or(&content[..12]);
        report.problems.extend(locked.differences(revision, &read));
    } else if lock.is_some() {
        let pull = format!("note it with `commutator models pull {source} --lock FILE`");
        report
            .problems
            .push(format!("it is not in the lock file: {pull}"));
    }
    report
}
