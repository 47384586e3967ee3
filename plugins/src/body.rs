//! The request body as plugins edit it: the client's bytes plus a list of changes, joined once per attempt.

mod edits;
mod sequence;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

pub use edits::{EditConflict, Edits};
use sequence::SequenceEdits;

use crate::json::{Document, Value, quote};

/// The body of one request with the changes that plugins asked for.
///
/// Two levels: top-level fields and messages are changed by name or index (later changes win and see earlier
/// ones), and any range of the original bytes can be replaced (redaction). Ranges are the lower level: who replaces a
/// field or a content sees the ranges replaced before, and takes them over. [`RequestBody::render`] joins both.
#[derive(Debug, Clone)]
pub struct RequestBody {
    doc: Arc<Document>,
    /// Top-level fields set (`Some`) or removed (`None`), as raw JSON.
    fields: BTreeMap<String, Option<String>>,
    /// Replaced `content` of original messages, as raw JSON, by index.
    contents: BTreeMap<usize, String>,
    /// New messages in front of the original message with that index, in order; index = count means the end.
    inserted: BTreeMap<usize, Vec<String>>,
    removed: Vec<usize>,
    ranges: Edits,
}

impl RequestBody {
    /// A body without changes.
    #[must_use]
    pub fn new(doc: Document) -> Self {
        Self {
            doc: Arc::new(doc),
            fields: BTreeMap::new(),
            contents: BTreeMap::new(),
            inserted: BTreeMap::new(),
            removed: Vec::new(),
            ranges: Edits::default(),
        }
    }

