//! The `commutator` binary.
fn main() {}
