//! What an operator sees for each kind of mistake.

use std::fmt::Write;

use commutator_plugins::problem::Problems;
use rstest::rstest;

use super::{read, toy};
use crate::config::{load, parse};

fn shown(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        writeln!(out, "{line}").unwrap();
    }
    let errors = read(text).expect_err("a mistake");
    assert!(errors.has_errors());
    write!(out, "----\n{errors}").unwrap();
    out
}

#[rstest]
#[case::unknown_field("version: 1\nthread: 3\n")]
#[case::unknown_field_far_off("version: 1\nlistener:\n  address: 127.0.0.1:80\n  colour: red\n")]
#[case::unknown_field_is_the_missing_one("version: 1\nmodels:\n  a:\n    clutser: x\n")]
#[case::missing_field("threads: 3\n")]
#[case::missing_in_nested("version: 1\nlistener:\n  tls: true\n")]
#[case::missing_in_flow("version: 1\nmodels: {a: {weight: 1}}\n")]
#[case::missing_two_in_item("version: 1\ndecisions:\n  - rule: always\n    priority: 3\n")]
#[case::string_for_number("version: 1\nthreads: many\n")]
#[case::quoted_number("version: 1\nthreads: \"8\"\n")]
#[case::number_for_string("version: 1\nautomatic:\n  - MoM\n  - 42\n")]
#[case::bool_for_string("version: 1\nmodels:\n  a:\n    cluster: true\n")]
#[case::float_for_whole("version: 1.5\n")]
#[case::word_for_bool("version: 1\nlistener:\n  address: 127.0.0.1:80\n  tls: yes\n")]
#[case::too_large("version: 1\nthreads: 70000\n")]
#[case::negative("version: -1\n")]
#[case::scalar_for_list("version: 1\nautomatic: MoM\n")]
#[case::list_for_mapping("version: 1\nlistener:\n  - address\n")]
#[case::nothing_for_string("version: 1\nmodels:\n  a:\n    cluster:\n")]
#[case::unknown_word(
    "version: 1\ndecisions:\n  - name: a\n    rule: always\n    models: [x]\n    plugins:\n      - pii: {action: blok}\n"
)]
#[case::unknown_kind(
    "version: 1\ndecisions:\n  - name: a\n    rule: always\n    models: [x]\n    plugins:\n      - pi: {}\n      - cache:\n"
)]
#[case::two_kinds(
    "version: 1\ndecisions:\n  - name: a\n    rule: {keyword: x, not: always}\n    models: [x]\n"
)]
#[case::kind_without_settings(
    "version: 1\ndecisions:\n  - name: a\n    rule: keyword\n    models: [x]\n    plugins: [pii]\n"
)]
#[case::word_with_settings(
    "version: 1\ndecisions:\n  - {name: a, rule: {always: 3}, models: [x]}\n"
)]
#[case::deep_rule(
    "version: 1\ndecisions:\n  - name: a\n    rule:\n      all:\n        - keyword: x\n        - not:\n            any:\n              - keywrd: y\n              - context: {min: -3}\n    models: [x]\n"
)]
#[case::duration_without_unit("version: 1\nlistener:\n  address: 127.0.0.1:80\n  timeout: 5\n")]
#[case::bad_duration("version: 1\nlistener:\n  address: 127.0.0.1:80\n  timeout: 5 minutes\n")]
#[case::bad_size("version: 1\nlistener:\n  address: 127.0.0.1:80\n  max_body: 45MB or so\n")]
#[case::bad_address("version: 1\nlistener:\n  address: localhost\n")]
#[case::custom_check("version: 1\nmodels:\n  a:\n    cluster: c\n    weight: 20\n")]
#[case::custom_check_of_structure(
    "version: 1\ndecisions:\n  - name: a\n    rule: always\n    models: [x]\n    plugins:\n      - cache:\n          min: 5\n          max: 1\n"
)]
#[case::made_up_values_raise_nothing(
    "version: 1\ndecisions:\n  - name: a\n    rule: always\n    models: [x]\n    plugins:\n      - cache:\n          min: 5\n          max: none\n"
)]
#[case::duplicate_key("version: 1\nthreads: 1\nthreads: 2\n")]
#[case::bad_map_key("version: 1\nanswers:\n  teapot: \"418\"\n")]
#[case::second_document("version: 1\n---\nversion: 2\n")]
#[case::empty("# nothing\n")]
#[case::not_a_mapping("just text\n")]
#[case::tab("version: 1\nlistener:\n\taddress: x\n")]
#[case::colon_in_value("version: 1\nmodels:\n  a:\n    cluster: x: y\n")]
#[case::open_bracket("version: 1\nautomatic: [a, b\nthreads: 1\n")]
#[case::unknown_alias("version: 1\nautomatic: *names\n")]
#[case::alias_in_itself("version: 1\nnotes: &a [1, *a]\n")]
#[case::tag("version: !num 1\n")]
#[case::merge_of_scalar("version: 1\n<<: 3\n")]
#[case::key_is_a_list("version: 1\n? [a, b]\n: 3\n")]
#[case::infinite("version: 1\nmodels: {a: {cluster: c, weight: .inf}}\n")]
#[case::unset_variable(
    "version: 1\nautomatic:\n  - a\n  - \"x ${MODEL} y\"\nthreads: ${THREADZ}\n"
)]
#[case::bad_reference("version: 1\nautomatic: [\"${\", \"${a b}\"]\n")]
#[case::variable_in_flow_list("version: 1\nautomatic: [${WORD}, b]\n")]
#[case::variable_is_empty("version: 1\nthreads: ${EMPTY}\n")]
#[case::variable_of_wrong_type("version: 1\nthreads: ${WORD}\n")]
#[case::mistake_in_alias(
    "version: 1\nmodels:\n  a: &a\n    cluster: 7\n  b: *a\n  c:\n    <<: *a\n    weight: 9\n"
)]
#[case::many(
    "version: one
