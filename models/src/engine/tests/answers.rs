//! What is said is right: windows, offsets, heads.

use proptest::prelude::*;

use super::*;
use crate::engine::tokens::Tokens;
use crate::{Classifier, Embedder, TokenClassifier};

#[tokio::test]
async fn a_short_text_is_one_pass_for_all_heads_whatever_their_windows() {
    let rig = rig(|options| {
        let head = HeadOptions {
            window: WindowOptions {
                tokens: 16,
                overlap: 4,
            },
            ..HeadOptions::default()
        };
        options.heads.insert("tags".to_owned(), head);
    });
    let analysis = rig.ask("word1 word2 xyz!", ALL).await.unwrap();
    assert_eq!(analysis.results.len(), 4);
    assert!(
        analysis
            .results
            .iter()
            .all(|r| r.windows == 1 && r.unread_bytes == 0)
    );
    let passes = rig.encoder.passes();
    assert_eq!(passes.len(), 1);
    assert_eq!(passes[0].heads, ALL);
    // [CLS] word1 word2 x ##y ##z ! [SEP]
    assert_eq!(passes[0].sequences[0].len(), 8);
    assert_eq!(passes[0].sequences[0][0], 2);
    assert_eq!(passes[0].sequences[0][7], 3);

    // A longer one is cut in two ways, and heads that cut it alike share the passes.
    let analysis = rig.ask(&words(70, 0), ALL).await.unwrap();
    let windows: Vec<usize> = analysis.results.iter().map(|r| r.windows).collect();
    assert_eq!(windows, [3, 3, 7, 3]);
    let mut seen = 0;
    for pass in &rig.encoder.passes()[1..] {
        seen += pass.sequences.len();
        assert!(pass.heads == [TAGS] || pass.heads == [TOPIC, GUARD, VECTOR]);
    }
    assert_eq!(seen, 10);
}

#[tokio::test]
async fn results_come_in_the_order_of_the_request() {
    let rig = rig(|_| {});
    let analysis = rig.ask("word1", &[VECTOR, TOPIC, VECTOR]).await.unwrap();
    assert!(matches!(analysis.results[0].answer, Answer::Vector(_)));
    assert!(matches!(analysis.results[1].answer, Answer::Classes(_)));
    assert_eq!(analysis.results[0], analysis.results[2]);
    assert!(rig.ask("word1", &[]).await.unwrap().results.is_empty());
    assert!(rig.ask("word1", &[9]).await.is_err());
}

#[tokio::test]
async fn the_faces_say_what_the_engine_says() {
    let rig = rig(|_| {});
    let text = words(90, 3);
    let classifier = rig.engine.classifier("guard").unwrap();
    assert_eq!(classifier.labels(), ["benign", "attack"]);
    let classes = classifier.classify(&text).await.unwrap();
    assert_eq!(classes.windows, 4);
    let sum: f32 = classes.scores.iter().map(|s| s.score).sum();
    assert!((sum - 1.0).abs() < 1e-5);
    assert!(classes.scores[0].score >= classes.scores[1].score);

    let finder = rig.engine.token_classifier("tags").unwrap();
    assert_eq!(finder.labels(), ["X"]);
    let spans = finder.find(&text).await.unwrap();
    assert_eq!(spans.spans.len(), 1);
    assert_eq!(spans.spans[0].range, 0..text.len());

    let embedder = rig.engine.embedder("vector").unwrap();
    assert_eq!(embedder.dimensions(), 4);
    let vector = embedder.embed(&text).await.unwrap().vector;
    let length: f32 = vector.iter().map(|x| x * x).sum();
    assert!((length - 1.0).abs() < 1e-5);

    let error = rig.engine.classifier("tags").unwrap_err().to_string();
    assert!(error.contains("topic, guard"), "{error}");
}

#[tokio::test]
async fn a_guard_takes_its_worst_window() {
    let text = words(300, 0);
    let mean = rig(|_| {});
    let worst = rig(|options| {
        let mut head = options.default_head.clone();
        head.combine = Combine::Max(vec!["attack".to_owned()]);
        options.heads.insert("guard".to_owned(), head);
    });
    let attack = |analysis: Analysis| match &analysis.results[0].answer {
        Answer::Classes(scores) => scores.iter().find(|s| s.label == "attack").unwrap().score,
        _ => panic!("not classes"),
    };
    let mean = attack(mean.ask(&text, &[GUARD]).await.unwrap());
    let worst = attack(worst.ask(&text, &[GUARD]).await.unwrap());
    assert!(worst > mean + 0.05, "{worst} {mean}");
}

#[tokio::test]
async fn texts_without_tokens_have_an_answer() {
    let rig = rig(|_| {});
    for text in ["", "  \n "] {
        let analysis = rig.ask(text, ALL).await.unwrap();
        assert_eq!(analysis.results[TAGS].answer, Answer::Spans(Vec::new()));
        assert!(
            analysis
                .results
                .iter()
                .all(|r| r.windows == 1 && r.unread_bytes == 0)
        );
    }
    assert_eq!(rig.encoder.passes()[0].sequences[0], [2, 3]);
}

