//! The type of a field in words.

use serde_json::Value;

use super::{anchor, code};

/// What may be written for `schema`. Names of sections that the text links to go to `mentioned`.
pub(super) fn type_of(schema: &Value, mentioned: &mut Vec<String>) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or(name).to_owned();
        let link = format!("[{name}](#{})", anchor(&name));
        mentioned.push(name);
        return link;
    }
    if let Some(constant) = schema.get("const") {
        return code(constant);
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().filter(|w| !is_null(w)).map(code).collect();
        return either(&words);
    }
    for combined in ["anyOf", "oneOf", "allOf"] {
        if let Some(parts) = schema[combined].as_array() {
            // An optional value is its type or null; the table says so by its default.
            let parts: Vec<String> = parts
                .iter()
                .filter(|part| part["type"] != "null")
                .map(|part| type_of(part, mentioned))
                .collect();
            return either(&parts);
        }
    }
    let names: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return "anything".into(),
    };
    let kinds: Vec<String> = names
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| simple(name, schema, mentioned))
        .collect();
    either(&kinds)
}

fn simple(name: &str, schema: &Value, mentioned: &mut Vec<String>) -> String {
    match name {
        "boolean" => "`true` or `false`".into(),
        "integer" => format!("whole number{}", bounds(schema)),
        "number" => format!("number{}", bounds(schema)),
        "array" => match schema.get("items") {
            Some(items) => format!("list of {}", type_of(items, mentioned)),
            None => "list".into(),
        },
        "object" => object(schema, mentioned),
        _ => string(schema),
    }
}

fn string(schema: &Value) -> String {
    let kind = match schema["format"].as_str() {
        Some("duration-with-unit") => "duration",
        Some("size-with-unit") => "size",
        Some("secret") => "secret reference",
        _ => "string",
    };
    match schema["examples"].as_array() {
        Some(examples) if !examples.is_empty() => {
            let examples: Vec<String> = examples.iter().map(code).collect();
            format!("{kind}, like {}", either(&examples))
        }
        _ => kind.into(),
    }
}

fn object(schema: &Value, mentioned: &mut Vec<String>) -> String {
    if let Some(values) = schema.get("additionalProperties").filter(|v| v.is_object()) {
        return format!("map from name to {}", type_of(values, mentioned));
    }
    let patterns = schema["patternProperties"].as_object();
    if let Some((_, values)) = patterns.and_then(|patterns| patterns.iter().next()) {
        return format!("map from number to {}", type_of(values, mentioned));
    }
    "mapping".into()
}

/// The range that a schema states, or that its number format implies.
fn bounds(schema: &Value) -> String {
    let least = schema.get("minimum").map(Value::to_string);
    let most = schema.get("maximum").map(Value::to_string);
    match (least, most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

/// Whether a variant is written as a plain word.
pub(super) fn is_word(schema: &Value) -> bool {
    schema.get("const").is_some() || schema.get("enum").is_some()
}

pub(super) fn is_null(value: &Value) -> bool {
    matches!(value, Value::Null)
}

fn either(parts: &[String]) -> String {
    match parts {
        [] => "nothing".into(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
