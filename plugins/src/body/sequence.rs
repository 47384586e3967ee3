//! Inserting and removing members of an object or items of an array, commas included.

use std::ops::Range;

use super::{EditConflict, Edits};
use crate::json::Value;

/// Changes to one object's or array's parts.
pub(super) struct SequenceEdits {
    /// First byte behind the opening bracket, and the closing bracket's position.
    inside: Range<usize>,
    parts: Vec<Range<usize>>,
    removed: Vec<bool>,
    /// (in front of which part, text)
    inserted: Vec<(usize, String)>,
}

impl SequenceEdits {
    pub(super) fn object(value: Value<'_>) -> Self {
        Self::new(
            value,
            value.members().map(|member| member.range()).collect(),
        )
    }

    pub(super) fn array(value: Value<'_>) -> Self {
        Self::new(value, value.items().map(|item| item.range()).collect())
    }

    fn new(value: Value<'_>, parts: Vec<Range<usize>>) -> Self {
        let range = value.range();
        Self {
            inside: range.start + 1..range.end - 1,
            removed: vec![false; parts.len()],
            parts,
            inserted: Vec::new(),
        }
    }

    pub(super) fn remove(&mut self, part: usize) {
        if let Some(removed) = self.removed.get_mut(part) {
            *removed = true;
        }
    }

    pub(super) fn insert(&mut self, before: usize, text: String) {
        self.inserted.push((before.min(self.parts.len()), text));
    }

    /// Turns the changes into byte edits.
    pub(super) fn write(mut self, edits: &mut Edits) -> Result<(), EditConflict> {
        if self.removed.contains(&true) {
            return self.write_rebuilt(edits);
        }
        self.inserted.sort_by_key(|(before, _)| *before);
        let count = self.parts.len();
        let mut first = true;
        for (before, text) in self.inserted {
            let (at, text) = match self.parts.get(before) {
                Some(part) => (part.start, format!("{text},")),
                None if count > 0 => (self.parts[count - 1].end, format!(",{text}")),
                None if first => (self.inside.start, text),
                None => (self.inside.start, format!(",{text}")),
            };
            first = false;
            edits.replace(at..at, text)?;
        }
        Ok(())
    }

    /// With removals the commas are written anew: everything between the surviving parts goes, the parts stay.
    fn write_rebuilt(mut self, edits: &mut Edits) -> Result<(), EditConflict> {
        self.inserted.sort_by_key(|(before, _)| *before);
        let mut inserted = self.inserted.into_iter().peekable();
        let mut gap_start = self.inside.start;
        let mut glue = String::new();
        let mut any = false;
        let push = |glue: &mut String, any: &mut bool, text: &str| {
            if *any {
                glue.push(',');
            }
            glue.push_str(text);
            *any = true;
        };
        for (index, part) in self.parts.iter().enumerate() {
            while let Some((_, text)) = inserted.next_if(|(before, _)| *before <= index) {
                push(&mut glue, &mut any, &text);
            }
            if self.removed[index] {
                continue;
            }
            push(&mut glue, &mut any, "");
            edits.replace(gap_start..part.start, std::mem::take(&mut glue))?;
            gap_start = part.end;
        }
        for (_, text) in inserted {
            push(&mut glue, &mut any, &text);
        }
        edits.replace(gap_start..self.inside.end, glue)
    }
}
