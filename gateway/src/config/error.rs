//! What is shown to the operator: every mistake with file, line, column and snippet.

use std::fmt;

use commutator_plugins::problem::Severity;
use serde::{Serialize, Serializer};

use super::snippet::Snippet;

/// One mistake, ready to be printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Diagnostic {
    /// Whether it makes the file unusable.
    pub(crate) severity: Severity,
    /// The file as it was named by the operator.
    pub(crate) file: String,
    /// From one. `None` for a file that could not be read.
    pub(crate) line: Option<usize>,
    /// From one, in characters.
    pub(crate) column: Option<usize>,
    /// The place as a path, `decisions[2].models[0].name`. Empty for the whole file.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// The line itself, secrets masked.
    #[serde(serialize_with = "line_only")]
    pub(super) snippet: Snippet,
}

fn line_only<S: Serializer>(snippet: &Snippet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&snippet.line)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.severity, self.message)?;
        let (Some(line), Some(column)) = (self.line, self.column) else {
            return writeln!(f, "  --> {}", self.file);
        };
        let number = line.to_string();
        let gutter = " ".repeat(number.len().max(4));
        writeln!(f, "  --> {}:{line}:{column}", self.file)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number:<4} | {}", self.snippet.line)?;
        let indent = " ".repeat(self.snippet.indent);
        let marks = "^".repeat(self.snippet.width);
        write!(f, "{gutter} | {indent}{marks}")?;
        match &self.hint {
            Some(hint) => writeln!(f, " {hint}"),
            None => writeln!(f),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the file. May hold nothing, or warnings
/// only: see [`ConfigErrors::has_errors`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ConfigErrors(pub(super) Vec<Diagnostic>);

impl ConfigErrors {
    /// About a file of which no line can be shown.
    pub(super) fn whole_file(file: &str, severity: Severity, message: String) -> Self {
        Self(vec![Diagnostic {
            severity,
            file: file.to_owned(),
            line: None,
            column: None,
            path: String::new(),
            message,
            hint: None,
            snippet: Snippet::default(),
        }])
    }

    /// Whether nothing at all was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the configuration must not be used.
    #[cfg(test)]
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// In the order of the file.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|d| d.severity == severity).count()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.0 {
            writeln!(f, "{diagnostic}")?;
        }
        let counted = |n: usize, word: &str| match n {
            0 => None,
            1 => Some(format!("1 {word}")),
            n => Some(format!("{n} {word}s")),
        };
        let errors = counted(self.count(Severity::Error), "error");
        let warnings = counted(self.count(Severity::Warning), "warning");
        let counts: Vec<String> = errors.into_iter().chain(warnings).collect();
        if counts.is_empty() {
            return Ok(());
        }
        let mut files: Vec<&str> = self.0.iter().map(|d| d.file.as_str()).collect();
        files.dedup();
        write!(f, "{} in {}", counts.join(" and "), files.join(", "))
    }
}

impl std::error::Error for ConfigErrors {}
