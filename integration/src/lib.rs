//! Support for the black-box tests and the benchmark.

pub mod bench;
pub mod load;
