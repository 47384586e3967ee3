#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::signal::testing::{evaluate, exchange, user};

fn rules(rules: serde_json::Value) -> (Keywords, Problems) {
    let rules: Vec<KeywordConfig> = serde_json::from_value(rules).unwrap();
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    (build(&rules, &context, &mut problems), problems)
}

/// Does one rule match the last user turn `text`?
fn finds(rule: serde_json::Value, text: &str) -> bool {
    let mut rule = rule;
    rule["name"] = json!("r");
    let (signal, problems) = rules(json!([rule]));
    assert!(problems.is_empty(), "{problems}");
    evaluate(&signal, &user(text))[0].matched
}

#[rstest]
#[case::word("class", "a class of its own", true)]
#[case::inside_a_word("class", "a classic", false)]
#[case::end_of_a_word("class", "subclass", false)]
#[case::underscore_is_a_letter("class", "my_class", false)]
#[case::punctuation("class", "(class)", true)]
#[case::ends_of_the_text("class", "class", true)]
#[case::second_place("class", "classic or class", true)]
#[case::case("Class", "CLASS", true)]
#[case::phrase_over_lines("credit card", "my credit\n  card", true)]
#[case::phrase_needs_the_blank("credit card", "creditcard", false)]
#[case::symbols("c++", "is c++ hard", true)]
#[case::symbols_in_a_row("c++", "c++11", true)]
#[case::combining_mark("cafe", "cafe\u{301}", false)]
#[case::umlaut("ÜBER", "über uns", true)]
#[case::umlaut_is_no_u("uber", "über uns", false)]
#[case::final_sigma("ΟΔΟΣ", "οδος", true)]
#[case::sharp_s("straße", "STRAẞE", true)]
#[case::sharp_s_is_not_ss("strasse", "straße", false)]
#[case::kelvin("k", "\u{212A}", true)]
// Simple folding keeps the dotted and the dotless i apart from i.
#[case::istanbul_itself("İstanbul", "İSTANBUL", true)]
#[case::istanbul("istanbul", "İstanbul", false)]
#[case::dotless("ısı", "isi", false)]
#[case::chinese("信用卡", "我的信用卡丢了", true)]
#[case::chinese_other("信用卡", "我的信用很好", false)]
#[case::latin_in_chinese("AI", "使用ai技术", true)]
#[case::latin_in_latin("AI", "said", false)]
#[case::japanese("東京", "東京都に行く", true)]
#[case::korean_particle("서울", "서울에서", true)]
#[case::thai("บัตร", "บัตรเครดิต", true)]
#[case::russian("код", "кодекс", false)]
#[case::arabic("سلام", "سلام عليكم", true)]
fn words(#[case] word: &str, #[case] text: &str, #[case] found: bool) {
    assert_eq!(finds(json!({"any": [word]}), text), found);
}

#[rstest]
#[case::part(json!({"any": ["class"], "whole_word": false}), "a classic", true)]
#[case::exact_case(json!({"any": ["Rust"], "case_sensitive": true}), "rust", false)]
#[case::exact_case_found(json!({"any": ["Rust"], "case_sensitive": true}), "Rust", true)]
#[case::all(json!({"all": ["a", "b"]}), "b and a", true)]
#[case::all_but_one(json!({"all": ["a", "b"]}), "only a", false)]
#[case::none(json!({"none": ["a", "b"]}), "c", true)]
#[case::none_but_one(json!({"none": ["a", "b"]}), "b", false)]
#[case::combined(json!({"any": ["x", "y"], "all": ["z"], "none": ["q"]}), "y z", true)]
#[case::combined_vetoed(json!({"any": ["x", "y"], "all": ["z"], "none": ["q"]}), "y z q", false)]
#[case::overlapping_words(json!({"all": ["new york", "york city"]}), "new york city", true)]
#[case::word_in_word(json!({"all": ["he", "she", "hers"], "whole_word": false}), "shers", true)]
#[case::regex(json!({"any": [r"\d{3}-\d{4}"], "regex": true}), "call 555-1234", true)]
#[case::regex_case(json!({"any": ["ab+c"], "regex": true}), "xABBCx", true)]
#[case::regex_exact_case(json!({"any": ["ab+c"], "regex": true, "case_sensitive": true}), "ABC", false)]
#[case::anchor(json!({"any": ["^hello"], "regex": true}), "hello you", true)]
#[case::anchor_inside(json!({"any": ["^hello"], "regex": true}), "say hello", false)]
#[case::anchor_is_no_line(json!({"any": ["^hello"], "regex": true}), "x\nhello", false)]
#[case::end(json!({"any": ["bye$"], "regex": true}), "bye now", false)]
#[case::alternation(json!({"any": ["a1|b2"], "regex": true}), "B2", true)]
fn options(#[case] rule: serde_json::Value, #[case] text: &str, #[case] found: bool) {
    assert_eq!(finds(rule, text), found);
}

