#![allow(clippy::unwrap_used)]

mod benign;
mod misses;
mod personal;
mod properties;
mod secrets;

use super::{CustomPattern, Kind, Rules, RulesConfig, RulesError, lexicon};

fn rules() -> Rules {
    Rules::new(&RulesConfig::default()).unwrap()
}

/// Each line holds a label, a text and the piece of it that must be found with that label.
fn assert_found(cases: &[(&str, &str, &str)]) {
    let rules = rules();
    let mut wrong = Vec::new();
    for (label, text, piece) in cases {
        let spans = rules.find(text);
        let start = text.find(piece).unwrap();
        let wanted = start..start + piece.len();
        if !spans.iter().any(|s| s.label == *label && s.range == wanted) {
            wrong.push(format!("{label} {piece:?} in {text:?}: {spans:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// None of the texts has a finding with the label.
fn assert_none(label: &str, texts: &[&str]) {
    let rules = rules();
    let wrong: Vec<String> = texts
        .iter()
        .filter(|t| rules.find(t).iter().any(|s| s.label == label))
        .map(|t| format!("{label} in {t:?}: {:?}", rules.find(t)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_lexicon_is_built() {
    assert!(lexicon::is_built());
}

#[test]
fn every_kind_has_its_label_and_place() {
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index);
        assert_eq!(Kind::from_label(kind.label()), Some(kind));
    }
    assert!(
        rules().sensitive("US_SSN")
            && !rules().sensitive("DATE_TIME")
            && !rules().sensitive("NONE")
    );
}

#[test]
fn only_enabled_labels_are_found() {
    let config = RulesConfig {
        labels: Some(vec!["US_SSN".into()]),
        ..RulesConfig::default()
    };
    let rules = Rules::new(&config).unwrap();
    assert_eq!(rules.labels(), ["US_SSN"]);
    let spans = rules.find("a@example.org has 123-45-6789");
    assert_eq!(spans.len(), 1);
    assert_eq!(
        (spans[0].label.as_str(), spans[0].range.clone()),
        ("US_SSN", 18..29)
    );
}

#[test]
fn a_higher_threshold_drops_weaker_findings() {
    let config = RulesConfig {
        min_score: 0.95,
        ..RulesConfig::default()
    };
    let rules = Rules::new(&config).unwrap();
    assert!(rules.find("the number 123-45-6789").is_empty());
    assert_eq!(rules.find("SSN 123-45-6789").len(), 1);
}

#[test]
fn custom_patterns_are_found_with_their_context() {
    let pattern = |context: &[&str]| CustomPattern {
        name: "EMPLOYEE".into(),
        regex: r"\bE-\d{5}\b".into(),
        score: 0.8,
        context: context.iter().map(ToString::to_string).collect(),
    };
    let with = |p: CustomPattern| {
        let config = RulesConfig {
            custom: vec![p],
            ..RulesConfig::default()
        };
        Rules::new(&config).unwrap()
    };
    assert_eq!(with(pattern(&[])).find("see E-12345.")[0].range, 4..11);
    assert!(with(pattern(&["employee"])).find("see E-12345.").is_empty());
    assert_eq!(
        with(pattern(&["employee"])).find("Employee E-12345")[0].label,
        "EMPLOYEE"
    );
    let long = "é ".repeat(30_000) + "E-54321";
    let found = with(pattern(&[])).find(&long);
    assert_eq!(found[0].range, long.len() - 7..long.len());
    let many = "E-54321 ".repeat(9_000);
    assert_eq!(with(pattern(&[])).find(&many).len(), 9_000);
}

#[test]
fn bad_configurations_name_the_field() {
    let config = |change: fn(&mut RulesConfig)| {
        let mut config = RulesConfig::default();
        change(&mut config);
        Rules::new(&config).unwrap_err()
    };
    let unknown = config(|c| c.labels = Some(vec!["SSN".into()]));
    assert_eq!(unknown, RulesError::UnknownLabel("SSN".into()));
    assert!(
        config(|c| c.min_score = f32::NAN)
            .to_string()
            .contains("min_score")
    );
    let pattern = CustomPattern {
        name: "X".into(),
        regex: "(".into(),
        score: 0.5,
        context: vec![],
    };
    let config = RulesConfig {
        custom: vec![pattern],
        ..RulesConfig::default()
    };
    assert!(Rules::new(&config).unwrap_err().to_string().contains("`X`"));
}

/// Pieces that take every rule some way in.
const PIECES: &[&str] = &[
    "4111 1111 1111 1111",
    "My SSN is 123-45-6789",
    "DE89 3704 0044 0532 0130 00",
    "ana@example.org",
    "192.168.0.1",
    "2001:db8::1",
    "+49 30 901820",
    "(202) 555-0143",
    "12 Main St, Springfield, IL 62704",
    "SW1A 1AA",
    "K1A 0B1",
    "Hauptstraße 5a, 10115 Berlin",
    "4th July 2024",
    "2024-07-04T12:00:00Z",
    "am 4. Juli 2024",
    "I am 34 years old",
    "age: 34",
    "Dr. Ana",
    "password = \"hunter22x\"",
    "api_key: sk-abcdefghijklmnop1234",
    "token=ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
    "AKIAIOSFODNN7EXAMPLE",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "https://user:pw@example.com/a?b=c",
    "passport C01X00T47",
    "P<D<<MUSTERMANN<<ERIKA<<<<<<<<<<<<<<<<<<<<<<<<",
    "VIN 1HGCM82633A004352",
    "IMEI 490154203237518",
    "00:1a:2b:3c:4d:5e",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "BIC DEUTDEFF500",
    "account number 12345678",
    "routing 021000021",
    "driver license D1234567",
    "zip 12345-6789",
    "N\u{b0} 123",
    "$50,000",
    "10.0.0.0/8",
    "git@example.org:x/y",
];

/// Characters of one to four bytes that stand where rules expect a letter, a digit or a blank.
const STRANGERS: &[&str] = &[
    "\u{7d04}",
    "\u{e9}",
    "\u{1f600}",
    "\u{200b}",
    "\u{a0}",
    " ",
    "\n",
    "-",
    ".",
    "\u{ff11}",
    "\u{660}",
    "\u{df}",
    "\u{130}",
    "\"",
    ":",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2000, ..Default::default() })]

    /// Whatever stands around and in what a rule looks for: it finds places between characters, and never panics.
    #[test]
    fn no_character_breaks_a_rule(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 1..4),
        strangers in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::sample::select(STRANGERS), proptest::prelude::any::<bool>()), 0..6),
    ) {
        let mut text: Vec<char> = pieces.join(" ").chars().collect();
        for (at, stranger, instead) in strangers {
            let at = at.index(text.len());
            let end = if instead { at + 1 } else { at };
            text.splice(at..end, stranger.chars());
        }
        let text: String = text.into_iter().collect();
        for span in super::Rules::new(&super::RulesConfig::default()).unwrap().find(&text) {
            proptest::prop_assert!(text.get(span.range.clone()).is_some(), "{:?} in {text:?}", span);
        }
    }
}

#[test]
fn a_wide_character_before_a_zip_code_is_no_state() {
    let rules = super::Rules::new(&super::RulesConfig::default()).unwrap();
    for text in [
        "\u{7d04} 12345 \u{4eba}",
        "\u{e9}IL 62704",
        ", \u{e9} 12345",
    ] {
        rules.find(text);
    }
    let found = rules.find("Springfield, IL 62704");
    assert!(
        found.iter().any(|span| span.label == "ZIP_CODE"),
        "{found:?}"
    );
}
