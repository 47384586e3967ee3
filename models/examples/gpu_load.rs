//! Requests a second and latencies of three classifiers a request, through the real engine, by clients that each ask
//! again as soon as they are answered.
//!
//! ```text
//! cargo run --release -p commutator-models --features cuda --example gpu_load -- --place cuda
//! cargo run --release -p commutator-models --example gpu_load -- --place native --shape tiny --seconds 2
//! ```
//! Options: `--place cuda|cpu|native` (candle on the GPU, candle on the CPU, our kernels), `--precision bf16|f32|int8|w8a8`,
//! `--shape modernbert-base|tiny`, `--clients 1,8,32,128`, `--tokens 64,512`, `--seconds 10`, `--shared` (three heads on
//! one trunk instead of three models), `--plain` (candle's own kernels only), `--json` (a line a row, for
//! `models/benches/gpu_load.py`).
//!
//! Weights are random, texts differ from each other, nothing is remembered. The first tenth of the time does not count.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commutator_models::ModelError;
use commutator_models::candle::{self, CandleEncoder, Place};
use commutator_models::encoder::{Encoder, HeadInfo, Task};
use commutator_models::engine::{Engine, EngineMetrics, EngineOptions, EngineParts, Request};
use commutator_models::native::{self, NativeEncoder, Threads};
use commutator_models::weights::{EncoderWeights, Head, Pooling};
use serde_json::{Map, json};
use tokenizers::Tokenizer;

#[allow(dead_code, unreachable_pub)]
#[path = "encoder_speed/shapes.rs"]
mod shapes;

use shapes::{SHAPES, Shape};

type Failure = Box<dyn Error + Send + Sync>;

const CLASSIFIERS: usize = 3;
const SPECIAL: usize = 2;
/// To try the program, not to learn anything.
const TINY: Shape = Shape {
    name: "tiny",
    modern: true,
    hidden: 64,
    heads: 4,
    inner: 96,
    layers: 4,
    vocabulary: 500,
    max_tokens: 1024,
};

#[derive(Debug, Clone)]
struct Settings {
    place: String,
    precision: String,
    shape: Shape,
    clients: Vec<usize>,
    tokens: Vec<usize>,
    seconds: f64,
    shared: bool,
    plain: bool,
    json: bool,
}

impl Settings {
    fn read(arguments: &[String]) -> Result<Self, Failure> {
        let value = |name: &str, default: &str| {
            let at = arguments.iter().position(|argument| argument == name);
            let value = at.and_then(|at| arguments.get(at + 1));
            value.map_or_else(|| default.to_owned(), Clone::clone)
        };
        let flag = |name: &str| arguments.iter().any(|argument| argument == name);
        let numbers = |name: &str, default: &str| -> Result<Vec<usize>, Failure> {
            let list = value(name, default);
            Ok(list.split(',').map(str::parse).collect::<Result<_, _>>()?)
        };
        let place = value("--place", "cuda");
        let name = value("--shape", "modernbert-base");
        let mut shapes = SHAPES.into_iter().chain([TINY]);
        let shape = shapes.find(|shape| shape.name == name);
        Ok(Self {
            precision: value("--precision", if place == "cuda" { "bf16" } else { "f32" }),
            place,
            shape: shape.ok_or("--shape: modernbert-base, minilm-l6 or tiny")?,
            clients: numbers("--clients", "1,8,32,128")?,
            tokens: numbers("--tokens", "64,512")?,
            seconds: value("--seconds", "10").parse()?,
            shared: flag("--shared"),
            plain: flag("--plain"),
            json: flag("--json"),
        })
    }

    fn encoder(&self, weights: &EncoderWeights) -> Result<Arc<dyn Encoder>, Failure> {
        let place = match &*self.place {
            "native" => return self.native(weights),
            "cpu" => Place::Cpu,
            "cuda" => Place::Cuda(0),
            _ => return Err("--place: cuda, cpu or native".into()),
        };
        let options = candle::Options {
            place,
            precision: match &*self.precision {
                "f32" => candle::Precision::F32,
                "bf16" => candle::Precision::Bf16,
                _ => return Err("--precision: f32 or bf16".into()),
            },
            plain: self.plain,
            ..candle::Options::default()
        };
        Ok(Arc::new(CandleEncoder::new(weights, options)?))
    }

    fn native(&self, weights: &EncoderWeights) -> Result<Arc<dyn Encoder>, Failure> {
        let precision = match &*self.precision {
            "f32" => native::Precision::F32,
            "bf16" => native::Precision::Bf16,
            "int8" => native::Precision::Int8,
            "w8a8" => native::Precision::W8a8,
            _ => return Err("--precision: f32, bf16, int8 or w8a8".into()),
        };
        let threads = Threads::new(std::thread::available_parallelism()?.get())?;
        Ok(Arc::new(NativeEncoder::new(weights, precision, threads)?))
    }

    /// One engine a classifier, or one for all with as many heads.
    fn engines(&self) -> Result<Vec<Arc<Engine>>, Failure> {
        let (engines, heads) = match self.shared {
            true => (1, CLASSIFIERS),
            false => (CLASSIFIERS, 1),
        };
        let weights = classifier(&self.shape, heads);
        let engine = |number: usize| -> Result<Arc<Engine>, Failure> {
            let mut options = EngineOptions::default();
            options.cache.max_bytes = 0;
            Ok(Arc::new(Engine::new(EngineParts {
                model: format!("classifier-{number}"),
                encoder: self.encoder(&weights)?,
                tokenizer: tokenizer(self.shape.vocabulary)?,
                options,
                metrics: EngineMetrics::unregistered(),
            })?))
        };
        (0..engines).map(engine).collect()
    }
}