    /// The client's document, without changes.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.doc
    }

    /// The same document, shared, for a view that must outlive this borrow.
    #[must_use]
    pub fn share_document(&self) -> Arc<Document> {
        Arc::clone(&self.doc)
    }

    /// Has any plugin changed anything?
    #[must_use]
    pub fn is_changed(&self) -> bool {
        !(self.fields.is_empty()
            && self.contents.is_empty()
            && self.inserted.values().all(Vec::is_empty)
            && self.removed.is_empty()
            && self.ranges.is_empty())
    }

    /// The raw JSON of a top-level field as it stands after the changes so far; `None` where it is absent.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.fields.get(name) {
            Some(changed) => changed.as_deref().map(Cow::Borrowed),
            None => self.doc.root().get(name).map(|value| self.seen(value)),
        }
    }

    /// A value of the client with the ranges replaced in it.
    fn seen<'a>(&self, value: Value<'a>) -> Cow<'a, str> {
        match self.ranges.apply_within(self.doc.bytes(), value.range()) {
            Some(changed) => Cow::Owned(String::from_utf8_lossy(&changed).into_owned()),
            None => Cow::Borrowed(value.raw()),
        }
    }

    /// Sets a top-level field to `raw`, which must be valid JSON.
    pub fn set_field(&mut self, name: &str, raw: impl Into<String>) {
        self.fields.insert(name.to_owned(), Some(raw.into()));
    }

    /// Removes a top-level field; nothing happens where it is absent.
    pub fn remove_field(&mut self, name: &str) {
        if self.doc.root().get(name).is_some() {
            self.fields.insert(name.to_owned(), None);
        } else {
            self.fields.remove(name);
        }
    }

    fn messages(&self) -> Option<Value<'_>> {
        self.doc.root().get("messages")
    }

    /// How many messages the client sent.
    #[must_use]
    pub fn message_count(&self) -> usize {
        self.messages().map_or(0, |m| m.items().count())
    }

    /// Message `index` of the client.
    #[must_use]
    pub fn message(&self, index: usize) -> Option<Value<'_>> {
        self.messages()?.items().nth(index)
    }

    /// The raw JSON of a message's `content` after the changes so far; `None` where there is none.
    #[must_use]
    pub fn content(&self, index: usize) -> Option<Cow<'_, str>> {
        match self.contents.get(&index) {
            Some(raw) => Some(Cow::Borrowed(raw)),
            None => Some(self.seen(self.message(index)?.get("content")?)),
        }
    }

    /// Replaces the `content` of message `index`, which must have one, by `raw` JSON.
    pub fn set_content(&mut self, index: usize, raw: impl Into<String>) {
        self.contents.insert(index, raw.into());
    }

    /// Puts a new message (`raw` JSON object) in front of the client's message `index`; behind the last one where
    /// `index` is the message count. Messages inserted at the same place keep the order of the calls.
    pub fn insert_message(&mut self, index: usize, raw: impl Into<String>) {
        self.inserted.entry(index).or_default().push(raw.into());
    }

    /// The messages that plugins inserted in front of the client's message `index`, raw.
    #[must_use]
    pub fn inserted(&self, index: usize) -> &[String] {
        self.inserted.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The messages that plugins inserted in front of the client's message `index`, raw, to change them.
    pub fn inserted_messages(&mut self, index: usize) -> &mut Vec<String> {
        self.inserted.entry(index).or_default()
    }

    /// Drops the client's message `index`.
    pub fn remove_message(&mut self, index: usize) {
        if !self.removed.contains(&index) {
            self.removed.push(index);
        }
    }

    /// Is the client's message `index` dropped?
    #[must_use]
    pub fn is_removed(&self, index: usize) -> bool {
        self.removed.contains(&index)
    }

    /// Replaces a range of the client's bytes.
    ///
    /// # Errors
    /// [`EditConflict`] where the range overlaps another one that was replaced before, or lies in a field or content
    /// that was: what stands there now may hold a copy of the range, which would stay as it is.
    pub fn replace_range(
        &mut self,
        range: Range<usize>,
        with: impl Into<Bytes>,
    ) -> Result<(), EditConflict> {
        let fields = self.fields.iter().filter(|(_, raw)| raw.is_some());
        let fields = fields.filter_map(|(name, _)| self.doc.root().get(name));
        let contents = self.contents.keys();
        let contents = contents.filter_map(|&index| self.message(index)?.get("content"));
        let taken =
            |value: Value<'_>| value.range().start < range.end && range.start < value.range().end;
        if fields.chain(contents).any(taken) {
            return Err(EditConflict {
                start: range.start,
                end: range.end,
            });
        }
        self.ranges.replace(range, with)
    }

    /// The final bytes: the client's own where nothing changed (no copy), else one copy with all changes, plus
    /// the `last` fields, which win over changes made before (the model's name and what its family needs).
    ///
    /// # Errors
    /// [`EditConflict`] where a replaced range lies across the border of something that was replaced or removed.
    pub fn render(&self, last: &[(&str, Option<String>)]) -> Result<Bytes, EditConflict> {
        let root = self.doc.root();
        let mut edits = self.ranges.clone();
        if !edits.is_empty() {
            self.drop_covered(last, &mut edits);
        }
        let mut object = SequenceEdits::object(root);
        let fields = self
            .fields
            .iter()
            .map(|(name, raw)| (name.as_str(), raw.as_deref()))
            .filter(|(name, _)| !last.iter().any(|(other, _)| other == name))
            .chain(last.iter().map(|(name, raw)| (*name, raw.as_deref())));
        let mut messages_replaced = false;
        for (name, raw) in fields {
            messages_replaced |= name == "messages";
            set_member(&mut object, &mut edits, root, name, raw)?;
        }
        object.write(&mut edits)?;
        if !messages_replaced && let Some(messages) = self.messages() {
            self.render_messages(messages, &mut edits)?;
        }
        Ok(edits.apply(self.doc.bytes()))
    }

    /// Ranges inside what is replaced as a whole or removed are gone with it.
    fn drop_covered(&self, last: &[(&str, Option<String>)], edits: &mut Edits) {
        let names = self.fields.keys().map(String::as_str);
        let fields = names.chain(last.iter().map(|(name, _)| *name));
        for value in fields.filter_map(|name| self.doc.root().get(name)) {
            edits.drop_within(&value.range());
        }
        for message in self.removed.iter().filter_map(|&index| self.message(index)) {
            edits.drop_within(&message.range());
        }
        for &index in self.contents.keys() {
            if let Some(content) = self.message(index).and_then(|m| m.get("content")) {
                edits.drop_within(&content.range());
            }
        }
    }

    fn render_messages(&self, messages: Value<'_>, edits: &mut Edits) -> Result<(), EditConflict> {
        for (&index, raw) in &self.contents {
            if self.removed.contains(&index) {
                continue;
            }
            let content = messages.items().nth(index).and_then(|m| m.get("content"));
            if let Some(content) = content {
                edits.replace(content.range(), raw.clone())?;
            }
        }
        if self.removed.is_empty() && self.inserted.values().all(Vec::is_empty) {
            return Ok(());
        }
        let mut array = SequenceEdits::array(messages);
        for &index in &self.removed {
            array.remove(index);
        }
        for (&index, raws) in &self.inserted {
            for raw in raws {
                array.insert(index, raw.clone());
            }
        }
        array.write(edits)
    }
}

fn set_member(
    object: &mut SequenceEdits,
    edits: &mut Edits,
    root: Value<'_>,
    name: &str,
    raw: Option<&str>,
) -> Result<(), EditConflict> {
    let present = root
        .members()
        .enumerate()
        .find(|(_, member)| member.name_is(name));
    match (present, raw) {
        (Some((_, member)), Some(raw)) => {
            if member.value.raw() != raw {
                edits.replace(member.value.range(), raw.to_owned())?;
            }
        }
        (Some((index, _)), None) => object.remove(index),
        (None, Some(raw)) => object.insert(0, format!("{}:{raw}", quote(name))),
        (None, None) => {}
    }
    Ok(())
}
