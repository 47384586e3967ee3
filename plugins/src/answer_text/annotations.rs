//! What points into a text by offsets: `annotations` of the chat and Responses APIs. When the text changes, they follow it
//! or go, so that none points to something else. Offsets count characters.

use std::ops::Range;

use super::{Channel, Place};
use crate::body::Edits;
use crate::json::{Document, Kind, Value};

/// The annotations of a text in a document.
#[derive(Debug)]
pub(super) struct Notes {
    pub(super) channel: Channel,
    /// The array, or the one annotation.
    pub(super) range: Range<usize>,
    pub(super) items: Vec<Note>,
}

/// One annotation.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) range: Range<usize>,
    /// Where its offsets stand in the document, and what they are.
    start: Option<(Range<usize>, usize)>,
    end: Option<(Range<usize>, usize)>,
    /// Its one position, which may count something else than characters.
    index: Option<usize>,
}

impl Notes {
    pub(super) fn read(channel: Channel, value: Value<'_>) -> Option<Self> {
        let items: Vec<Note> = match value.kind() {
            Kind::Array => value.items().map(Note::read).collect(),
            Kind::Object => vec![Note::read(value)],
            _ => return None,
        };
        (!items.is_empty()).then(|| Self {
            channel,
            range: value.range(),
            items,
        })
    }

    /// Writes the annotations that `kept` says, with their JSON.
    pub(super) fn write(&self, edits: &mut Edits, doc: &Document, kept: &[Option<String>]) {
        let same = self.items.iter().zip(kept).all(|(note, kept)| {
            kept.as_ref()
                .is_some_and(|kept| *kept.as_bytes() == doc.bytes()[note.range.clone()])
        });
        if !same {
            let kept: Vec<&str> = kept.iter().flatten().map(String::as_str).collect();
            // Annotations are values of their own, which overlap no text.
            let _ = edits.replace(self.range.clone(), format!("[{}]", kept.join(",")));
        }
    }
}

impl Note {
    fn read(value: Value<'_>) -> Self {
        let number = |value: Value<'_>, name: &str| {
            let number = value.get(name)?;
            Some((number.range(), usize::try_from(number.as_u64()?).ok()?))
        };
        // The chat API has the offsets in an object of the annotation's type.
        let inner = value.members().map(|member| member.value);
        let inner = inner.filter(|value| value.kind() == Kind::Object);
        let mut places = std::iter::once(value).chain(inner);
        let place = places
            .find(|value| value.get("start_index").is_some() || value.get("end_index").is_some());
        Self {
            range: value.range(),
            start: place.and_then(|place| number(place, "start_index")),
            end: place.and_then(|place| number(place, "end_index")),
            index: number(value, "index").map(|(_, index)| index),
        }
    }

    /// What it points to.
    pub(super) fn piece(&self) -> Option<Range<usize>> {
        let at = |place: &Option<(Range<usize>, usize)>| place.as_ref().map(|(_, at)| *at);
        let (start, end) = (at(&self.start), at(&self.end));
        let start = start.or(end).or(self.index)?;
        Some(start..end.unwrap_or(start).max(start))
    }

    /// Its JSON where it points to `place`; `None` where it cannot.
    pub(super) fn at(&self, doc: &Document, place: &Place) -> Option<String> {
        let Place::At(place) = place else { return None };
        let single = self.start.is_none() && self.end.is_none();
        if single && self.index.is_some_and(|index| index != place.start) {
            return None;
        }
        let mut edits = Edits::default();
        for (number, to) in [(&self.start, place.start), (&self.end, place.end)] {
            if let Some((range, from)) = number
                && *from != to
            {
                let _ = edits.replace(range.clone(), to.to_string());
            }
        }
        let bytes = edits.apply(doc.bytes());
        let longer = bytes.len().checked_sub(doc.bytes().len());
        let end = match longer {
            Some(longer) => self.range.end + longer,
            None => self.range.end - (doc.bytes().len() - bytes.len()),
        };
        let json = bytes.get(self.range.start..end)?;
        String::from_utf8(json.to_vec()).ok()
    }
}
