//! Our encoders against transformers, on the tiny random checkpoints of `parity/fixtures` (`parity/make.py` made them).
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use commutator_models::candle::{CandleEncoder, Options};
use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Output, Packed, Task};
use serde::Deserialize;

/// How far a number may be from the one that transformers computes.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Expected {
    task: String,
    sequences: Vec<Vec<u32>>,
    alone: Vec<Vec<f32>>,
    padded: Vec<Vec<f32>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("parity/fixtures")
        .join(name)
}

fn expected(name: &str) -> Expected {
    let text = std::fs::read(fixture(name).join("expected.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn encoder(name: &str, options: Options) -> CandleEncoder {
    let checkpoint = read_dir(&fixture(name), name, &checkpoint::Options::default()).unwrap();
    CandleEncoder::new(&checkpoint.weights, options).unwrap()
}

fn pack<'a>(sequences: impl IntoIterator<Item = &'a Vec<u32>>) -> Packed {
    let mut packed = Packed::default();
    for sequence in sequences {
        packed.push(sequence);
    }
    packed
}

fn close(found: &[f32], wanted: &[f32], most: f32, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let distance = |(found, wanted): (&f32, &f32)| (found - wanted).abs();
    let worst = found.iter().zip(wanted).map(distance).fold(0.0, f32::max);
    // Written so that a NaN fails too.
    assert!(
        worst <= most && !found.iter().any(|value| value.is_nan()),
        "{what}: off by {worst}"
    );
}

/// The numbers of one sequence of a batch.
fn part<'a>(output: &'a Output, task: Task, batch: &Packed, index: usize) -> &'a [f32] {
    if task == Task::Token {
        let range = batch.ranges().nth(index).unwrap();
        &output.values[range.start * output.width..range.end * output.width]
    } else {
        output.row(index)
    }
}

/// Alone, together without padding, and together with padding: all as transformers has it.
fn check(name: &str) {
    let expected = expected(name);
    for padding in [0.0, 0.9, 0.99] {
        let options = Options {
            padding: Some(padding),
            ..Options::default()
        };
        let encoder = encoder(name, options);
        let info = encoder.heads()[0].clone();
        assert_eq!(format!("{:?}", info.task).to_lowercase(), expected.task);
        assert_eq!(info.labels.is_empty(), info.task == Task::Embedding);
        // Twice, in another order, so that some sequences are of one length and the longest is not the first.
        let twice: Vec<_> = expected
            .sequences
            .iter()
            .rev()
            .chain(&expected.sequences)
            .collect();
        let batch = pack(twice.iter().copied());
        let together = &encoder.forward(&batch, &[0]).unwrap()[0];
        assert_eq!(together.width, info.width);
        let count = expected.sequences.len();
        for (index, sequence) in expected.sequences.iter().enumerate() {
            let what = format!("{name}, {} tokens, padding {padding}", sequence.len());
            let one = pack([sequence]);
            let alone = &encoder.forward(&one, &[0]).unwrap()[0];
            close(
                &alone.values,
                &expected.alone[index],
                TOLERANCE,
                &format!("{what}, alone"),
            );
            for place in [count - 1 - index, count + index] {
                let found = part(together, info.task, &batch, place);
                close(
                    found,
                    &expected.padded[index],
                    TOLERANCE,
                    &format!("{what}, together"),
                );
                close(
                    found,
                    &alone.values,
                    2e-5,
                    &format!("{what}, together and alone"),
                );
            }
        }
    }
}

macro_rules! parity {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { check($name); })*
    };
}

parity! {
    bert_sequence: "bert-sequence",
    bert_token: "bert-token",
    bert_embedding: "bert-embedding",
    distilbert_sequence: "distilbert-sequence",
    distilbert_token: "distilbert-token",
    xlm_roberta_sequence: "xlm-roberta-sequence",
    xlm_roberta_token: "xlm-roberta-token",
    xlm_roberta_embedding: "xlm-roberta-embedding",
    modernbert_sequence: "modernbert-sequence",
    modernbert_sequence_older_spelling: "modernbert-sequence-older",
    modernbert_token: "modernbert-token",
    modernbert_embedding: "modernbert-embedding",
    modernbert_yarn_sequence: "modernbert-yarn-sequence",
    modernbert_yarn_token_older_spelling: "modernbert-yarn-token-older",
    modernbert_yarn_embedding: "modernbert-yarn-embedding",
    modernbert_linear_token: "modernbert-linear-token",
    modernbert_llama3_sequence: "modernbert-llama3-sequence",
    deberta_sequence: "deberta-sequence",
    deberta_token: "deberta-token",
    deberta_embedding: "deberta-embedding",
}

#[test]
fn every_fixture_has_a_test() {
    let source = include_str!("parity.rs");
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.ends_with(".json") || source.contains(&format!("\"{name}\"")),
            "{name}"
        );
    }
}
