//! The engine over candle, on the tiny random checkpoints of `parity/fixtures`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use commutator_models::candle::{CandleEncoder, Options};
use commutator_models::checkpoint::{self, Checkpoint, read_dir};
use commutator_models::encoder::{Encoder, Packed};
use commutator_models::engine::{
    Answer, Engine, EngineMetrics, EngineOptions, EngineParts, Request,
};
use commutator_models::native::{NativeEncoder, Precision, Threads};
use commutator_models::{Classifier, Embedder, TokenClassifier};
use tokenizers::Tokenizer;

fn start(name: &str) -> (Arc<Engine>, Arc<CandleEncoder>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("parity/fixtures")
        .join(name);
    let checkpoint = read_dir(&path, name, &checkpoint::Options::default()).unwrap();
    let encoder = Arc::new(CandleEncoder::new(&checkpoint.weights, Options::default()).unwrap());
    let mut options = EngineOptions::default().adopt(&checkpoint);
    for head in options.heads.values_mut() {
        head.threshold = 0.0;
    }
    let engine = Engine::new(EngineParts {
        model: name.to_owned(),
        encoder: Arc::clone(&encoder) as Arc<dyn Encoder>,
        tokenizer: Tokenizer::from_file(checkpoint.tokenizer).unwrap(),
        options,
        metrics: EngineMetrics::unregistered(),
    });
    (Arc::new(engine.unwrap()), encoder)
}

/// The fixtures' vocabulary is `w5` to `w63`; a word's id is its number.
fn words(ids: impl Iterator<Item = u32>) -> String {
    let words: Vec<String> = ids.map(|id| format!("w{}", 5 + id % 59)).collect();
    words.join(" ")
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let exp: Vec<f32> = logits.iter().map(|x| x.exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.iter().map(|x| x / sum).collect()
}

#[tokio::test]
async fn a_text_gets_what_its_ids_get() {
    for name in [
        "bert-sequence",
        "modernbert-sequence",
        "xlm-roberta-sequence",
    ] {
        let (engine, encoder) = start(name);
        let mut packed = Packed::default();
        packed.push(&[2, 10, 20, 30, 3]);
        let direct = encoder.forward(&packed, &[0]).unwrap();
        let expected = softmax(direct[0].row(0));
        let head = engine.heads().next().unwrap().clone();
        let classifier = engine.classifier(&head.name).unwrap();
        let found = classifier.classify("w10 w20 w30").await.unwrap();
        for score in &found.scores {
            let column = head.labels.iter().position(|l| *l == score.label).unwrap();
            let off = (score.score - expected[column]).abs();
            assert!(off < 1e-5, "{name}: {} is off by {off}", score.label);
        }
    }
}

#[tokio::test]
async fn many_at_once_get_what_each_gets_alone_however_long() {
    for name in ["bert-token", "bert-embedding", "distilbert-sequence"] {
        let (together, _) = start(name);
        let (alone, _) = start(name);
        let texts: Vec<String> = (0..32_u32)
            .map(|i| words((0..1 + i * 11 % 200).map(move |j| i * 7 + j * j)))
            .collect();
        let calls: Vec<_> = texts
            .iter()
            .map(|text| {
                let (engine, text) = (Arc::clone(&together), text.clone());
                tokio::spawn(async move {
                    let request = Request {
                        text: &text,
                        heads: &[0],
                        deadline: None,
                    };
                    engine.analyze(request).await
                })
            })
            .collect();
        let mut most = 0;
        for (text, call) in texts.iter().zip(calls) {
            let batched = &call.await.unwrap().unwrap().results[0];
            let request = Request {
                text,
                heads: &[0],
                deadline: None,
            };
            let single = &alone.analyze(request).await.unwrap().results[0];
            assert_eq!(batched.windows, single.windows);
            assert_eq!((batched.unread_bytes, single.unread_bytes), (0, 0));
            most = most.max(single.windows);
            near(&batched.answer, &single.answer);
        }
        assert!(most >= 3, "{name}: {most} windows");
    }
}

fn near(left: &Answer, right: &Answer) {
    let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-4, "{a} {b}");
    match (left, right) {
        (Answer::Vector(left), Answer::Vector(right)) => {
            assert_eq!(left.len(), right.len());
            left.iter().zip(right).for_each(|(a, b)| close(*a, *b));
        }
        (Answer::Classes(left), Answer::Classes(right)) => {
            left.iter()
                .zip(right)
                .for_each(|(a, b)| close(a.score, b.score));
        }
        (Answer::Spans(left), Answer::Spans(right)) => {
            assert!(!left.is_empty());
            assert_eq!(left.len(), right.len());
            for (a, b) in left.iter().zip(right) {
                assert_eq!((&a.label, &a.range), (&b.label, &b.range));
                close(a.score, b.score);
            }
        }
        _ => panic!("answers of two kinds"),
    }
}

