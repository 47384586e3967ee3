//! A batch in the order and the groups that attention wants.

use std::cell::OnceCell;

use candle_core::{DType, Device, Result, Tensor};

use super::fused::QUERIES;
use crate::encoder::Packed;

/// A score that leaves nothing of a token. Finite, so that a row of nothing but padding is no NaN.
pub(super) fn never(dtype: DType) -> f32 {
    match dtype {
        DType::F16 => -6e4,
        _ => -1e30,
    }
}

/// The batch, longest sequence first.
#[derive(Debug)]
pub(super) struct Plan {
    /// A token's id a row.
    pub(super) ids: Tensor,
    /// A token's place in its sequence a row.
    pub(super) positions: Tensor,
    /// The sequences of the batch in the order of the rows.
    pub(super) order: Vec<usize>,
    /// The rows of each sequence, in the batch's order: first row and tokens.
    pub(super) rows: Vec<(usize, usize)>,
    pub(super) groups: Vec<Group>,
    pub(super) device: Device,
    tiles: OnceCell<Tensor>,
}

/// Sequences whose attention is computed together.
#[derive(Debug)]
pub(super) struct Group {
    start: usize,
    tokens: usize,
    /// How many.
    pub(super) sequences: usize,
    /// Tokens of the longest; the others are padded to it.
    pub(super) longest: usize,
    padding: Option<Padding>,
    /// What all layers need, made by the first that does.
    pub(super) shared: Shared,
}

/// Tables that depend on the group alone.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// See [`Group::mask`].
    mask: OnceCell<Tensor>,
    /// The mask of layers with a window.
    pub(super) near: OnceCell<Tensor>,
    /// The rows of relative positions that columns take, for keys and for queries.
    pub(super) relative: [OnceCell<Tensor>; 2],
}

/// What the cell has; makes it where it is empty.
pub(super) fn once(
    cell: &OnceCell<Tensor>,
    make: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    match cell.get() {
        Some(tensor) => Ok(tensor.clone()),
        None => {
            let tensor = make()?;
            Ok(cell.get_or_init(|| tensor).clone())
        }
    }
}

#[derive(Debug)]
struct Padding {
    /// The group's first row.
    start: usize,
    lengths: Vec<usize>,
    /// For each place of the padded group the row that goes there; any row where there is padding. Made where it is
    /// wanted, like the next: attention without padding never asks.
    from: OnceCell<Tensor>,
    /// For each row its place in the padded group.
    to: OnceCell<Tensor>,
}

impl Plan {
    /// `padding` is the part of a group that may be padding, `max_scores` the most attention scores of a head.
    pub(super) fn new(
        batch: &Packed,
        padding: f64,
        max_scores: usize,
        device: &Device,
    ) -> Result<Self> {
        let ranges: Vec<_> = batch.ranges().collect();
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(ranges[*index].len()));
        let (mut ids, mut positions) = (Vec::new(), Vec::new());
        let mut rows = vec![(0, 0); ranges.len()];
        for index in &order {
            let range = ranges[*index].clone();
            rows[*index] = (ids.len(), range.len());
            positions.extend(0..range.len() as u32);
            ids.extend_from_slice(&batch.ids()[range]);
        }
        let mut groups = Vec::new();
        let mut rest = &order[..];
        let mut start = 0;
        while let Some(first) = rest.first() {
            let longest = ranges[*first].len();
            let lengths: Vec<usize> = rest.iter().map(|index| ranges[*index].len()).collect();
            let count = fitting(&lengths, longest, padding, max_scores);
            let group = Group::new(start, &lengths[..count]);
            start += group.tokens;
            groups.push(group);
            rest = &rest[count..];
        }
        Ok(Self {
            ids: Tensor::new(&ids[..], device)?,
            positions: Tensor::new(&positions[..], device)?,
            order,
            rows,
            groups,
            device: device.clone(),
            tiles: OnceCell::new(),
        })
    }

    /// What the blocks of the attention kernels work on, longest sequences first: three numbers each, a sequence's first
    /// row, its tokens, and the first of the block's queries.
    pub(super) fn tiles(&self) -> Result<Tensor> {
        once(&self.tiles, || {
            let tiles = self.order.iter().flat_map(|sequence| {
                let (start, tokens) = self.rows[*sequence];
                let firsts = (0..tokens).step_by(QUERIES);
                firsts.flat_map(move |first| [start, tokens, first].map(|value| value as u32))
            });
            Tensor::new(tiles.collect::<Vec<_>>(), &self.device)
        })
    }
}

