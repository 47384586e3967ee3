//! Whether int8 gives the same labels as f32.

use std::collections::BTreeMap;
use std::path::Path;

use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Packed, Task};
use commutator_models::native::{NativeEncoder, Precision, Threads};
use tokenizers::Tokenizer;

use super::Failure;

/// Longer texts are cut: labels are compared, not whole documents.
const MOST_TOKENS: usize = 256;

/// How often two encoders agree in a head.
#[derive(Default)]
struct Agreement {
    rows: usize,
    same: usize,
    /// The largest difference of a probability, or of a cosine from 1.
    worst: f32,
    sum: f64,
}

/// Prints a line a head and kernels: this processor's best, and the plain ones.
pub(crate) fn print(bundle: &str, files: &[&str]) -> Result<(), Failure> {
    let read = read_dir(Path::new(bundle), "bundle", &checkpoint::Options::default())?;
    let tokenizer = Tokenizer::from_file(&read.tokenizer).map_err(|error| error.to_string())?;
    let texts = texts(files)?;
    let new = |precision, kernels| {
        NativeEncoder::with_kernels(&read.weights, precision, Threads::caller(), kernels)
    };
    let full = new(Precision::F32, None)?;
    let others = [
        new(Precision::Int8, None)?,
        new(Precision::Int8, Some("portable"))?,
    ];
    let wanted: Vec<usize> = (0..full.heads().len()).collect();
    let mut found: BTreeMap<(&str, &str), Agreement> = BTreeMap::new();
    for text in &texts {
        let encoding = tokenizer.encode(text.as_str(), true);
        let encoding = encoding.map_err(|error| error.to_string())?;
        let ids = encoding.get_ids();
        let mut packed = Packed::default();
        packed.push(&ids[..ids.len().min(MOST_TOKENS)]);
        let expected = full.forward(&packed, &wanted)?;
        for other in &others {
            let outputs = other.forward(&packed, &wanted)?;
            for ((head, expected), output) in full.heads().iter().zip(&expected).zip(outputs) {
                let entry = found.entry((&head.name, other.kernels())).or_default();
                for (a, b) in expected
                    .values
                    .chunks_exact(expected.width)
                    .zip(output.values.chunks_exact(output.width))
                {
                    entry.add(head.task, a, b);
                }
            }
        }
    }
    println!("{} texts", texts.len());
    for ((head, kernels), entry) in found {
        println!(
            "{head:12} int8 {kernels:10} {:7} rows  agree {:8.3} %  difference {:.4} at most, {:.5} on average",
            entry.rows,
            100.0 * entry.same as f64 / entry.rows as f64,
            entry.worst,
            entry.sum / entry.rows as f64
        );
    }
    Ok(())
}

impl Agreement {
    fn add(&mut self, task: Task, a: &[f32], b: &[f32]) {
        self.rows += 1;
        let difference = if task == Task::Embedding {
            self.same += 1;
            1.0 - a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>()
        } else {
            self.same += usize::from(largest(a) == largest(b));
            let (a, b) = (softmax(a), softmax(b));
            let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            differences.fold(0.0, f32::max)
        };
        self.worst = self.worst.max(difference);
        self.sum += f64::from(difference);
    }
}

fn largest(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// The `text` of each line.
fn texts(files: &[&str]) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let value: serde_json::Value = serde_json::from_str(line)?;
            let text = value["text"].as_str();
            texts.push(text.ok_or("a line without `text`")?.to_owned());
        }
    }
    Ok(texts)
}
