//! The engine over candle, on the tiny random checkpoints of `parity/fixtures`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use commutator_models::candle::{CandleEncoder, Options};
use commutator_models::checkpoint::{self, read_dir};
use commutator_models::encoder::{Encoder, Packed};
use commutator_models::engine::{
    Answer, Engine, EngineMetrics, EngineOptions, EngineParts, Request,
};
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