/// How many of the sequences, longest first, may share a group; at least one.
fn fitting(lengths: &[usize], longest: usize, padding: f64, max_scores: usize) -> usize {
    let mut tokens = 0;
    for (index, length) in lengths.iter().enumerate() {
        tokens += length;
        let places = (index + 1) * longest;
        let wasted = (places - tokens) as f64;
        if index > 0 && (wasted > padding * places as f64 || places * longest > max_scores) {
            return index;
        }
    }
    lengths.len()
}

impl Group {
    fn new(start: usize, lengths: &[usize]) -> Self {
        let longest = lengths[0];
        let tokens = lengths.iter().sum();
        let padding = if tokens == longest * lengths.len() {
            None
        } else {
            Some(Padding {
                start,
                lengths: lengths.to_vec(),
                from: OnceCell::new(),
                to: OnceCell::new(),
            })
        };
        Self {
            start,
            tokens,
            sequences: lengths.len(),
            longest,
            padding,
            shared: Shared::default(),
        }
    }

    /// The group's part of a table with a row a token, with a row a place.
    pub(super) fn pad(&self, rows: &Tensor) -> Result<Tensor> {
        match &self.padding {
            Some(padding) => rows.index_select(&padding.from(rows.device())?, 0),
            None => rows.narrow(0, self.start, self.tokens),
        }
    }

    /// The other way around.
    pub(super) fn unpad(&self, places: &Tensor) -> Result<Tensor> {
        match &self.padding {
            Some(padding) => places.index_select(&padding.to(places.device())?, 0),
            None => Ok(places.clone()),
        }
    }

    /// Tokens of each sequence, where they are not all the longest.
    pub(super) fn lengths(&self) -> Option<&[usize]> {
        self.padding.as_ref().map(|padding| &*padding.lengths)
    }

    /// What to add to scores so that padding gets nothing: `1 × sequences × 1 × longest`.
    pub(super) fn mask(&self, device: &Device, dtype: DType) -> Result<Option<Tensor>> {
        let Some(lengths) = self.lengths() else {
            return Ok(None);
        };
        let mask = once(&self.shared.mask, || {
            let never = never(dtype);
            let score = |place: usize, length: usize| if place < length { 0.0 } else { never };
            let values: Vec<f32> = lengths
                .iter()
                .flat_map(|length| (0..self.longest).map(move |place| score(place, *length)))
                .collect();
            let shape = (1, self.sequences, 1, self.longest);
            Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
        })?;
        Ok(Some(mask))
    }
}

impl Padding {
    fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or_default()
    }

    fn from(&self, device: &Device) -> Result<Tensor> {
        once(&self.from, || {
            let (mut from, mut row) = (Vec::new(), self.start);
            for length in &self.lengths {
                // Padding repeats the last token: any finite numbers do.
                from.extend((0..self.longest()).map(|place| (row + place.min(length - 1)) as u32));
                row += length;
            }
            Tensor::new(from, device)
        })
    }

    fn to(&self, device: &Device) -> Result<Tensor> {
        once(&self.to, || {
            let longest = self.longest();
            let places = self.lengths.iter().enumerate();
            let to = places.flat_map(|(sequence, length)| {
                (0..*length).map(move |place| (sequence * longest + place) as u32)
            });
            Tensor::new(to.collect::<Vec<_>>(), device)
        })
    }
}
