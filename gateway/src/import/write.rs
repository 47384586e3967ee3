//! A YAML file with comments, to be read by people: blocks where there is structure, one line where it fits.

mod scalar;

pub(super) use scalar::one_line;

/// Columns that a line of brackets may take.
const WIDTH: usize = 110;

/// A value to be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Yaml {
    /// A number, a word, or a text that is quoted already: written as it is.
    Raw(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Item>),
    /// A mapping.
    Map(Map),
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// Comment lines above it.
    pub(super) above: Vec<String>,
    /// A comment behind it, where it takes one line; else above it.
    pub(super) beside: Option<String>,
    /// Written as a comment: it has no effect.
    pub(super) muted: bool,
    /// The entry.
    pub(super) value: Yaml,
}

impl From<Yaml> for Item {
    fn from(value: Yaml) -> Self {
        Self {
            above: Vec::new(),
            beside: None,
            muted: false,
            value,
        }
    }
}

impl From<Map> for Item {
    fn from(map: Map) -> Self {
        Yaml::Map(map).into()
    }
}

/// A mapping, in the order in which it was filled.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Map {
    fields: Vec<Field>,
    /// Written in braces where that fits into a line.
    flow: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    key: String,
    value: Yaml,
}

impl Map {
    /// An empty mapping, written as a block.
    pub(super) fn block() -> Self {
        Self::default()
    }

    /// An empty mapping, written in braces where that fits.
    pub(super) fn flow() -> Self {
        Self {
            flow: true,
            ..Self::default()
        }
    }

    /// Adds a field.
    pub(super) fn with(mut self, key: impl Into<String>, value: impl Into<Yaml>) -> Self {
        self.push(key, value);
        self
    }

    /// Adds a field where there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Yaml>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a field.
    pub(super) fn push(&mut self, key: impl Into<String>, value: impl Into<Yaml>) {
        self.fields.push(Field {
            key: key.into(),
            value: value.into(),
        });
    }

    /// Adds the fields of another mapping.
    pub(super) fn extend(&mut self, other: Self) {
        self.fields.extend(other.fields);
    }

