//! A trace for people: an indented tree.

use std::fmt;

use super::Trace;

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.api, self.requested_model)
    }
}
