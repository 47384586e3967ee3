//! Support for the black-box tests: the real binary as a process, clients of every protocol, frontends whose every
//! byte a test decides, and a load generator; and the benchmark.

pub mod bench;
pub mod client;
pub mod frontend;
pub mod gateway;
pub mod load;
pub mod wait;
