//! What the engine itself costs: an encoder that does nothing, short texts, one caller, then many.
//!
//! ```text
//! cargo run --release -p commutator-models --example engine_overhead [CALLS]
//! ```
//! `call` is the whole of it; `tokenize` reaches from the arrival of the text to its windows in the queue, `queue` from
//! there to the result; both contain the change to another thread. `tokenizer` is the tokenizer alone, without any
//! engine: what no engine could save.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commutator_models::ModelError;
use commutator_models::encoder::{Encoder, HeadInfo, Output, Packed, Task};
use commutator_models::engine::{Engine, EngineMetrics, EngineOptions, EngineParts, Request};
use serde_json::{Map, json};
use tokenizers::Tokenizer;

/// Answers at once, and always the same.
#[derive(Debug)]
struct Nothing {
    heads: Vec<HeadInfo>,
}

impl Encoder for Nothing {
    fn heads(&self) -> &[HeadInfo] {
        &self.heads
    }

    fn max_tokens(&self) -> usize {
        512
    }

    fn forward(&self, batch: &Packed, wanted: &[usize]) -> Result<Vec<Output>, ModelError> {
        Ok(wanted
            .iter()
            .map(|head| Output {
                width: self.heads[*head].width,
                values: vec![0.0; batch.sequences() * self.heads[*head].width],
            })
            .collect())
    }
}

/// Letters only: as many tokens as a text has letters.
fn tokenizer() -> Result<Tokenizer, tokenizers::Error> {
    let letters = ('a'..='z').chain('0'..='9').map(|c| c.to_string());
    let parts = letters.clone().map(|letter| format!("##{letter}"));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned);
    let vocab: Map<_, _> = special
        .into_iter()
        .chain(letters)
        .chain(parts)
        .enumerate()
        .map(|(id, token)| (token, json!(id)))
        .collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    });
    Tokenizer::from_bytes(json.to_string())
}

/// Differs from every other: nothing is remembered.
fn text(number: usize) -> String {
    format!("what is the sum of {number} and two")
}

fn print(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{name:>10}  p50 {:>10.1?}  p90 {:>10.1?}  p99 {:>10.1?}  max {:>10.1?}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

async fn one_caller(engine: &Engine, calls: usize) -> Result<(), Box<dyn Error>> {
    let plain = tokenizer().map_err(|e| e.to_string())?;
    let (mut alone, mut whole, mut tokenize, mut queue) = (vec![], vec![], vec![], vec![]);
    for number in 0..calls {
        let text = text(number);
        let started = Instant::now();
        std::hint::black_box(
            plain
                .encode(text.as_str(), false)
                .map_err(|e| e.to_string())?,
        );
        alone.push(started.elapsed());
        let started = Instant::now();
        let analysis = engine
            .analyze(Request {
                text: &text,
                heads: &[0, 1],
                deadline: None,
            })
            .await?;
        whole.push(started.elapsed());
        tokenize.push(analysis.timing.tokenize);
        queue.push(analysis.timing.queue);
    }
    println!("one caller, {calls} calls:");
    print("tokenizer", alone);
    print("tokenize", tokenize);
    print("queue", queue);
    print("call", whole);
    Ok(())
}

async fn many_callers(engine: Arc<Engine>, calls: usize) -> Result<(), Box<dyn Error>> {
    const CALLERS: usize = 64;
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                for number in 0..calls / CALLERS {
                    let text = text(1_000_000 * (caller + 1) + number);
                    engine
                        .analyze(Request {
                            text: &text,
                            heads: &[0, 1],
                            deadline: None,
                        })
                        .await?;
                }
                Ok::<_, ModelError>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let done = calls / CALLERS * CALLERS;
    println!(
        "{CALLERS} callers: {:.0} calls a second",
        done as f64 / started.elapsed().as_secs_f64()
    );
    Ok(())
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let calls = match std::env::args().nth(1) {
        Some(calls) => calls.parse()?,
        None => 20_000,
    };
    let head = |name: &str| HeadInfo {
        name: name.to_owned(),
        task: Task::Sequence,
        labels: vec!["no".to_owned(), "yes".to_owned()],
        width: 2,
    };
    let engine = Arc::new(Engine::new(EngineParts {
        model: "nothing".to_owned(),
        encoder: Arc::new(Nothing {
            heads: vec![head("first"), head("second")],
        }),
        tokenizer: tokenizer().map_err(|e| e.to_string())?,
        options: EngineOptions::default(),
        metrics: EngineMetrics::unregistered(),
    })?);
    one_caller(&engine, calls).await?;
    many_callers(engine, calls).await
}
