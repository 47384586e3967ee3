//! A second look at a long text's suspicious windows.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::encoder::{HeadInfo, Output, Packed, Task};

/// Suspicious wherever it stands.
const ATTACK: &str = "word400";
/// Suspicious only as this token of a window: a mistake of the guard.
const SHY: &str = "word401";
const PLACE: usize = 21;

/// A guard that looks for two words.
#[derive(Debug)]
struct Watch {
    heads: Vec<HeadInfo>,
    attack: u32,
    shy: u32,
    fails: AtomicBool,
}

impl Encoder for Watch {
    fn heads(&self) -> &[HeadInfo] {
        &self.heads
    }

    fn max_tokens(&self) -> usize {
        64
    }

    fn forward(&self, batch: &Packed, wanted: &[usize]) -> Result<Vec<Output>, ModelError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(ModelError::Infer("the fake fails".to_owned()));
        }
        assert_eq!(wanted, [0]);
        let logits =
            |ids: &[u32]| match ids.contains(&self.attack) || ids.get(PLACE) == Some(&self.shy) {
                true => [0.0, 4.0],
                false => [4.0, 0.0],
            };
        let values = batch.ranges().flat_map(|range| logits(&batch.ids()[range]));
        Ok(vec![Output {
            width: 2,
            values: values.collect(),
        }])
    }
}

fn watch() -> (Engine, Arc<Watch>) {
    let tokenizer = fake_tokenizer::word_piece();
    let id = |word: &str| tokenizer.token_to_id(word).unwrap();
    let encoder = Arc::new(Watch {
        heads: vec![HeadInfo {
            name: "guard".to_owned(),
            task: Task::Sequence,
            labels: vec!["benign".to_owned(), "attack".to_owned()],
            width: 2,
        }],
        attack: id(ATTACK),
        shy: id(SHY),
        fails: AtomicBool::new(false),
    });
    let mut options = EngineOptions {
        warm_up: Vec::new(),
        ..EngineOptions::default()
    };
    options.default_head.window = WindowOptions {
        tokens: 32,
        overlap: 8,
    };
    options.default_head.combine = Combine::Max(vec!["attack".to_owned()]);
    let engine = Engine::new(EngineParts {
        model: "fake".to_owned(),
        encoder: Arc::clone(&encoder) as Arc<dyn Encoder>,
        tokenizer,
        options,
        metrics: EngineMetrics::unregistered(),
    });
    (engine.unwrap(), encoder)
}

/// So many harmless words with others at these places.
fn text(count: usize, others: &[(usize, &str)]) -> String {
    let harmless = words(count, 0);
    let mut all: Vec<&str> = harmless.split(' ').collect();
    for (place, word) in others {
        all[*place] = word;
    }
    all.join(" ")
}

/// The place in a text of what is the shy word's in its `window`-th window; windows begin 22 words apart, behind `[CLS]`.
fn shy(window: usize) -> usize {
    22 * window + PLACE - 1
}

/// What the first look says, and the second.
async fn looks(engine: &Engine, text: &str) -> (f32, Option<f32>) {
    let request = Request {
        text,
        heads: &[0],
        deadline: None,
    };
    let result = engine.analyze(request).await.unwrap().results.remove(0);
    let Answer::Classes(scores) = &result.answer else {
        panic!("not classes")
    };
    let first = scores.iter().find(|score| score.label == "attack").unwrap();
    let again = engine.look_again(text, 0, &result, None).await;
    (first.score, again)
}

#[tokio::test]
async fn an_attack_is_one_wherever_its_window_begins() {
    let (engine, _) = watch();
    for place in [100, 101, 109, 117, 119] {
        let (first, again) = looks(&engine, &text(300, &[(place, ATTACK)])).await;
        assert!(first > 0.9 && again.unwrap() > 0.5, "{place}: {again:?}");
    }
}

#[tokio::test]
async fn what_hangs_on_the_windows_begin_is_none() {
    let (engine, _) = watch();
    let (first, again) = looks(&engine, &text(300, &[(shy(4), SHY)])).await;
    assert!(first > 0.9 && again.unwrap() < 0.1, "{again:?}");
    // An attack elsewhere is found all the same.
    let both = text(300, &[(shy(4), SHY), (240, ATTACK)]);
    let (first, again) = looks(&engine, &both).await;
    assert!(first > 0.9 && again.unwrap() > 0.5, "{again:?}");
}

#[tokio::test]
async fn short_texts_and_harmless_ones_are_believed_at_once() {
    let (engine, _) = watch();
    // Four windows, and five.
    assert!(
        looks(&engine, &text(96, &[(shy(2), SHY)]))
            .await
            .1
            .is_none()
    );
    assert!(
        looks(&engine, &text(97, &[(shy(2), SHY)]))
            .await
            .1
            .is_some()
    );
    let harmless = looks(&engine, &text(300, &[])).await;
    assert!(harmless.0 < 0.1 && harmless.1.is_none());
}

#[tokio::test]
async fn a_text_that_is_suspicious_all_over_stays_so() {
    let (engine, _) = watch();
    let places = |count: usize| (1..=count).map(|window| (shy(window), SHY));
    let four: Vec<_> = places(4).collect();
    let five: Vec<_> = places(5).collect();
    assert!(looks(&engine, &text(300, &four)).await.1.unwrap() < 0.1);
    assert!(looks(&engine, &text(300, &five)).await.1.unwrap() > 0.9);
}

#[tokio::test]
async fn what_cannot_be_looked_at_again_stays_suspicious() {
    let (engine, encoder) = watch();
    let text = text(300, &[(shy(4), SHY)]);
    let request = Request {
        text: &text,
        heads: &[0],
        deadline: None,
    };
    let result = engine.analyze(request).await.unwrap().results.remove(0);
    encoder.fails.store(true, Ordering::Relaxed);
    let again = engine.look_again(&text, 0, &result, None).await;
    assert!(again.unwrap() > 0.9, "{again:?}");
}
