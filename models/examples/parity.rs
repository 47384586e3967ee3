//! How far an encoder is from transformers, and how fast: for checkpoints that `parity/make.py` made.
//!
//! `parity DIRECTORY [cuda] [bf16|f16] [plain] [runs=N]` prints the worst difference of any number, alone and packed, and
//! the least time of a forward for each sequence alone and for all together. `plain`: candle's own kernels only.

use std::path::Path;
use std::time::{Duration, Instant};

use commutator_models::ModelError;
use commutator_models::candle::{CandleEncoder, Options, Place, Precision};
use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Packed};

#[derive(serde::Deserialize)]
struct Expected {
    sequences: Vec<Vec<u32>>,
    alone: Vec<Vec<f32>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("say a directory")?;
    let (mut options, mut runs) = (Options::default(), 3);
    for argument in arguments {
        match &*argument {
            "cuda" => options.place = Place::Cuda(0),
            "bf16" => options.precision = Precision::Bf16,
            "plain" => options.plain = true,
            "f16" => options.precision = Precision::F16,
            other => {
                let count = other.strip_prefix("runs=").ok_or("unknown argument")?;
                runs = count.parse()?;
            }
        }
    }
    let directory = Path::new(&directory);
    let expected = std::fs::read(directory.join("expected.json"))?;
    let expected: Expected = serde_json::from_slice(&expected)?;
    let start = Instant::now();
    let checkpoint = read_dir(directory, "parity", &checkpoint::Options::default())?;
    let encoder = CandleEncoder::new(&checkpoint.weights, options)?;
    println!("loaded in {:?}, {options:?}", start.elapsed());
    let mut together = Packed::default();
    for (sequence, wanted) in expected.sequences.iter().zip(&expected.alone) {
        let mut alone = Packed::default();
        alone.push(sequence);
        together.push(sequence);
        let (found, time) = fastest(&encoder, &alone, runs)?;
        let off = distance(&found, wanted);
        println!("{:5} tokens: off by {off:.1e}, {time:.2?}", sequence.len());
    }
    let (found, time) = fastest(&encoder, &together, runs)?;
    let off = distance(&found, &expected.alone.concat());
    println!(
        "{:5} together: off by {off:.1e}, {time:.2?}",
        together.ids().len()
    );
    Ok(())
}

fn fastest(
    encoder: &CandleEncoder,
    batch: &Packed,
    runs: usize,
) -> Result<(Vec<f32>, Duration), ModelError> {
    let mut best = (Vec::new(), Duration::MAX);
    for _ in 0..runs.max(1) {
        let start = Instant::now();
        let output = encoder.forward(batch, &[0])?.remove(0);
        if start.elapsed() < best.1 {
            best = (output.values, start.elapsed());
        }
    }
    Ok(best)
}

fn distance(found: &[f32], wanted: &[f32]) -> f32 {
    let pairs = found.iter().zip(wanted);
    pairs
        .map(|(found, wanted)| (found - wanted).abs())
        .fold(0.0, f32::max)
}
