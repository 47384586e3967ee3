//! No edit of a file makes the loader panic, or complain about a place that is not there.

use proptest::prelude::*;

use super::{read, toy};
use crate::config::{load, snippet};

const GOOD: &str = include_str!("good.yaml");

fn check(text: &str) {
    let Err(errors) = read(text) else { return };
    assert!(errors.has_errors());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = snippet::lines(text);
    for error in &errors {
        let line = error.line.expect("a line");
        let column = error.column.expect("a column");
        assert!((1..=lines.len()).contains(&line), "{errors}");
        let width = lines[line - 1].chars().count();
        assert!((1..=width + 1).contains(&column), "{errors}");
        assert!(!error.message.is_empty());
    }
    assert!(!errors.to_string().is_empty());
}

/// Replace, insert or remove one byte.
fn edit() -> impl Strategy<Value = (usize, u8, u8)> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(&b"\n\r\t :-[]{},&*!|>'\"#%@`?$~<0x\0"[..]),
    ];
    (0..GOOD.len(), 0..3_u8, byte)
}

/// Independent mistakes: what to replace, by what, and the message.
const MISTAKES: [(&str, &str, &str); 16] = [
    (
        "threads: ${THREADS}",
        "threads: many",
        "expected a whole number",
    ),
    (
        "address: 127.0.0.1:8080",
        "address: here",
        "invalid socket address",
    ),
    ("timeout: 1m30s", "timeout: 5", "a duration needs a unit"),
    ("tls: false", "tls: nope", "expected `true` or `false`"),
    (
        "admin_token: ${TOKEN}",
        "admin_token: ${NOPE}",
        "`NOPE` is not set",
    ),
    ("priority: 10", "prioritty: 10", "unknown field `prioritty`"),
    ("keyword: sums", "keywrd: sums", "unknown kind `keywrd`"),
    ("context: {min: 10}", "context: {}", "missing field `min`"),
    ("models: [big, small]", "models: big", "expected a list"),
    ("action: redact", "action: redct", "unknown word `redct`"),
    ("mode: append", "mode: apend", "unknown word `apend`"),
    (
        "{min: 1, max: 2}",
        "{min: 3, max: 2}",
        "`min` is greater than `max`",
    ),
    ("{name: rest, ", "{", "missing field `name`"),
    ("cluster: main", "cluster: 7", "expected a string"),
    ("weight: 1\n", "weight: 5\n", "a share lies between"),
    ("404: nothing", "teapot: nothing", "the key `teapot`"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn edited_files(edits in prop::collection::vec(edit(), 1..12)) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, how, byte) in edits {
            let at = at.min(bytes.len() - 1);
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        match String::from_utf8(bytes) {
            Ok(text) => check(&text),
            Err(error) => {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join("x.yaml");
                std::fs::write(&path, error.as_bytes()).unwrap();
                prop_assert!(load::<toy::Policy>(&path, &super::env, &mut |_| commutator_plugins::problem::Problems::new()).is_err());
            }
        }
    }

    #[test]
    fn shuffled_lines(lines in prop::collection::vec(0..GOOD.lines().count(), 1..60)) {
        let all: Vec<&str> = GOOD.lines().collect();
        let text: Vec<&str> = lines.into_iter().map(|at| all[at]).collect();
        check(&text.join("\n"));
    }

    #[test]
    fn any_text(text in "(\\PC|\\n|[-:{}\\[\\],&*#?|>!%@`'\" ]){0,80}") {
        check(&text);
    }

    #[test]
    fn every_mistake_and_nothing_else(chosen in prop::collection::vec(any::<bool>(), MISTAKES.len())) {
        let mut text = GOOD.to_owned();
        let mut want = Vec::new();
        for ((good, bad, message), chosen) in MISTAKES.iter().zip(chosen) {
            if chosen {
                assert_eq!(text.matches(good).count(), 1, "{good}");
                text = text.replace(good, bad);
                want.push(*message);
            }
        }
        let errors = read(&text).err().unwrap_or_default();
        for message in &want {
            let found = errors.iter().filter(|e| e.message.contains(message)).count();
            prop_assert_eq!(found, 1, "{}: {}", message, &errors);
        }
        prop_assert_eq!(errors.iter().count(), want.len(), "{}", &errors);
    }
}
