//! Replacements of byte ranges, applied in one copy.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Two edits claim the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two edits of the request body overlap at bytes {start}..{end}")]
pub struct EditConflict {
    /// First byte that both claim.
    pub start: usize,
    /// End of the later edit.
    pub end: usize,
}

/// A sorted list of replacements that do not overlap.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    list: Vec<(Range<usize>, Bytes)>,
}

impl Edits {
    /// Nothing to do?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Replaces `range` by `with`; the same range again replaces the earlier replacement, and an empty range
    /// inserts (several insertions at one place keep their order).
    ///
    /// # Errors
    /// [`EditConflict`] where `range` overlaps an earlier one without being equal to it.
    pub fn replace(
        &mut self,
        range: Range<usize>,
        with: impl Into<Bytes>,
    ) -> Result<(), EditConflict> {
        let with = with.into();
        let conflict = EditConflict {
            start: range.start,
            end: range.end,
        };
        if range.start > range.end {
            return Err(conflict);
        }
        // Insertions go behind those at the same place and in front of a replacement that starts there.
        let at = self.list.partition_point(|(other, _)| {
            other.start < range.start || (other.start == range.start && other.is_empty())
        });
        if let Some((previous, _)) = at.checked_sub(1).and_then(|i| self.list.get(i))
            && previous.end > range.start
        {
            return Err(conflict);
        }
        if let Some((next, replacement)) = self.list.get_mut(at) {
            if *next == range && !range.is_empty() {
                *replacement = with;
                return Ok(());
            }
            if next.start < range.end {
                return Err(conflict);
            }
        }
        self.list.insert(at, (range, with));
        Ok(())
    }

    /// `original` with the replacements; the same buffer where there are none.
    #[must_use]
    pub fn apply(&self, original: &Bytes) -> Bytes {
        if self.list.is_empty() {
            return original.clone();
        }
        join(&self.list, original, 0..original.len())
    }

    /// The part `range` of `original` with the replacements inside it; `None` where there are none.
    #[must_use]
    pub(super) fn apply_within(&self, original: &Bytes, range: Range<usize>) -> Option<Bytes> {
        let first = self
            .list
            .partition_point(|(other, _)| other.start < range.start);
        let inside = &self.list[first..];
        let count = inside.partition_point(|(other, _)| other.end <= range.end);
        (count > 0).then(|| join(&inside[..count], original, range))
    }

    /// Forgets the replacements inside `range`.
    pub(super) fn drop_within(&mut self, range: &Range<usize>) {
        self.list
            .retain(|(other, _)| other.start < range.start || other.end > range.end);
    }
}

/// The part `whole` of `original` with the replacements of `list`, which lie inside it.
fn join(list: &[(Range<usize>, Bytes)], original: &Bytes, whole: Range<usize>) -> Bytes {
    let added: usize = list.iter().map(|(_, with)| with.len()).sum();
    let end = whole.end.min(original.len());
    let mut at = whole.start.min(end);
    let mut out = BytesMut::with_capacity(end - at + added);
    for (range, with) in list {
        let start = range.start.clamp(at, end);
        out.extend_from_slice(&original[at..start]);
        out.extend_from_slice(with);
        at = range.end.clamp(start, end);
    }
    out.extend_from_slice(&original[at..end]);
    out.freeze()
}
