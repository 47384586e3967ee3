//! What a forward pass costs, in turn with candle-transformers in the same run.
//!
//! `cargo run --release -p commutator-models --example encoder_speed` prints the table; arguments name what to run:
//! `--shape minilm-l6`, `--tokens 64,512`, `--batch 1`, `--threads 1`, `--rounds 5`, `--no-candle`.
//! `export SHAPE FILE` writes a shape's weights, `worker SHAPE` and `candle SHAPE` time what their input asks for, a line
//! each (`PRECISION THREADS BATCH TOKENS HEADS`, answered with milliseconds); `models/benches/peers.py` uses them.

mod peers;
mod shapes;

use std::collections::HashMap;
use std::time::Instant;

use commutator_models::ModelError;
use commutator_models::encoder::{Encoder, Packed};
use commutator_models::native::{NativeEncoder, Precision, Threads};
use shapes::{SHAPES, Shape};

type Failure = Box<dyn std::error::Error>;

const OURS: usize = Precision::ALL.len();

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["export", shape, file] => peers::export(&find(shape)?, file),
        ["worker", shape] => peers::worker(&find(shape)?),
        ["candle", shape] => peers::candle_worker(&find(shape)?),
        options => table(options),
    }
}

fn find(name: &str) -> Result<Shape, Failure> {
    let shape = SHAPES.into_iter().find(|shape| shape.name == name);
    shape.ok_or_else(|| format!("there is no shape {name}").into())
}

/// Encoders of a shape by precision and threads.
fn encoders(
    shape: &Shape,
    counts: &[usize],
) -> Result<HashMap<(Precision, usize), NativeEncoder>, ModelError> {
    let weights = shape.weights();
    let mut encoders = HashMap::new();
    for count in counts {
        let threads = Threads::new(*count)?;
        for precision in Precision::ALL {
            let encoder = NativeEncoder::new(&weights, precision, threads.clone())?;
            encoders.insert((precision, *count), encoder);
        }
    }
    Ok(encoders)
}

/// Milliseconds that `work` takes: with one thread, those in which a processor ran this process, so that neighbours on a
/// busy machine do not count; else those of a clock on the wall.
fn clock(threads: usize, work: impl FnOnce() -> Result<(), Failure>) -> Result<f64, Failure> {
    let before = on_processor();
    let start = Instant::now();
    work()?;
    let wall = start.elapsed().as_secs_f64() * 1e3;
    let own = on_processor().zip(before).filter(|_| threads == 1);
    Ok(own.map_or(wall, |(after, before)| after - before))
}

fn time(encoder: &NativeEncoder, threads: usize, batch: &Packed) -> Result<f64, Failure> {
    clock(threads, || {
        std::hint::black_box(encoder.forward(batch, &[0])?);
        Ok(())
    })
}

/// Milliseconds that all threads have run, where the system tells.
fn on_processor() -> Option<f64> {
    // The system counts when a thread yields; all others sleep.
    std::thread::yield_now();
    let mut all = 0.0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let line = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        let nanoseconds: f64 = line.split(' ').next()?.parse().ok()?;
        all += nanoseconds / 1e6;
    }
    Some(all)
}

fn table(options: &[&str]) -> Result<(), Failure> {
    let value = |name: &str| {
        let at = options.iter().position(|option| *option == name)?;
        options.get(at + 1).copied()
    };
    let numbers = |name: &str, default: &[usize]| -> Result<Vec<usize>, Failure> {
        match value(name) {
            Some(list) => Ok(list.split(',').map(str::parse).collect::<Result<_, _>>()?),
            None => Ok(default.to_vec()),
        }
    };
    let tokens = numbers("--tokens", &[16, 64, 256, 512])?;
    let batches = numbers("--batch", &[1, 8])?;
    let threads = numbers("--threads", &[1, 2])?;
    let rounds = numbers("--rounds", &[5])?[0];
    let only = options
        .iter()
        .position(|option| *option == "--only")
        .and_then(|at| options.get(at + 1));
    for shape in SHAPES {
        if value("--shape").is_some_and(|name| name != shape.name) {
            continue;
        }
        let encoders = encoders(&shape, &threads)?;
        let candle = (!options.contains(&"--no-candle"))
            .then(|| peers::Candle::new(&shape))
            .transpose()?;
        for count in &threads {
            for batch in &batches {
                for length in &tokens {
                    let packed = shape.batch(*batch, *length);
                    let mut best = [f64::INFINITY; OURS];
                    let mut of_candle = f64::INFINITY;
                    let mut peak = [0.0f64; OURS];
                    for _ in 0..rounds {
                        for (index, precision) in Precision::ALL.into_iter().enumerate() {
                            if only.is_some_and(|only| *only != precision.to_string()) {
                                continue;
                            }
                            let encoder = &encoders[&(precision, *count)];
                            peak[index] = peak[index].max(encoder.peak());
                            best[index] = best[index].min(time(encoder, *count, &packed)?);
                        }
                        // candle's pool has as many threads as `RAYON_NUM_THREADS` says.
                        if let Some(candle) = &candle {
                            of_candle = of_candle.min(candle.time(*count, &packed)?);
                        }
                    }
                    let title = format!("{:16} t{count} b{batch} {length:4}", shape.name);
                    let operations = shape.operations(*batch, *length) / *count as f64;
                    report(&title, operations, best, peak, of_candle);
                }
            }
        }
    }
    Ok(())
}

/// Prints times, and the share of the peak of each; `operations` are those of one thread.
fn report(title: &str, operations: f64, best: [f64; OURS], peak: [f64; OURS], of_candle: f64) {
    print!("{title}");
    for (precision, (best, peak)) in Precision::ALL.into_iter().zip(best.into_iter().zip(peak)) {
        let rate = operations / best * 1e3;
        print!(
            "  {precision} {best:8.2} ms {:6.1} GF/s {:3.0}%",
            rate / 1e9,
            rate / peak * 100.0
        );
    }
    if of_candle.is_finite() {
        print!("  candle {of_candle:8.2} ms");
    }
    let peaks = peak.map(|peak| format!("{:.0}", peak / 1e9));
    println!("  (peak {})", peaks.join(" "));
}
