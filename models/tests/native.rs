//! The native encoder against transformers and against candle, on the tiny checkpoints of `parity/fixtures`.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use commutator_models::ModelError;
use commutator_models::candle::{self, CandleEncoder};
use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Packed};
use commutator_models::native::{NativeEncoder, Precision, Threads};
use commutator_models::weights::{EncoderWeights, Positions};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    sequences: Vec<Vec<u32>>,
    alone: Vec<Vec<f32>>,
}

/// Every checkpoint that the native kernels can run, with what transformers made of it.
fn checkpoints() -> Vec<(String, EncoderWeights, Expected)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let Ok(expected) = std::fs::read(path.join("expected.json")) else {
            continue;
        };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let checkpoint = read_dir(&path, &name, &checkpoint::Options::default()).unwrap();
        let weights = checkpoint.weights;
        if matches!(weights.positions, Positions::Disentangled(_)) {
            let refused = NativeEncoder::new(&weights, Precision::F32, Threads::caller());
            assert!(matches!(refused, Err(ModelError::Load { .. })), "{name}");
            continue;
        }
        found.push((name, weights, serde_json::from_slice(&expected).unwrap()));
    }
    assert!(found.len() > 3, "fixtures");
    found
}

fn worst(found: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(found.len(), wanted.len());
    let distances = found.iter().zip(wanted).map(|(a, b)| {
        assert!(a.is_finite());
        (a - b).abs()
    });
    distances.fold(0.0, f32::max)
}

/// The root of the mean square of the differences, in parts of that of the wanted numbers.
fn relative(found: &[f32], wanted: &[f32]) -> f32 {
    let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>();
    let off = squares(&mut found.iter().zip(wanted).map(|(a, b)| a - b));
    (off / squares(&mut wanted.iter().copied())).sqrt()
}

#[test]
fn agrees_with_transformers_and_with_candle() {
    for (name, weights, expected) in checkpoints() {
        let mut batch = Packed::default();
        for sequence in &expected.sequences {
            batch.push(sequence);
        }
        let oracle = CandleEncoder::new(&weights, candle::Options::default()).unwrap();
        let oracle = oracle.forward(&batch, &[0]).unwrap();
        let transformers = expected.alone.concat();
        let run = |precision| {
            let encoder = NativeEncoder::new(&weights, precision, Threads::caller()).unwrap();
            encoder.forward(&batch, &[0]).unwrap().remove(0).values
        };
        let full = run(Precision::F32);
        for (peer, wanted) in [
            ("candle", &oracle[0].values),
            ("transformers", &transformers),
        ] {
            let off = worst(&full, wanted);
            println!("{name} f32: {off:.1e} from {peer}");
            assert!(off <= 1e-4, "{name}: off by {off} from {peer}");
        }
        // Random weights have no margins between labels: only the size of the error can be judged here.
        for (precision, most) in [(Precision::Bf16, 0.02), (Precision::Int8, 0.1)] {
            let off = relative(&run(precision), &transformers);
            println!("{name} {precision:?}: relative {off:.1e}");
            assert!(off <= most, "{name} {precision:?}: off by {off}");
        }
    }
}
