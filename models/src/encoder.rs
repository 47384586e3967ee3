//! An encoder as the engine sees it: packed token ids in, one table of numbers a head out.
//!
//! Whoever implements [`Encoder`] knows one way to run a model (candle on the CPU or on a GPU, the packed kernels);
//! whoever uses it need not know which.

use std::fmt::Debug;
use std::ops::Range;

use crate::ModelError;

/// Token sequences, one after another without padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

impl Packed {
    /// Adds a sequence, with the special tokens that the model wants around it.
    ///
    /// # Panics
    /// On an empty sequence: a model has nothing to say about one.
    pub fn push(&mut self, ids: &[u32]) {
        assert!(!ids.is_empty(), "a sequence has at least one token");
        self.ids.extend_from_slice(ids);
        self.ends.push(self.ids.len());
    }

    /// All ids of all sequences.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many sequences.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.ends.len()
    }

    /// Where each sequence lies in [`Packed::ids`].
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        (0..self.ends.len()).map(|index| {
            let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
            start..self.ends[index]
        })
    }

    /// The same sequences in as many batches as it takes so that none has more than `tokens` tokens, unless it is one
    /// sequence.
    pub fn groups(&self, tokens: usize) -> impl Iterator<Item = Self> + '_ {
        let mut ranges = self.ranges().peekable();
        std::iter::from_fn(move || {
            let mut group = Self::default();
            while let Some(range) = ranges
                .next_if(|range| group.ids.is_empty() || group.ids.len() + range.len() <= tokens)
            {
                group.push(&self.ids[range]);
            }
            (!group.ids.is_empty()).then_some(group)
        })
    }

    /// The number of tokens of the longest sequence.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.ranges().map(|range| range.len()).max().unwrap_or(0)
    }
}

/// What a head gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Logits of a sequence, one a label.
    Sequence,
    /// Logits of every token, one a label.
    Token,
    /// A vector of length 1 of a sequence.
    Embedding,
}

/// One thing that an encoder can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadInfo {
    /// By this name the configuration and the metrics know it.
    pub name: String,
    /// What it gives.
    pub task: Task,
    /// Names of the columns of its output, in order; empty for an embedding.
    pub labels: Vec<String>,
    /// Columns of its output.
    pub width: usize,
}

/// A table of numbers, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Columns; [`HeadInfo::width`].
    pub width: usize,
    /// `rows * width` numbers. Rows are sequences, for [`Task::Token`] they are all tokens of all sequences.
    pub values: Vec<f32>,
}

impl Output {
    /// The numbers of one row.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }
}

/// How much at once suits a device: more only makes whoever is in the batch wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Tokens of all sequences together.
    pub tokens: usize,
    /// Sequences.
    pub sequences: usize,
}

impl Batch {
    /// A CPU is busy with a few hundred tokens.
    pub const CPU: Self = Self {
        tokens: 512,
        sequences: 64,
    };
    /// A large GPU reads all weights for a batch, however small, and is busy from some thousands of tokens on.
    pub const GPU: Self = Self {
        tokens: 8192,
        sequences: 256,
    };
}

/// A model on a device: a trunk, or a tree of them, with heads.
pub trait Encoder: Send + Sync + Debug {
    /// What it can be asked for.
    fn heads(&self) -> &[HeadInfo];

    /// The most tokens a sequence may have, special ones included.
    fn max_tokens(&self) -> usize;

    /// The batches that suit it, for an engine whose options say nothing.
    fn batch(&self) -> Batch {
        Batch::CPU
    }

    /// Runs the batch through the layers that the wanted heads need, each once, and through those heads.
    ///
    /// `wanted` are indices into [`Encoder::heads`]; the outputs come in the same order. Every sequence gets what it
    /// would get alone, up to rounding.
    ///
    /// # Errors
    /// [`ModelError::Infer`] when the device fails, or an id is outside the vocabulary.
    fn forward(&self, batch: &Packed, wanted: &[usize]) -> Result<Vec<Output>, ModelError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_whole_sequences_in_order_and_no_larger_than_asked() {
        let lengths = [3, 4, 1, 9, 2, 2, 8];
        let mut batch = Packed::default();
        for (index, length) in lengths.into_iter().enumerate() {
            batch.push(&vec![index as u32; length]);
        }
        let of = |tokens: usize| -> Vec<Vec<usize>> {
            let groups: Vec<Packed> = batch.groups(tokens).collect();
            let ids: Vec<u32> = groups
                .iter()
                .flat_map(|group| group.ids().to_vec())
                .collect();
            assert_eq!(ids, batch.ids(), "{tokens}");
            let lengths = |group: &Packed| group.ranges().map(|range| range.len()).collect();
            groups.iter().map(lengths).collect()
        };
        assert_eq!(of(8), [vec![3, 4, 1], vec![9], vec![2, 2], vec![8]]);
        assert_eq!(of(1), lengths.map(|length| vec![length]));
        assert_eq!(of(29), [lengths.to_vec()]);
        assert_eq!(Packed::default().groups(8).count(), 0);
    }
}
