//! Files without mistakes.

use std::time::Duration;

use super::{read, toy};

const GOOD: &str = include_str!("good.yaml");

#[test]
fn every_shape() {
    let loaded = read(GOOD).map_err(|e| e.to_string()).unwrap();
    assert_eq!(loaded.files, [std::path::Path::new("conf/policy.yaml")]);
    let policy = loaded.value;
    insta::assert_json_snapshot!(policy);
    let listener = policy.listener.unwrap();
    assert_eq!(listener.timeout.get(), Duration::from_secs(90));
    assert_eq!(listener.admin_token.unwrap().expose(), "s3cr3t-t0ken");
}

#[test]
fn references_take_the_type_that_is_wanted() {
    let text =
        "version: 1\nthreads: ${THREADS}\nautomatic:\n  - ${DIGITS}\n  - a-${THREADS}\n  - $${X}\n";
    let policy = read(text).map_err(|e| e.to_string()).unwrap().value;
    assert_eq!(policy.threads, 8);
    assert_eq!(policy.automatic, ["12345", "a-8", "${X}"]);

    let policy = read("version: 1\nthreads: ${NO:-3}\n").unwrap().value;
    assert_eq!(policy.threads, 3);
    assert!(read("version: 1\nthreads: \"${THREADS}\"\n").is_err());
}

#[test]
fn a_value_cannot_change_the_structure() {
    let env = |_: &str| Some("a\nthreads: 99\n- b: {c".to_owned());
    let text = "version: 1\nautomatic:\n  - ${X}\n";
    let policy = crate::config::parse::<toy::Policy>("x", text, &env)
        .unwrap()
        .value;
    assert_eq!(policy.threads, 4);
    assert_eq!(policy.automatic, ["a\nthreads: 99\n- b: {c"]);
}

#[test]
fn yaml_1_2_and_not_1_1() {
    let policy = read("version: 1\nautomatic: [no, on, y, 1:30, 1_000]\n")
        .unwrap()
        .value;
    assert_eq!(policy.automatic, ["no", "on", "y", "1:30", "1_000"]);
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    assert!(read("\u{feff}version: 1\n").is_ok());
    let error = read("\u{feff}version: x\n").unwrap_err();
    assert_eq!(error.iter().next().unwrap().column, Some(10));
}