#[tokio::test]
async fn the_faces_of_real_checkpoints_answer() {
    let text = words(0..150);
    let (engine, _) = start("modernbert-token");
    let name = engine.heads().next().unwrap().name.clone();
    let found = engine.token_classifier(&name).unwrap();
    let found = found.find(&text).await.unwrap();
    for span in &found.spans {
        assert!(text[span.range.clone()].starts_with('w'));
    }
    assert!(engine.classifier(&name).is_err());

    let (engine, _) = start("deberta-embedding");
    let name = engine.heads().next().unwrap().name.clone();
    let embedder = engine.embedder(&name).unwrap();
    let vector = embedder.embed(&text).await.unwrap().vector;
    assert_eq!(vector.len(), embedder.dimensions());
    let length: f32 = vector.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-4);
}

/// The checkpoint `modernbert-yarn-sequence` as though it were a published one, with 32,768 positions.
fn long_model() -> Checkpoint {
    let from =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures/modernbert-yarn-sequence");
    let dir = tempfile::tempdir().unwrap();
    for file in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    let config = std::fs::read_to_string(from.join("config.json")).unwrap();
    let config = config.replace(
        "\"max_position_embeddings\": 80",
        "\"max_position_embeddings\": 32768",
    );
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let mut read = read_dir(dir.path(), "long", &checkpoint::Options::default()).unwrap();
    assert_eq!(read.weights.max_tokens, 32_768);
    // The directory is gone when the engine starts.
    read.tokenizer = from.join("tokenizer.json");
    read
}

#[tokio::test]
async fn a_model_for_long_texts_still_reads_in_windows_unless_told_otherwise() {
    let checkpoint = long_model();
    let encoder =
        NativeEncoder::new(&checkpoint.weights, Precision::F32, Threads::caller()).unwrap();
    let candle = CandleEncoder::new(&checkpoint.weights, Options::default()).unwrap();
    let encoder = Arc::new(encoder);
    // 2 and 3 are what the tokenizer puts around a text.
    let ids: Vec<u32> = (0..3000_u32).map(|i| 5 + (i * 7 + i * i) % 59).collect();
    let text = words(ids.iter().map(|id| id - 5));
    let whole = [&[2][..], &ids, &[3]].concat();
    for (tokens, windows) in [(None, 7), (Some(4096), 1)] {
        let mut options = EngineOptions::default().adopt(&checkpoint);
        for head in options.heads.values_mut() {
            head.window.tokens = tokens.unwrap_or(head.window.tokens);
        }
        let engine = Engine::new(EngineParts {
            model: "long".to_owned(),
            encoder: Arc::clone(&encoder) as Arc<dyn Encoder>,
            tokenizer: Tokenizer::from_file(&checkpoint.tokenizer).unwrap(),
            options,
            metrics: EngineMetrics::unregistered(),
        })
        .unwrap();
        let request = Request {
            text: &text,
            heads: &[0],
            deadline: None,
        };
        let result = &engine.analyze(request).await.unwrap().results[0];
        // 3,000 tokens in windows of 510, each 446 behind the one before.
        assert_eq!((result.windows, result.unread_bytes), (windows, 0));
        if windows == 1 {
            let mut packed = Packed::default();
            packed.push(&whole);
            let direct = candle.forward(&packed, &[0]).unwrap();
            let expected = softmax(direct[0].row(0));
            let Answer::Classes(found) = &result.answer else {
                panic!("classes")
            };
            let mut found: Vec<f32> = found.iter().map(|class| class.score).collect();
            let mut expected = expected;
            found.sort_by(f32::total_cmp);
            expected.sort_by(f32::total_cmp);
            let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-4, "{found:?} {expected:?}");
        }
    }
}