    /// Is there a field of this name?
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|field| field.key == key)
    }

    /// Has it no fields?
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl From<&str> for Yaml {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Yaml {
    fn from(value: bool) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<i64> for Yaml {
    fn from(value: i64) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<f64> for Yaml {
    fn from(value: f64) -> Self {
        Self::Raw(value.to_string())
    }
}

impl From<Map> for Yaml {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<Vec<Item>> for Yaml {
    fn from(items: Vec<Item>) -> Self {
        Self::List(items)
    }
}

impl From<Vec<Yaml>> for Yaml {
    fn from(items: Vec<Yaml>) -> Self {
        Self::List(items.into_iter().map(Item::from).collect())
    }
}

impl From<Vec<String>> for Yaml {
    fn from(items: Vec<String>) -> Self {
        let items: Vec<Self> = items.into_iter().map(Self::Text).collect();
        items.into()
    }
}

/// The text of a file: `head` as comment lines, then `map`, its fields set apart by empty lines where they are
/// blocks.
pub(super) fn render(head: &[String], map: &Map) -> String {
    let mut lines: Vec<String> = head.iter().map(|line| commented(line)).collect();
    let mut after_block = true;
    for field in &map.fields {
        let block = field_lines(field, 0);
        let is_block = block.len() > 1;
        if (is_block || after_block) && !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(block);
        after_block = is_block;
    }
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// The lines of a value on its own, as `render` would write it.
pub(super) fn lines(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::Map(map) => (map.fields.iter())
            .flat_map(|field| field_lines(field, 0))
            .collect(),
        Yaml::List(items) => item_lines(items, 0),
        scalar => inline(scalar).into_iter().collect(),
    }
}

fn commented(line: &str) -> String {
    format!("# {}", one_line(line)).trim_end().to_owned()
}

/// A field and what belongs to it; `indent` is that of its key.
fn field_lines(field: &Field, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let key = scalar::word(&field.key);
    let room = WIDTH.saturating_sub(indent + key.len() + 2);
    if let Yaml::Text(text) = &field.value
        && let Some(block) = scalar::block(text, room)
    {
        lines.push(format!("{key}: {}", block[0]));
        lines.extend(block[1..].iter().map(|line| indented(line, 2)));
        return lines;
    }
    if let Some(short) = inline(&field.value).filter(|short| fits(&field.value, short, room)) {
        lines.push(format!("{key}: {short}"));
        return lines;
    }
    // Comments alone would be no list.
    let empty = matches!(&field.value, Yaml::List(items) if items.iter().all(|item| item.muted));
    lines.push(format!("{key}:{}", if empty { " []" } else { "" }));
    let inner = match &field.value {
        Yaml::Map(map) => (map.fields.iter())
            .flat_map(|field| field_lines(field, indent + 2))
            .collect(),
        Yaml::List(items) => item_lines(items, indent + 2),
        Yaml::Raw(_) | Yaml::Text(_) => Vec::new(),
    };
    lines.extend(inner.iter().map(|line| indented(line, 2)));
    lines
}

fn item_lines(items: &[Item], indent: usize) -> Vec<String> {
    items
        .iter()
        .flat_map(|item| one_item(item, indent))
        .collect()
}

fn one_item(item: &Item, indent: usize) -> Vec<String> {
    let room = WIDTH.saturating_sub(indent + 2);
    let short = inline(&item.value).filter(|short| fits(&item.value, short, room));
    let body = match (&item.value, short) {
        (_, Some(short)) => vec![short],
        (Yaml::Map(map), None) => (map.fields.iter())
            .flat_map(|field| field_lines(field, indent + 2))
            .collect(),
        (Yaml::List(inner), None) => item_lines(inner, indent + 2),
        (scalar, None) => inline(scalar).into_iter().collect(),
    };
    let mut lines: Vec<String> = item.above.iter().map(|line| commented(line)).collect();
    let mut own: Vec<String> = Vec::new();
    for line in body {
        // A comment cannot stand behind the dash: it goes above the entry.
        match own.is_empty() && line.starts_with('#') {
            true => lines.push(line),
            false if own.is_empty() => own.push(format!("- {line}")),
            false => own.push(indented(&line, 2)),
        }
    }
    if let Some(beside) = &item.beside {
        match own.as_mut_slice() {
            [only] if only.chars().count() + beside.chars().count() <= WIDTH => {
                *only = format!("{only}  {}", commented(beside))
            }
            _ => lines.push(commented(beside)),
        }
    }
    match item.muted {
        true => lines.extend(own.iter().map(|line| format!("# {line}"))),
        false => lines.extend(own),
    }
    lines
}

/// May it stand in one line?
fn fits(value: &Yaml, short: &str, room: usize) -> bool {
    match value {
        Yaml::Raw(_) | Yaml::Text(_) => true,
        Yaml::List(items) if items.is_empty() => true,
        Yaml::Map(map) if map.fields.is_empty() => true,
        Yaml::List(items) => {
            let plain = |item: &Item| match &item.value {
                Yaml::Raw(_) | Yaml::Text(_) => true,
                Yaml::Map(map) => map.flow,
                Yaml::List(_) => false,
            };
            items.iter().all(plain) && short.chars().count() <= room
        }
        Yaml::Map(map) => map.flow && short.chars().count() <= room,
    }
}

/// A value in one line; `None` where it holds comments.
fn inline(value: &Yaml) -> Option<String> {
    Some(match value {
        Yaml::Raw(raw) => raw.clone(),
        Yaml::Text(text) => scalar::word(text),
        Yaml::List(items) => {
            let bare = |item: &Item| item.above.is_empty() && item.beside.is_none() && !item.muted;
            if !items.iter().all(bare) {
                return None;
            }
            let words: Option<Vec<String>> = items.iter().map(|i| inline(&i.value)).collect();
            format!("[{}]", words?.join(", "))
        }
        Yaml::Map(map) => {
            let fields: Option<Vec<String>> = (map.fields.iter())
                .map(|f| Some(format!("{}: {}", scalar::word(&f.key), inline(&f.value)?)))
                .collect();
            format!("{{{}}}", fields?.join(", "))
        }
    })
}

fn indented(line: &str, by: usize) -> String {
    match line.is_empty() {
        true => String::new(),
        false => format!("{}{line}", " ".repeat(by)),
    }
}

#[cfg(test)]
mod tests;
