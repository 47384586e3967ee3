#![allow(clippy::unwrap_used)]

use super::*;

/// The variants' names come from the types, the words from the registry: they must be the same.
#[test]
fn words_and_variants_agree() {
    let schema = serde_json::to_value(schemars::schema_for!(PluginConfig)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap();
    let words: Vec<_> = variants
        .iter()
        .map(|variant| variant["required"][0].as_str().unwrap())
        .collect();
    assert_eq!(words, PluginConfig::NAMES);
    for variant in variants {
        assert!(
            variant["description"].is_string(),
            "{variant} is not documented"
        );
    }
}

/// The reference page is made of the doc comments: no field may lack one.
#[test]
fn every_field_is_documented() {
    let schema = serde_json::to_value(schemars::schema_for!(PluginConfig)).unwrap();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        let properties = definition["properties"].as_object().into_iter().flatten();
        for (field, property) in properties {
            assert!(
                property["description"].is_string(),
                "{name}.{field} is not documented"
            );
        }
    }
}

#[test]
fn an_unknown_plugin_is_an_error_that_lists_the_known() {
    let error =
        serde_json::from_str::<PluginConfig>(r#"{"system_promt":{"text":"x"}}"#).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("system_promt") && text.contains("`system_prompt`"),
        "{text}"
    );
}
