//! Policies from other gateways' configurations: `commutator import`.
//!
//! The way of a file: [`vllm_sr`] walks the foreign document and builds the policy as a tree of [`write`], whose
//! text goes to the operator, not to the gateway: it is read, checked and kept like one written by hand. What cannot
//! be carried over is in the [`report`], each with its line.

pub(crate) mod report;
pub(crate) mod vllm_sr;
mod write;

#[cfg(test)]
mod tests;

use report::Report;

/// A converted configuration.
pub(crate) struct Imported {
    /// The policy file, with its comments.
    pub(crate) policy: String,
    /// What has no counterpart, and what means something else here.
    pub(crate) report: Report,
}
