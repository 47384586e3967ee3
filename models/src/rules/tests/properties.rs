//! What holds for any text.

use proptest::prelude::*;

use super::super::{Rules, RulesConfig};
use super::{personal::NATIONAL, rules};

/// Pieces that finders care about, and others, in any order.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        "[0-9 ./:()+-]{0,24}",
        "[A-Z0-9<]{0,44}",
        "[a-zA-Z0-9_=+/.@-]{0,40}",
        prop::sample::select(vec![
            "SSN ",
            "password=\"",
            "é",
            "-----BEGIN PRIVATE KEY-----",
            "-----END ",
            "eyJ",
            "://",
            "@",
            "<<",
            "March ",
            "Bearer ",
            "years old",
            "IBAN DE89",
            " rue de ",
            "straße",
            "123-45-6789",
            "€",
            "日本",
            "\u{200b}",
            "::",
            "ghp_",
            "Basic ",
            "\\n",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn spans_are_valid_ordered_and_apart(text in text()) {
        let mut last = 0;
        for span in rules().find(&text) {
            prop_assert!(span.range.start >= last && span.range.start < span.range.end);
            prop_assert!(text.get(span.range.clone()).is_some());
            prop_assert!((0.5..=1.0).contains(&span.score));
            last = span.range.end;
        }
    }

    #[test]
    fn text_before_shifts_offsets(text in text(), words in 0usize..40) {
        // Longer than any context window, so that nothing of it can change a verdict.
        let before = format!("{}\n{}", "lorem ipsum dolor sit amet ".repeat(words), "\n".repeat(200));
        let rules = rules();
        let shifted: Vec<_> = rules.find(&format!("{before}{text}"));
        let plain = rules.find(&format!("\n{text}"));
        prop_assert_eq!(shifted.len(), plain.len());
        for (a, b) in shifted.iter().zip(&plain) {
            prop_assert_eq!(a.range.start, b.range.start + before.len() - 1);
            prop_assert_eq!((a.range.len(), &a.label, a.score), (b.range.len(), &b.label, b.score));
        }
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let rules = Rules::new(&RulesConfig::default()).unwrap();
    for piece in [
        "eyJ",
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "1 ",
        "1-",
        "a@",
        "a.",
        "://",
        "<<",
        "P<",
        "SSN ",
        "password=\"",
        "1:",
        "a:b",
        "Bearer 1",
        "basic ",
        "(1",
        "+1 ",
        "1.2.3.",
        "12 Oak ",
        "A1",
        "March ",
        "9",
        "sk-",
        ":AA",
        "\"@",
        "password is ",
    ] {
        let text = piece.repeat((200 << 10) / piece.len());
        let start = std::time::Instant::now();
        rules.find(&text);
        // A quadratic finder takes minutes for this; the bound only has to tell the two apart.
        assert!(
            start.elapsed().as_secs() < 20,
            "{piece:?} took {:?}",
            start.elapsed()
        );
    }
}

#[test]
fn a_number_in_a_long_text_is_found_where_it_is() {
    let rules = rules();
    let filler = "harmless words follow each other here. ".repeat(2_000);
    for (words, id) in NATIONAL {
        let text = format!("{filler}{words}: {id}. {filler}");
        let start = text.find(id).unwrap();
        let spans = rules.find(&text);
        assert!(
            spans.iter().any(|s| s.range == (start..start + id.len())),
            "{words} {id}: {spans:?}"
        );
    }
}
