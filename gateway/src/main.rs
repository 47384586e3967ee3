//! The `commutator` binary.
mod config;

fn main() {}
