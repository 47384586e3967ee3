#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::signal::testing::{evaluate, exchange, user};

fn rules(rules: serde_json::Value) -> (Languages, Problems) {
    let rules: Vec<LanguageConfig> = serde_json::from_value(rules).unwrap();
    let mut problems = Problems::new();
    let families = Default::default();
    let context = BuildContext {
        families: &families,
        models: &[],
        foreign_pii: false,
    };
    (build(&rules, &context, &mut problems), problems)
}

#[rstest]
#[case(
    "de",
    "Kannst du mir bitte erklären, wie ein Kühlschrank funktioniert?"
)]
#[case("en", "Could you please explain to me how a refrigerator works?")]
#[case(
    "fr",
    "Peux-tu m'expliquer comment fonctionne un réfrigérateur, s'il te plaît ?"
)]
#[case("es", "¿Puedes explicarme cómo funciona un frigorífico, por favor?")]
#[case(
    "it",
    "Potresti spiegarmi come funziona un frigorifero, per favore? Vorrei capire perché consuma così tanta energia durante la notte."
)]
#[case(
    "ru",
    "Объясни, пожалуйста, как работает холодильник и почему он потребляет так много энергии, когда на улице жарко?"
)]
#[case("zh", "请解释一下冰箱是如何工作的")]
#[case("ja", "冷蔵庫の仕組みを説明してください")]
#[case("ko", "냉장고가 어떻게 작동하는지 설명해 주세요")]
#[case("ar", "هل يمكنك أن تشرح لي كيف تعمل الثلاجة من فضلك؟")]
#[case("el", "Πώς λειτουργεί το ψυγείο;")]
#[case("th", "ช่วยอธิบายว่าตู้เย็นทำงานอย่างไร")]
fn detects(#[case] code: &str, #[case] text: &str) {
    let (signal, problems) = rules(json!([
        {"name": "yes", "codes": [code]},
        {"name": "no", "codes": [if code == "pl" { "cs" } else { "pl" }]},
    ]));
    assert!(problems.is_empty(), "{problems}");
    let found = evaluate(&signal, &user(text));
    assert!(found[0].matched, "{:?}", found[0].detail);
    assert!(found[0].confidence >= DEFAULT_CONFIDENCE);
    assert!(!found[1].matched);
}

#[rstest]
#[case::empty("")]
#[case::short("ok")]
#[case::short_word("danke")]
#[case::digits("1234567890 1234567890 42")]
#[case::signs("?!?! ... :-) {}[]();")]
fn tells_nothing(#[case] text: &str) {
    let codes: Vec<&str> = Lang::all().iter().map(|lang| lang.code()).collect();
    let (signal, _) = rules(json!([{"name": "r", "codes": codes, "min_confidence": 0.0}]));
    assert!(!evaluate(&signal, &user(text))[0].matched);
}

#[test]
fn only_the_last_user_turn_counts() {
    let (signal, _) = rules(json!([{"name": "de", "codes": ["deu"]}]));
    let request = exchange(json!({"model": "auto", "messages": [
        {"role": "user", "content": "Kannst du mir bitte erklären, wie ein Kühlschrank funktioniert?"},
        {"role": "assistant", "content": "Gerne, ein Kühlschrank pumpt die Wärme nach außen."},
        {"role": "user", "content": "Thank you, now say the same again in English please."},
    ]}));
    assert!(!evaluate(&signal, &request)[0].matched);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    for shift in 0..4 {
        let text = format!(
            "{}{}",
            "x".repeat(shift),
            "漢字の説明をお願いします。".repeat(500)
        );
        assert_eq!(detect(&text).unwrap().0, Lang::Jpn);
    }
}

#[test]
fn mistakes() {
    let (_, problems) = rules(json!([
        {"name": "a", "codes": ["german", "de-AT", "deu", "klingon", "enn"]},
        {"name": "b", "codes": [], "min_confidence": 2},
    ]));
    insta::assert_snapshot!(problems, @r"
    error: [0].codes[0]: `german` is no language that can be detected (did you mean `de`?)
    error: [0].codes[1]: `de-AT` is no language that can be detected (did you mean `de`?)
    error: [0].codes[3]: `klingon` is no language that can be detected
    error: [0].codes[4]: `enn` is no language that can be detected (did you mean `eng`?)
    error: [1].codes: the list is empty (list languages, for example `[de, fr]`)
    error: [1].min_confidence: 2 is not between 0 and 1
    ");
}