#[test]
fn special_tokens_in_a_text_are_text_and_the_files_truncation_is_off() {
    let tokenizer = TextTokenizer::new("fake", fake_tokenizer::word_piece()).unwrap();
    let text = format!("a [SEP] b [CLS] {}", words(50, 0));
    let tokens = tokenizer.tokens(&text, 0..text.len()).unwrap();
    assert!(!tokens.ids(0..tokens.len()).iter().any(|id| *id < 4));
    assert!(tokens.len() > 60);
}

#[test]
fn wrong_settings_are_named() {
    let encoder = Arc::new(FakeEncoder::new());
    let error = |change: &dyn Fn(&mut EngineOptions)| {
        engine(&encoder, change).map(drop).unwrap_err().to_string()
    };
    let head = |name: &str, head: HeadOptions| {
        let name = name.to_owned();
        error(&|o| {
            o.heads.insert(name.clone(), head.clone());
        })
    };
    let plain = HeadOptions::default;
    assert!(head("nothing", plain()).contains("heads.nothing"));
    let mut wrong = plain();
    wrong.temperature = 0.0;
    assert!(head("topic", wrong).contains("heads.topic.temperature"));
    let mut wrong = plain();
    wrong.combine = Combine::Max(vec!["bad".to_owned()]);
    assert!(head("guard", wrong).contains("benign, attack"));
    let mut wrong = plain();
    wrong.window = WindowOptions {
        tokens: 32,
        overlap: 30,
    };
    assert!(head("topic", wrong).contains("window"));
    let mut wrong = plain();
    wrong.thresholds.insert("Y".to_owned(), 0.5);
    assert!(head("tags", wrong).contains("thresholds.Y"));

    let typo = serde_json::from_str::<EngineOptions>(r#"{"batch": {"max_token": 1}}"#);
    assert!(typo.unwrap_err().to_string().contains("max_token"));
    let read: EngineOptions = serde_json::from_str(
        r#"{"heads": {"guard": {"combine": {"max": ["attack"]}}, "topic": {"combine": "mean"}}}"#,
    )
    .unwrap();
    assert_eq!(
        read.heads["guard"].combine,
        Combine::Max(vec!["attack".to_owned()])
    );
}

/// Tokens of the text in pieces, and whole.
fn both(tokenizer: &TextTokenizer, text: &str, target: usize) -> (Tokens, Tokens) {
    let mut tokens = Tokens::default();
    for piece in pieces::cut(text, target) {
        tokens.append(tokenizer.tokens(text, piece).unwrap());
    }
    (tokens, tokenizer.tokens(text, 0..text.len()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_give_the_tokens_of_the_whole(
        words in prop::collection::vec("[a-zé]{1,9}[,.!]?|word[0-9]{1,2}|北京|日本語", 1..60),
    ) {
        let text = words.join(" ");
        for tokenizer in [fake_tokenizer::word_piece(), fake_tokenizer::byte_level()] {
            let tokenizer = TextTokenizer::new("fake", tokenizer).unwrap();
            let (pieces, whole) = both(&tokenizer, &text, 64);
            prop_assert_eq!(pieces, whole);
        }
    }

    #[test]
    fn tokens_of_any_text_map_back_to_it(text in "(\\PC|[ \\n\\t]|[a-z]{2,5}|👩‍👩‍👧|é|한글){0,80}") {
        for tokenizer in [fake_tokenizer::word_piece(), fake_tokenizer::byte_level()] {
            let tokenizer = TextTokenizer::new("fake", tokenizer).unwrap();
            let (tokens, _) = both(&tokenizer, &text, 32);
            let mut before = 0;
            for token in 0..tokens.len() {
                let bytes = tokens.bytes(&text, token);
                prop_assert!(text.get(bytes.clone()).is_some());
                prop_assert!(bytes.start >= before);
                before = bytes.start;
            }
        }
    }

    #[test]
    fn every_letter_of_any_text_is_in_a_window_and_a_span(
        text in "(\\PC|[ \\n]|[a-z]{2,5}|word[0-9]|北京|é){0,120}",
        tokens in 12usize..40,
        overlap in 0usize..8,
        piece in 16usize..400,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rig = rig(|options| {
            options.default_head.window = WindowOptions { tokens, overlap };
            options.text.piece_bytes = piece;
        });
        let analysis = runtime.block_on(rig.ask(&text, &[TAGS])).unwrap();
        let Answer::Spans(spans) = &analysis.results[0].answer else { panic!("not spans") };
        let mut before = 0;
        for span in spans {
            prop_assert!(text.get(span.range.clone()).is_some());
            prop_assert!(span.range.start >= before && !span.range.is_empty());
            before = span.range.end;
        }
        for (at, letter) in text.char_indices() {
            if letter.is_ascii_alphanumeric() {
                prop_assert!(spans.iter().any(|s| s.range.contains(&at)), "{at} {spans:?}");
            }
        }
    }
}
