#![allow(clippy::unwrap_used)]

mod again;
mod answers;
mod failures;
mod fake_encoder;
mod fake_tokenizer;
mod load;
mod long_texts;
mod sharing;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use fake_encoder::FakeEncoder;

/// An engine over a fake encoder with one head of each task: `topic`, `guard`, `tags`, `vector`.
struct Rig {
    engine: Arc<Engine>,
    encoder: Arc<FakeEncoder>,
}

const TOPIC: usize = 0;
const GUARD: usize = 1;
const TAGS: usize = 2;
const VECTOR: usize = 3;
const ALL: &[usize] = &[TOPIC, GUARD, TAGS, VECTOR];

/// Small windows, no warm-up, one thread of each kind; `change` sets what a test is about.
fn rig(change: impl FnOnce(&mut EngineOptions)) -> Rig {
    let encoder = Arc::new(FakeEncoder::new());
    let engine = Arc::new(engine(&encoder, change).unwrap());
    Rig { engine, encoder }
}

fn engine(
    encoder: &Arc<FakeEncoder>,
    change: impl FnOnce(&mut EngineOptions),
) -> Result<Engine, ModelError> {
    let mut options = EngineOptions {
        warm_up: Vec::new(),
        ..EngineOptions::default()
    };
    options.threads.tokenizer = Some(1);
    options.default_head.window = WindowOptions {
        tokens: 32,
        overlap: 8,
    };
    change(&mut options);
    Engine::new(EngineParts {
        model: "fake".to_owned(),
        encoder: Arc::clone(encoder) as Arc<dyn Encoder>,
        tokenizer: fake_tokenizer::word_piece(),
        options,
        metrics: EngineMetrics::unregistered(),
    })
}

impl Rig {
    async fn ask(&self, text: &str, heads: &[usize]) -> Result<Analysis, ModelError> {
        self.engine
            .analyze(Request {
                text,
                heads,
                deadline: None,
            })
            .await
    }

    /// Starts a call that runs by itself.
    fn spawn(
        &self,
        text: impl Into<String>,
        heads: &'static [usize],
    ) -> tokio::task::JoinHandle<Result<Analysis, ModelError>> {
        self.spawn_until(text, heads, None)
    }

    fn spawn_until(
        &self,
        text: impl Into<String>,
        heads: &'static [usize],
        deadline: Option<Instant>,
    ) -> tokio::task::JoinHandle<Result<Analysis, ModelError>> {
        let (engine, text) = (Arc::clone(&self.engine), text.into());
        tokio::spawn(async move {
            engine
                .analyze(Request {
                    text: &text,
                    heads,
                    deadline,
                })
                .await
        })
    }

    /// Occupies the model thread with a text until the encoder is released; gives that call.
    async fn occupy(&self) -> tokio::task::JoinHandle<Result<Analysis, ModelError>> {
        self.encoder.hold();
        let call = self.spawn("occupied", &[TOPIC]);
        until(|| self.encoder.waiting()).await;
        call
    }

    /// Waits until so many windows are in the queue.
    async fn queued(&self, windows: usize) {
        let gauge = &self.engine.shared.meters.queue_windows;
        until(|| usize::try_from(gauge.get()).unwrap() == windows).await;
    }
}

/// Waits for a condition, as long as a busy machine may need.
async fn until(condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited too long"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Words that the tokenizer knows, one token each: `w0 w1 w2` ...
fn words(count: usize, from: usize) -> String {
    let words: Vec<String> = (0..count)
        .map(|index| format!("word{}", (index + from) % fake_tokenizer::WORDS))
        .collect();
    words.join(" ")
}
