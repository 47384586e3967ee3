//! A Markdown reference page out of a JSON Schema: one section a struct or enum, in the order in which a
//! reader meets them, with links between them.
//!
//! The texts are the doc comments of the configuration structs, so the page cannot fall behind the code as
//! long as a test compares it with the committed one.

use std::collections::HashSet;

use schemars::{
    JsonSchema, Schema,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value};

mod types;

use types::{is_null, is_word, type_of};

/// The JSON Schema of `T` for editors: wherever a number or a boolean belongs, a `${ENV}` reference may stand.
pub(crate) fn editor_schema<T: JsonSchema>() -> Schema {
    let mut schema = schemars::schema_for!(T);
    RecursiveTransform(allow_reference).transform(&mut schema);
    schema
}

fn allow_reference(schema: &mut Schema) {
    let scalar = |name: &Value| matches!(name.as_str(), Some("integer" | "number" | "boolean"));
    let names = match schema.get("type") {
        Some(name) if scalar(name) => vec![name.clone()],
        Some(Value::Array(names)) if names.iter().any(scalar) => names.clone(),
        _ => return,
    };
    let is_string = |name: &Value| name == "string";
    // A constant or a list of words stays what it is.
    if names.iter().any(is_string) || schema.get("enum").is_some() || schema.get("const").is_some()
    {
        return;
    }
    let with_string = names.into_iter().chain(["string".into()]).collect();
    schema.insert("type".into(), Value::Array(with_string));
    // Numbers are not measured against a pattern.
    schema.insert("pattern".into(), r"\$\{".into());
}

/// The page for `schema`, headed `title`. The same schema always gives the same text.
pub(crate) fn reference(schema: &Schema, title: &str) -> String {
    let root = schema.as_value();
    let mut page = Page {
        root,
        out: format!("# {title}\n"),
        queue: Vec::new(),
        seen: HashSet::new(),
    };
    let name = root["title"].as_str().unwrap_or("Configuration");
    page.seen.insert(name.to_owned());
    page.section(name, root, 2);
    let mut next = 0;
    while next < page.queue.len() {
        let name = page.queue[next].clone();
        let definition = &root["$defs"][&name];
        page.section(&name, definition, 2);
        next += 1;
    }
    page.out
}

struct Page<'a> {
    root: &'a Value,
    out: String,
    /// Sections in the order in which they are first mentioned.
    queue: Vec<String>,
    seen: HashSet<String>,
}

impl<'a> Page<'a> {
    fn section(&mut self, name: &str, schema: &'a Value, level: usize) {
        let marks = "#".repeat(level);
        self.out.push_str(&format!("\n{marks} {name}\n"));
        if let Some(text) = schema["description"].as_str() {
            self.out.push_str(&format!("\n{}\n", prose(text)));
        }
        if let Some(fields) = schema["properties"].as_object() {
            self.fields(schema, fields);
        } else if let Some(variants) = variants(schema) {
            self.variants(name, variants, level);
        } else if let Some(words) = schema["enum"].as_array() {
            self.out.push_str("\n| word |\n|---|\n");
            for word in words {
                self.out.push_str(&format!("| {} |\n", code(word)));
            }
        } else {
            let kind = self.kind(schema);
            self.out.push_str(&format!("\nType: {kind}.\n"));
        }
    }

    fn fields(&mut self, schema: &'a Value, fields: &'a Map<String, Value>) {
        if fields.is_empty() {
            self.out.push_str("\nNo fields: `{}`.\n");
            return;
        }
        self.out
            .push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
        for (name, field) in fields {
            let required = schema["required"]
                .as_array()
                .is_some_and(|names| names.iter().any(|n| n == name));
            let default = if required {
                "**required**".to_owned()
            } else {
                default_of(field)
            };
            let kind = self.kind(field);
            let meaning = cell(field["description"].as_str().unwrap_or_default());
            self.out
                .push_str(&format!("| `{name}` | {kind} | {default} | {meaning} |\n"));
        }
    }

    /// The words and `name: value` forms of an enum.
    fn variants(&mut self, name: &str, variants: &'a [Value], level: usize) {
        self.out
            .push_str("\n| write | value | meaning |\n|---|---|---|\n");
        let mut inline = Vec::new();
        for variant in variants {
            let meaning = cell(variant["description"].as_str().unwrap_or_default());
            let fields = variant["properties"].as_object();
            if is_word(variant) {
                let words: Vec<&Value> = match variant["enum"].as_array() {
                    Some(words) => words.iter().collect(),
                    None => vec![&variant["const"]],
                };
                for word in words {
                    self.out
                        .push_str(&format!("| {} | – | {meaning} |\n", code(word)));
                }
            } else if let Some((tag, value)) = fields.and_then(|f| f.iter().next()) {
                let kind = if value["properties"].is_object() {
                    let title = format!("{name} {tag}");
                    let link = format!("[{tag}](#{})", anchor(&title));
                    inline.push((title, value));
                    link
                } else {
                    self.kind(value)
                };
                self.out
                    .push_str(&format!("| `{tag}: ...` | {kind} | {meaning} |\n"));
            } else {
                let kind = self.kind(variant);
                self.out.push_str(&format!("| {kind} | – | {meaning} |\n"));
            }
        }
        for (title, schema) in inline {
            self.section(&title, schema, level + 1);
        }
    }

    /// The type of a field, with what it mentions put in line for a section.
    fn kind(&mut self, schema: &'a Value) -> String {
        let mut mentioned = Vec::new();
        let text = type_of(schema, &mut mentioned);
        for name in mentioned {
            if self.root["$defs"].get(&name).is_some() && self.seen.insert(name.clone()) {
                self.queue.push(name);
            }
        }
        text
    }
}

/// The alternatives of an enum.
fn variants(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().or(schema["anyOf"].as_array())
}

/// The anchor that Markdown renderers give a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

fn default_of(field: &Value) -> String {
    // A long default is that of a struct, whose own section lists it field by field.
    const LONGEST: usize = 60;
    match field.get("default") {
        None => "–".into(),
        Some(value) if is_null(value) => "none".into(),
        Some(Value::String(text)) if text.is_empty() => "`\"\"`".into(),
        Some(Value::String(text)) if text.len() <= LONGEST => code(&Value::from(text.as_str())),
        Some(value) if value.to_string().len() <= LONGEST => code(value),
        Some(_) => "see there".into(),
    }
}

/// A value as it is written in the file.
fn code(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!("`{}`", text.replace('|', "\\|"))
}

/// A doc comment as Markdown: links to Rust items lose their brackets, `<` outside code is no tag.
fn prose(text: &str) -> String {
    let text = text.replace("[`", "`").replace("`]", "`");
    let pieces = text.split('`').enumerate().map(|(at, piece)| {
        if at % 2 == 0 {
            piece.replace('<', "&lt;")
        } else {
            piece.to_owned()
        }
    });
    pieces.collect::<Vec<_>>().join("`")
}

/// The same on one line, for a table.
fn cell(text: &str) -> String {
    let paragraphs = prose(text).replace('|', "\\|");
    let lines: Vec<String> = paragraphs
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("<br>")
}