/// The shape's trunk under heads that take the first token to two classes by way of a layer, as ModernBERT's do.
fn classifier(shape: &Shape, heads: usize) -> EncoderWeights {
    let mut weights = shape.weights();
    let layer = &weights.segments[0].layers[0];
    let stage = |linear, then, norm| commutator_models::weights::Stage { linear, then, norm };
    let mut classes = layer.attention_out.clone();
    classes.weight.rows = 2;
    if let commutator_models::weights::Values::F32(values) = &mut classes.weight.values {
        values.truncate(2 * shape.hidden);
    }
    classes.bias = None;
    let head = Head {
        info: HeadInfo {
            name: String::new(),
            task: Task::Sequence,
            labels: vec!["no".to_owned(), "yes".to_owned()],
            width: 2,
        },
        segment: 0,
        pooling: Pooling::First,
        stages: vec![
            stage(
                layer.attention_out.clone(),
                commutator_models::weights::Then::Gelu,
                Some(layer.feed_forward_norm.clone()),
            ),
            stage(classes, commutator_models::weights::Then::Nothing, None),
        ],
    };
    weights.heads = (0..heads)
        .map(|number| {
            let mut head = head.clone();
            head.info.name = format!("head-{number}");
            head
        })
        .collect();
    weights
}

/// A word a token.
fn tokenizer(vocabulary: usize) -> Result<Tokenizer, Failure> {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned);
    let words = (special.len()..vocabulary).map(|id| format!("w{id}"));
    let vocab: Map<_, _> = (special.into_iter().chain(words).enumerate())
        .map(|(id, token)| (token, json!(id)))
        .collect();
    Tokenizer::from_bytes(
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
            "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
            "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": vocab},
        })
        .to_string(),
    )
}

/// A text of so many tokens that no other client and no other turn asks about.
fn text(shape: &Shape, tokens: usize, client: usize, turn: usize) -> String {
    let mut state = ((client as u64) << 32) + turn as u64 + 1;
    let mut words = Vec::with_capacity(tokens);
    for _ in SPECIAL..tokens {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let id = 4 + (state >> 33) as usize % (shape.vocabulary - 4);
        words.push(format!("w{id}"));
    }
    words.join(" ")
}

/// Asks all classifiers about one text.
async fn ask(engines: &[Arc<Engine>], text: &str) -> Result<(), ModelError> {
    let calls = engines.iter().map(|engine| {
        let heads: Vec<usize> = (0..engine.heads().len()).collect();
        async move {
            let request = Request {
                text,
                heads: &heads,
                deadline: None,
            };
            engine.analyze(request).await
        }
    });
    futures::future::try_join_all(calls).await.map(drop)
}

/// What clients that ask all the time got: when each answer came, and how long it took.
async fn load(
    settings: &Settings,
    engines: &[Arc<Engine>],
    clients: usize,
    tokens: usize,
) -> Result<Vec<(Duration, Duration)>, Failure> {
    let begin = Instant::now();
    let end = Duration::from_secs_f64(settings.seconds * 1.1);
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let (engines, shape) = (engines.to_vec(), settings.shape);
            tokio::spawn(async move {
                let mut times = Vec::new();
                while begin.elapsed() < end {
                    let text = text(&shape, tokens, client, times.len());
                    let asked = Instant::now();
                    ask(&engines, &text).await?;
                    times.push((begin.elapsed(), asked.elapsed()));
                }
                Ok::<_, ModelError>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await??);
    }
    Ok(times)
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let settings = Settings::read(&arguments)?;
    let engines = settings.engines()?;
    if !settings.json {
        let models = if settings.shared { "heads" } else { "models" };
        println!(
            "{}, {} {}, {CLASSIFIERS} {models} a request\n",
            settings.shape.name, settings.place, settings.precision
        );
        println!("| tokens | clients | requests/s | p50 ms | p99 ms |");
        println!("|---|---|---|---|---|");
    }
    for tokens in &settings.tokens {
        for clients in &settings.clients {
            let times = load(&settings, &engines, *clients, *tokens).await?;
            report(&settings, *clients, *tokens, times);
        }
    }
    Ok(())
}

fn report(settings: &Settings, clients: usize, tokens: usize, times: Vec<(Duration, Duration)>) {
    let skipped = Duration::from_secs_f64(settings.seconds * 0.1);
    let counted = times.into_iter().filter(|(at, _)| *at >= skipped);
    let (ends, mut took): (Vec<_>, Vec<_>) = counted.unzip();
    took.sort_unstable();
    let last = ends.iter().max().copied().unwrap_or(skipped);
    let rate = took.len() as f64 / (last - skipped).as_secs_f64().max(1e-9);
    let at = |share: f64| {
        let index = (took.len().saturating_sub(1)) as f64 * share;
        took.get(index as usize)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    let (p50, p99) = (at(0.5), at(0.99));
    if settings.json {
        let row =
            json!({"tokens": tokens, "clients": clients, "rate": rate, "p50": p50, "p99": p99});
        println!("{row}");
    } else {
        println!("| {tokens} | {clients} | {rate:.1} | {p50:.2} | {p99:.2} |");
    }
}
