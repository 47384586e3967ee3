#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use commutator_models::ModelError;
use proptest::prelude::*;

use super::super::plain::tests::escaped;
use super::*;
use crate::problem::Problems;
use crate::understand::fake::FakeUnderstanding;

/// Knows one number and a few words.
fn looker(failure: Option<ModelError>, delay: Duration) -> Arc<FakeUnderstanding> {
    Arc::new(FakeUnderstanding {
        pii: vec![
            ("123-45-6789", "US_SSN", 0.9),
            ("Ana Maria", "PERSON", 0.9),
            ("PERSON_1", "PERSON", 0.9),
            ("ana@b.org", "EMAIL_ADDRESS", 0.9),
        ],
        failure,
        delay,
        ..FakeUnderstanding::default()
    })
}

impl Rig {
    fn fails(mut self) -> Self {
        self.looker = looker(Some(ModelError::Overloaded), Duration::ZERO);
        self.filter.understand = Some(Arc::clone(&self.looker) as Arc<dyn Understand>);
        self
    }
}

struct Rig {
    looker: Arc<FakeUnderstanding>,
    report: SharedReport,
    filter: PersonalData,
}

fn rig(outcome: VerdictOutcome, change: impl FnOnce(&mut PersonalRules, &mut Echo)) -> Rig {
    json_rig(outcome, false, change)
}

fn json_rig(
    outcome: VerdictOutcome,
    json: bool,
    change: impl FnOnce(&mut PersonalRules, &mut Echo),
) -> Rig {
    let deny = ["US_SSN", "PERSON", "EMAIL_ADDRESS"].map(str::to_owned);
    let types = Types::build(
        None,
        Some(&deny),
        0.0,
        &BTreeMap::new(),
        &[],
        false,
        "",
        &mut Problems::new(),
    );
    let mut rules = PersonalRules {
        types,
        outcome,
        shadow: false,
        hold: Hold::tokens(40),
        timeout: Duration::from_secs(20),
        on_error: OnError::Deny,
    };
    let mut echo = Echo::default();
    change(&mut rules, &mut echo);
    let looker = looker(None, Duration::ZERO);
    let report = SharedReport::default();
    let filter = PersonalData::new(
        Arc::new(rules),
        Some(Arc::clone(&looker) as Arc<dyn Understand>),
        Arc::new(echo),
        Arc::clone(&report),
        json,
    );
    Rig {
        looker,
        report,
        filter,
    }
}

/// Runs futures that wait for tokio's clock.
fn on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(work)
}

/// What the client reads, with the pieces in which it comes, and whether the answer was stopped.
fn stream(rig: &mut Rig, text: &str, size: usize) -> (Vec<String>, bool) {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    on(async {
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            let filtered = rig.filter.push(&piece).await.unwrap();
            out.push(filtered.text);
            if filtered.stop {
                return (out, true);
            }
        }
        let filtered = rig.filter.finish().await.unwrap();
        out.push(filtered.text);
        (out, filtered.stop)
    })
}

const PROSE: &str =
    "Of course I can help with that request today, it is what I am here for and nothing else. ";

#[test]
fn a_number_in_two_events_is_masked() {
    let mut rig = rig(VerdictOutcome::Masked, |_, _| {});
    on(async {
        let mut out = String::new();
        for piece in ["Your number is 123-", "45-6789, as you", " know."] {
            out += &rig.filter.push(piece).await.unwrap().text;
        }
        assert_eq!(out, "");
        out += &rig.filter.finish().await.unwrap().text;
        assert_eq!(out, "Your number is [US_SSN], as you know.");
    });
    let report = rig.report.lock();
    assert_eq!(report.labels, ["B-US_SSN"]);
    assert_eq!(
        (report.outcome, report.findings.len()),
        (VerdictOutcome::Masked, 1)
    );
}

#[test]
fn text_flows_while_the_answer_comes_and_each_piece_is_looked_at_about_twice() {
    for (name, text) in [
        ("prose", PROSE.repeat(40)),
        ("without sentences", "word and another word ".repeat(200)),
        ("numbers", "12 345 6789 and 12-34 ".repeat(150)),
        ("short lines", "a line\n".repeat(500)),
        ("one word", "abcdefgh".repeat(400)),
        ("no spaces", "\u{4f60}\u{597d}\u{4e16}\u{754c}".repeat(300)),
    ] {
        let mut rig = rig(VerdictOutcome::Masked, |_, _| {});
        let (pieces, _) = stream(&mut rig, &text, 4);
        assert_eq!(pieces.concat(), text, "{name}");
        let (mut behind, mut most, mut sent) = (0, 0, 0);
        let chars: Vec<char> = text.chars().collect();
        for (index, piece) in pieces.iter().enumerate().take(chars.len() / 4) {
            sent += piece.chars().count();
            behind = (index + 1) * 4 - sent;
            most = most.max(behind);
        }
        assert!(most <= 700, "{name}: {most} characters held back");
        if name.contains("sentences") || name == "prose" {
            assert!(most <= 170, "{name}: {most} characters held back");
        }
        let looked = *rig.looker.looked.lock();
        let most = match name {
            "one word" => text.len() * 5,
            _ => text.len() * 9 / 4 + 400,
        };
        assert!(looked <= most, "{name}: {looked} of {}", text.len());
        let _ = behind;
    }
}

#[test]
fn block_stops_in_front_of_the_piece() {
    let text = format!("{PROSE}The number is 123-45-6789. {PROSE}");
    let mut rig = rig(VerdictOutcome::Blocked, |_, _| {});
    let (pieces, stopped) = stream(&mut rig, &text, 5);
    assert!(stopped);
    assert_eq!(pieces.concat(), format!("{PROSE}The number is "));
}

