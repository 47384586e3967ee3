//! The text of a configuration together with its tree: turns places into lines.

use std::fmt;

use commutator_plugins::problem::{Problems, Severity};

use super::{
    error::{ConfigErrors, Diagnostic},
    path,
    snippet::{self, snippet},
    tree::{Finding, Kind, Pos, Span, Tree},
};

/// A configuration file as it was read, for showing where a mistake stands.
#[derive(Clone)]
pub(crate) struct Source {
    name: String,
    text: String,
    tree: Tree,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Source {
    pub(super) fn new(name: &str, text: &str, mut tree: Tree) -> Self {
        // Only places are needed from here on, and the texts hold the values of variables.
        for node in &mut tree.nodes {
            if let Kind::Scalar { text, expanded, .. } = &mut node.kind {
                text.clear();
                *expanded = None;
            }
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            tree,
        }
    }

    /// The text as it stands in the file, references unresolved.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Places what a check of the meaning found: at the value of each path, or at what is nearest above it.
    pub(super) fn place(&self, problems: Problems) -> impl Iterator<Item = Finding> {
        problems.into_iter().map(|problem| {
            let node = path::find(&self.tree, &problem.path);
            Finding {
                span: node.map_or_else(Span::default, |id| self.tree.point(id)),
                path: problem.path,
                message: problem.message,
                hint: problem.hint,
                severity: problem.severity,
            }
        })
    }

    /// For what cannot happen: a file without a mistake that is not usable all the same.
    pub(crate) fn unexplained(&self) -> ConfigErrors {
        let message = "cannot be used, for a reason that is not known: please report this";
        ConfigErrors::whole_file(&self.name, Severity::Error, message.to_owned())
    }

    /// [`Source::place`] as a report of its own.
    #[cfg(test)]
    pub(crate) fn locate(&self, problems: Problems) -> ConfigErrors {
        self.report(self.place(problems).collect())
    }

    /// Sorts, drops repetitions (an aliased value is read several times) and adds the snippets.
    pub(super) fn report(&self, mut findings: Vec<Finding>) -> ConfigErrors {
        let lines = snippet::lines(&self.text);
        let masks: Vec<Span> = self
            .tree
            .nodes
            .iter()
            .filter(|node| node.masked)
            .map(|node| node.span)
            .collect();
        findings.sort_by_key(|finding| finding.span.start);
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for finding in findings {
            let span = clamp(finding.span, &lines);
            let repeated = diagnostics.iter().any(|known| {
                known.line == Some(span.start.line)
                    && known.column == Some(span.start.column)
                    && known.message == finding.message
            });
            if repeated {
                continue;
            }
            diagnostics.push(Diagnostic {
                severity: finding.severity,
                file: self.name.clone(),
                line: Some(span.start.line),
                column: Some(span.start.column),
                path: finding.path,
                message: finding.message,
                hint: finding.hint,
                snippet: snippet(lines[span.start.line - 1], span, &masks),
            });
        }
        ConfigErrors(diagnostics)
    }
}

/// Puts a span inside the text: the scanner sometimes points behind the last line.
fn clamp(span: Span, lines: &[&str]) -> Span {
    let inside = |pos: Pos| {
        if pos.line > lines.len() {
            let last = lines[lines.len() - 1];
            return Pos {
                line: lines.len(),
                column: last.chars().count() + 1,
            };
        }
        let line = pos.line.max(1);
        let width = lines[line - 1].chars().count();
        Pos {
            line,
            column: pos.column.clamp(1, width + 1),
        }
    };
    let start = inside(span.start);
    Span {
        start,
        end: inside(span.end).max(start),
    }
}