thread: 4
listener:
  adress: 127.0.0.1:80
  timeout: 5
  max_body: 3
decisions:
  - name: 7
    prioritty: 10
    rule: {keyword: 5}
    plugins:
      - pii: {action: stop, alow: []}
      - system_prompt: {}
  - 3
  - name: b
    rule: {}
models:
  a: {cluster: 1, weight: 3}
  b: c
"
)]
fn mistakes(#[case] text: &str) {
    let name = std::thread::current()
        .name()
        .and_then(|name| name.rsplit("::").next())
        .and_then(|name| name.split_once('_').map(|(_, name)| name))
        .and_then(|name| name.split_once('_').map(|(_, name)| name.to_owned()))
        .expect("the name of the case");
    insta::assert_snapshot!(name, shown(text));
}

#[test]
fn json() {
    let errors = read("version: 1\nthread: 3\n").unwrap_err();
    insta::assert_json_snapshot!(errors);
}

#[test]
fn problems_are_placed_at_their_values() {
    let text = "\
version: 1
decisions:
  - name: math
    rule: always
    models: [big, {odd: 1}]
models:
  qwen/3.5:
    cluster: c
notes: {a: [1, 2]}
";
    let loaded = read(&text.replace(", {odd: 1}", ", small")).unwrap();
    let mut problems = Problems::new();
    problems
        .error("decisions[0].models[1]", "no model `small`")
        .with_hint("did you mean `big`?");
    problems.error("models.qwen/3.5.cluster", "no cluster `c`");
    problems.warning("models[\"qwen/3.5\"]", "is never used");
    problems.error("notes.a[7].x", "nearest above");
    problems.warning("decisions[0].rule.nowhere", "scalar");
    problems.error("listener.address", "not there at all");
    insta::assert_snapshot!(loaded.source.locate(problems));
}

#[test]
fn only_so_many() {
    let mut text = String::from("version: 1\nmodels:\n");
    for i in 0..300 {
        writeln!(text, "  m{i}: {{}}").unwrap();
    }
    let errors = read(&text).unwrap_err();
    assert_eq!(errors.iter().count(), 101);
}