#[test]
fn flag_and_shadow_change_nothing() {
    let text = format!("{PROSE}The number is 123-45-6789. {PROSE}");
    for (outcome, shadow) in [
        (VerdictOutcome::Flagged, false),
        (VerdictOutcome::Blocked, true),
        (VerdictOutcome::Masked, true),
    ] {
        let mut rig = rig(outcome, |rules, _| rules.shadow = shadow);
        let (pieces, stopped) = stream(&mut rig, &text, 5);
        assert_eq!((pieces.concat(), stopped), (text.clone(), false));
        assert_eq!(rig.report.lock().outcome, outcome);
    }
}

#[test]
fn what_the_client_said_may_be_said_again_if_the_policy_says_so() {
    let text = "Your number 123-45-6789 and that of <PERSON_1>, not 123-45-678.";
    let said = "my number is 123-45-6789!".to_owned();
    let mut rig = rig(VerdictOutcome::Masked, |_, echo| {
        echo.texts.push(said);
        echo.placeholders.push("<PERSON_1>".to_owned());
    });
    assert_eq!(stream(&mut rig, text, 3).0.concat(), text);
    let longer = "my number is 9123-45-6789".to_owned();
    let mut rig = self::rig(VerdictOutcome::Masked, |_, echo| echo.texts.push(longer));
    let out = stream(&mut rig, text, 3).0.concat();
    assert_eq!(
        out,
        "Your number [US_SSN] and that of <[PERSON]>, not 123-45-678."
    );
}

#[test]
fn arguments_of_tools_stay_json() {
    let value =
        serde_json::json!({"to": "Ana Maria <ana@b.org>", "n": 1.5, "note": "ssn\n123-45-6789"});
    let pretty = serde_json::to_string_pretty(&vec![value.clone(); 9]).unwrap();
    let value = serde_json::Value::from(vec![value; 9]);
    let masked =
        serde_json::json!({"to": "[PERSON] <[EMAIL_ADDRESS]>", "n": 1.5, "note": "ssn\n[US_SSN]"});
    let masked = serde_json::Value::from(vec![masked; 9]);
    for text in [pretty, escaped(&value, 2), escaped(&value, 1)] {
        for size in [1, 3, 50] {
            let mut rig = json_rig(VerdictOutcome::Masked, true, |_, _| {});
            let out = stream(&mut rig, &text, size).0.concat();
            let read: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(read, masked);
        }
    }
}

#[test]
fn arguments_pass_as_they_came_where_nobody_can_tell() {
    let mut rig = json_rig(VerdictOutcome::Masked, true, |rules, _| {
        rules.on_error = OnError::Allow;
    })
    .fails();
    let value = serde_json::json!({"note": "a \"long\" note\n".repeat(20), "n": 12345});
    let text = escaped(&value, 3);
    assert_eq!(stream(&mut rig, &text, 4).0.concat(), text);
}

#[test]
fn who_cannot_tell_denies_or_passes_as_the_policy_says() {
    let mut denies = rig(VerdictOutcome::Masked, |_, _| {}).fails();
    let failed = on(async {
        denies.filter.push("hello").await.unwrap();
        denies.filter.finish().await
    });
    assert_eq!(failed, Err(GuardError::Overloaded));
    assert_eq!(denies.report.lock().outcome, VerdictOutcome::Denied);

    let mut allows = rig(VerdictOutcome::Masked, |rules, _| {
        rules.on_error = OnError::Allow
    })
    .fails();
    let text = PROSE.repeat(5);
    assert_eq!(stream(&mut allows, &text, 4).0.concat(), text);
    let report = allows.report.lock();
    assert_eq!(
        (report.outcome, report.failure),
        (VerdictOutcome::Skipped, Some("overloaded"))
    );
    // Asked once, not again and again.
    assert!(*allows.looker.looked.lock() < PROSE.len() * 2);
}

#[test]
fn a_look_that_takes_too_long_is_no_look() {
    let mut rig = rig(VerdictOutcome::Masked, |rules, _| {
        rules.timeout = Duration::from_millis(1);
    });
    rig.filter.understand = Some(looker(None, Duration::from_secs(3600)));
    let failed = on(rig.filter.whole("hello"));
    assert_eq!(failed, Err(GuardError::Deadline));
    rig.filter.understand = None;
    let failed = on(rig.filter.whole("hello"));
    assert!(matches!(failed, Err(GuardError::Unavailable(_))));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_and_nothing_slips_through(
        parts in prop::collection::vec("(123-45-6789|Ana Maria|ana@b\\.org|[a-z]{1,9}|[0-9]{1,3}|\\. |\n|\u{e9}\u{4f60}|, )", 0..60),
        size in 1..60usize,
        block: bool,
    ) {
        let outcome = if block { VerdictOutcome::Blocked } else { VerdictOutcome::Masked };
        let text = parts.join(" ");
        let run = |size: usize| {
            let mut rig = rig(outcome, |_, _| {});
            let (pieces, stopped) = stream(&mut rig, &text, size);
            (pieces.concat(), stopped)
        };
        let out = run(size);
        prop_assert_eq!(&out, &run(1));
        let mut whole = rig(outcome, |_, _| {});
        let expected = block_on_whole(&mut whole, &text);
        prop_assert_eq!(out, (expected.text, expected.stop));
    }
}

fn block_on_whole(rig: &mut Rig, text: &str) -> Filtered {
    on(rig.filter.whole(text)).unwrap()
}
