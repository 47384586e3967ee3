//! The reference page and the schema of the toy policy.

use serde_json::json;

use super::toy;
use crate::config::{editor_schema, reference};

#[test]
fn page() {
    let schema = schemars::schema_for!(toy::Policy);
    let page = reference(&schema, "The policy");
    insta::assert_snapshot!(page);
    assert_eq!(
        page,
        reference(&schemars::schema_for!(toy::Policy), "The policy")
    );

    // Every link leads to a heading.
    for (at, _) in page.match_indices("](#") {
        let anchor = page[at + 3..].split(')').next().unwrap();
        let found = page
            .lines()
            .filter(|line| line.starts_with('#'))
            .any(|line| {
                line.trim_start_matches(['#', ' '])
                    .to_lowercase()
                    .replace(' ', "-")
                    == anchor
            });
        assert!(found, "{anchor}");
    }
}

#[test]
fn doc_comments_cannot_break_the_table() {
    let schema: schemars::Schema = json!({
        "title": "X",
        "properties": {"a": {
            "type": "string",
            "description": "One | two,\nsee [`Y`] and `a | b`.\n\nThen <b> and `<c>`.",
            "default": "x|y"
        }},
        "type": "object"
    })
    .try_into()
    .unwrap();
    assert_eq!(
        reference(&schema, "T").lines().last().unwrap(),
        "| `a` | string | `x\\|y` | One \\| two, see `Y` and `a \\| b`.<br>Then &lt;b> and `<c>`. |"
    );
}

#[test]
fn what_the_schema_accepts_is_what_the_loader_accepts() {
    let schema = schemars::schema_for!(toy::Policy).to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let loaded = super::read(include_str!("good.yaml")).unwrap();
    let value = serde_json::to_value(&loaded.value).unwrap();
    // Secrets are written out as `***`, which is no reference.
    let text = value.to_string().replace("***", "${TOKEN}");
    let value = serde_json::from_str(&text).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!validator.is_valid(&json!({"version": 1, "thread": 2})));
    assert!(
        !validator.is_valid(
            &json!({"version": 1, "models": {"a": {"cluster": "c", "api_key": "literal"}}})
        )
    );
}

#[test]
fn editors_know_references() {
    let schema = editor_schema::<toy::Policy>().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (threads, valid) in [
        (json!(3), true),
        (json!("${THREADS}"), true),
        (json!("many"), false),
        (json!(70_000), false),
    ] {
        let file = json!({"version": 1, "threads": threads});
        assert_eq!(validator.is_valid(&file), valid, "{file}");
    }
}
