//! The `commutator` binary.

mod cluster;
mod config;

fn main() {}
