//! The benchmark: `integration/run bench`.

use clap::Parser;
use commutator_integration::bench::{self, Options};

fn main() -> anyhow::Result<()> {
    bench::run(&Options::parse())
}