#[rstest]
#[case(Scope::LastUser, [false, false, false, true])]
#[case(Scope::User, [true, false, false, true])]
#[case(Scope::All, [true, true, true, true])]
#[case(Scope::System, [false, true, false, false])]
fn scopes(#[case] scope: Scope, #[case] expected: [bool; 4]) {
    let all = ["first", "system", "assistant", "last"]
        .map(|word| json!({"name": word, "any": [word], "scope": scope}));
    let (signal, _) = rules(json!(all));
    let request = exchange(json!({"model": "auto", "messages": [
        {"role": "developer", "content": "system"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "assistant"},
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "last"}]},
    ]}));
    let found: Vec<bool> = evaluate(&signal, &request)
        .iter()
        .map(|m| m.matched)
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn rules_share_a_word_without_sharing_scope() {
    let (signal, _) = rules(json!([
        {"name": "last", "any": ["x"]},
        {"name": "system", "any": ["x"], "scope": "system"},
    ]));
    let found = evaluate(&signal, &user("x"));
    assert!(found[0].matched);
    assert!(!found[1].matched);
}

#[test]
fn detail_names_the_word_by_its_place() {
    let (signal, _) = rules(json!([{"name": "r", "any": ["a", "b"]}]));
    let found = evaluate(&signal, &user("my b"));
    assert_eq!(found[0].detail.as_deref(), Some("any[1]"));
}

#[test]
fn mistakes() {
    let (_, problems) = rules(json!([
        {"name": "empty"},
        {"name": "blank", "any": ["ok", "  "]},
        {"name": "regex", "all": ["(a", "x*"], "regex": true},
        {"name": "fine", "none": ["a"]},
    ]));
    insta::assert_snapshot!(problems, @r"
    error: [0]: the rule has no words (give `any`, `all` or `none`)
    error: [1].any[1]: the word is empty
    error: [2].all[0]: bad regular expression: unclosed group
    error: [2].all[1]: the pattern matches the empty text, so every text (demand at least one character, for example with `+` instead of `*`)
    ");
}

proptest::proptest! {
    /// The shared pass finds what a plain search finds.
    #[test]
    fn same_as_a_plain_search(words in proptest::collection::vec("[abAB]{1,3}", 1..8), text in "[abAB ]{0,40}") {
        let all: Vec<_> = words.iter().enumerate()
            .map(|(i, word)| json!({"name": i.to_string(), "any": [word]})).collect();
        let (signal, _) = rules(json!(all));
        let found = evaluate(&signal, &user(&text));
        for (word, found) in words.iter().zip(found) {
            let plain = text.split(' ').any(|part| part.eq_ignore_ascii_case(word));
            proptest::prop_assert_eq!(found.matched, plain, "{} in {}", word, text);
        }
    }
}

proptest::proptest! {
    /// ASCII text is folded without a look at each character, to the same result.
    #[test]
    fn the_ascii_way_folds_the_same(text in "[ a-dA-D\\t\\n.]{0,60}", case in proptest::bool::ANY) {
        let accented = format!("{text}é");
        let expected = super::fold::fold(&accented, case).into_owned();
        let folded = super::fold::fold(&text, case).into_owned();
        proptest::prop_assert_eq!(format!("{folded}é"), expected);
    }
}