#[test]
fn bombs_are_refused() {
    let mut text = String::from("version: 1\nnotes:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let uses = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "  a{i}: &a{i} [{uses}]").unwrap();
    }
    let errors = read(&text).unwrap_err().to_string();
    assert!(errors.contains("more than 200000 values"), "{errors}");

    let deep = format!(
        "version: 1\nnotes: {}{}\n",
        "[".repeat(200),
        "]".repeat(200)
    );
    let errors = read(&deep).unwrap_err().to_string();
    assert!(errors.contains("nested deeper than 64"), "{errors}");

    let long = "x".repeat(100_000);
    let uses = "*a, ".repeat(1000);
    let errors = read(&format!("version: 1\nnotes: [&a {long}, {uses}]\n")).unwrap_err();
    assert!(errors.to_string().contains("aliases expanded"), "{errors}");

    let mut chain = String::from("version: 1\nnotes:\n  a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n");
    for i in 1..12 {
        let (open, close) = ("[".repeat(10), "]".repeat(10));
        writeln!(chain, "  a{i}: &a{i} {open}*a{}{close}", i - 1).unwrap();
    }
    let errors = read(&chain).unwrap_err().to_string();
    assert!(errors.contains("nested deeper than 64"), "{errors}");
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.yaml");
    let errors = load::<toy::Policy>(&path, &super::env, &mut |_| Problems::new()).unwrap_err();
    assert!(
        errors
            .to_string()
            .starts_with("error: cannot read the file: ")
    );

    std::fs::write(&path, b"version: 1\nautomatic: [\"a\xff\"]\n").unwrap();
    let errors = load::<toy::Policy>(&path, &super::env, &mut |_| Problems::new()).unwrap_err();
    let error = errors.iter().next().unwrap();
    assert_eq!((error.line, error.column), (Some(2), Some(15)));
    assert_eq!(error.message, "not UTF-8 text");

    std::fs::write(&path, "a".repeat(5 << 20)).unwrap();
    let errors = load::<toy::Policy>(&path, &super::env, &mut |_| Problems::new()).unwrap_err();
    assert!(errors.to_string().contains("larger than 4194304 bytes"));
}

#[test]
fn terminals_are_not_played_with() {
    let errors = read("version: 1\nthread\u{202e}s: 1\n")
        .unwrap_err()
        .to_string();
    assert!(
        !errors
            .lines()
            .any(|l| l.contains(" | ") && l.contains('\u{202e}')),
        "{errors}"
    );
    let errors = read("version: 1\nautomatic: [\"\u{1b}[2J\"]\n")
        .unwrap_err()
        .to_string();
    assert!(errors.contains("a control character"), "{errors}");
    assert!(!errors.contains('\u{1b}'));
}

#[test]
fn long_lines_are_cut_around_the_mistake() {
    let text = format!(
        "version: 1\nnotes: {{a: {}, b: [x}}, c: 1}}\n",
        "y".repeat(500)
    );
    let errors = read(&text).unwrap_err().to_string();
    assert!(
        errors.lines().all(|line| line.chars().count() < 200),
        "{errors}"
    );
    assert!(errors.contains('…'));
}

#[test]
fn line_ends_of_other_systems() {
    for end in ["\r\n", "\r"] {
        let text = [
            "version: 1",
            "listener:",
            "  address: 127.0.0.1:80",
            "  tsl: true",
            "",
        ]
        .join(end);
        let errors = parse::<toy::Policy>("x", &text, &super::env).unwrap_err();
        let error = errors.iter().next().unwrap();
        assert_eq!((error.line, error.column), (Some(4), Some(3)), "{errors}");
    }
}

#[test]
fn the_deepest_rule_fits_the_stack() {
    let rule = |depth: usize, inner: &str| {
        let (open, close) = ("{not: ".repeat(depth), "}".repeat(depth));
        format!("version: 1\ndecisions:\n  - {{name: a, models: [], rule: {open}{inner}{close}}}\n")
    };
    assert!(read(&rule(61, "always")).is_ok());
    let errors = read(&rule(61, "alway")).unwrap_err().to_string();
    assert!(errors.contains("did you mean `always`?"), "{errors}");
    let errors = read(&rule(62, "always")).unwrap_err().to_string();
    assert!(errors.contains("nested deeper than 64"), "{errors}");
}

#[test]
fn a_huge_file_full_of_mistakes_ends() {
    let mut text = String::from("version: 1\nmodels:\n");
    for i in 0..7_000 {
        writeln!(text, "  m{i}: {{cluster: 1, weight: 7}}").unwrap();
    }
    let errors = read(&text).unwrap_err().to_string();
    assert!(errors.contains("too many mistakes"), "{errors}");
}
