//! The `commutator` binary.
mod cluster;

fn main() {}
