//! Mistakes that only show once a configuration has been read: two rules of one name, a model that no
//! cluster serves, a threshold above one.
//!
//! A check knows the place as a path (`decisions[2].models[0].name`), not as a line; the gateway, which
//! holds the text, turns the path into a line and prints these exactly like mistakes of syntax.

use std::fmt;

use serde::Serialize;

/// Separates a message from advice inside the text of a `serde` error, the only channel that
/// `Deserialize` offers. See [`with_hint`].
pub const HINT: &str = "\nhint: ";

/// The text for `serde::de::Error::custom` that the configuration loader shows as a message with a hint.
pub fn with_hint(message: impl fmt::Display, hint: impl fmt::Display) -> String {
    format!("{message}{HINT}{hint}")
}

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// The configuration is used, but is probably not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One mistake in a configuration that was read without errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The place: field names joined by dots, list positions in brackets, as in
    /// `decisions[2].models[0].name`. Empty for the whole file. A key of a map with odd characters may be
    /// written `models["a.b"]`.
    pub path: String,
    /// What is wrong, one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the configuration can be used all the same.
    pub severity: Severity,
}

impl Problem {
    /// Adds advice.
    pub fn with_hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What the checks of a configuration found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records an error at `path`.
    pub fn error(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        self.push(path.into(), message.into(), Severity::Error)
    }

    /// Records a warning at `path`.
    pub fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) -> &mut Problem {
        self.push(path.into(), message.into(), Severity::Warning)
    }

    fn push(&mut self, path: String, message: String, severity: Severity) -> &mut Problem {
        let at = self.0.len();
        self.0.push(Problem {
            path,
            message,
            hint: None,
            severity,
        });
        &mut self.0[at]
    }

    /// Takes over what another check found, with `prefix` (`decisions[2]`) put before each path.
    pub fn extend_under(&mut self, prefix: &str, other: Problems) {
        self.0.extend(other.0.into_iter().map(|mut problem| {
            let dot = if problem.path.is_empty() || problem.path.starts_with('[') {
                ""
            } else {
                "."
            };
            problem.path = format!("{prefix}{dot}{}", problem.path);
            problem
        }));
    }

    /// Whether nothing was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many errors and warnings there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is an error, so that the configuration must not be used.
    pub fn has_errors(&self) -> bool {
        self.0
            .iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// In the order of recording.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        self.0.extend(problems);
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// One line a problem, for tests and for callers without the text of the file.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            write!(f, "{}: ", problem.severity)?;
            if !problem.path.is_empty() {
                write!(f, "{}: ", problem.path)?;
            }
            f.write_str(&problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, " ({hint})")?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_under_a_prefix() {
        let mut inner = Problems::new();
        inner
            .error("models[0].name", "unknown model `a`")
            .with_hint("did you mean `b`?");
        inner.warning("[1]", "never used");
        inner.warning("", "empty");
        let mut all = Problems::new();
        all.extend_under("decisions[2]", inner);
        assert_eq!(
            all.to_string(),
            "error: decisions[2].models[0].name: unknown model `a` (did you mean `b`?)\n\
             warning: decisions[2][1]: never used\n\
             warning: decisions[2]: empty\n"
        );
        assert!(all.has_errors());
    }

    #[test]
    fn warnings_are_no_errors() {
        let mut problems = Problems::new();
        assert!(problems.is_empty());
        problems.warning("a", "odd");
        assert!(!problems.has_errors());
        assert_eq!(problems.len(), 1);
    }
}
