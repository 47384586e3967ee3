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
