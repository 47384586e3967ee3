//! What is made of a segment's output.

use std::ops::Range;

use super::kernel::linear::{Activations, Store, linear};
use super::kernel::pack::Aligned;
use super::kernel::rows::{Packing, Step, gelu_all, norm, pack};
use super::threads::Threads;
use super::trunk::{PackedHead, PackedStage, Trunk};
use crate::encoder::Packed;
use crate::weights::{Parts, Pooling, Then};

impl Trunk {
    /// The head's output. `x` has a row a token, or only the first of each sequence.
    pub(super) fn head(
        &self,
        threads: &Threads,
        head: &PackedHead,
        x: &[f32],
        batch: &Packed,
    ) -> Vec<f32> {
        let mut rows = self.pool(head.pooling, x, batch);
        let mut width = self.hidden;
        for stage in &head.stages {
            rows = self.stage(threads, stage, rows, width);
            width = stage.map.outputs;
        }
        if let Pooling::Worst(parts) = head.pooling {
            rows = worst(parts, &rows, width, batch);
        }
        if head.unit {
            for row in rows.chunks_exact_mut(width) {
                let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
                // A vector of zeros has no direction; it stays as it is.
                let factor = 1.0 / length.max(1e-12);
                row.iter_mut().for_each(|x| *x *= factor);
            }
        }
        rows
    }

    fn pool(&self, pooling: Pooling, x: &[f32], batch: &Packed) -> Vec<f32> {
        let hidden = self.hidden;
        match pooling {
            Pooling::None => x.to_vec(),
            Pooling::First if x.len() == batch.sequences() * hidden => x.to_vec(),
            Pooling::First => batch
                .ranges()
                .flat_map(|range| x[range.start * hidden..][..hidden].iter().copied())
                .collect(),
            Pooling::Mean => means(x, hidden, batch.ranges()),
            Pooling::Worst(parts) => {
                let ranges = batch.ranges().flat_map(|sequence| {
                    let parts = parts.of(sequence.len());
                    parts.map(move |part| sequence.start + part.start..sequence.start + part.end)
                });
                means(x, hidden, ranges)
            }
        }
    }

    fn stage(
        &self,
        threads: &Threads,
        stage: &PackedStage,
        mut rows: Vec<f32>,
        width: usize,
    ) -> Vec<f32> {
        let (isa, map) = (self.isa, &stage.map);
        let count = rows.len() / width;
        let mut words = Aligned::zeros(count * map.words);
        let mut scales = vec![0.0; count];
        let packing = Packing {
            map,
            words: words.get_mut(),
            scales: &mut scales,
        };
        pack(isa, threads, Step::Copy, &mut rows, width, packing);
        let mut out = vec![0.0; count * map.outputs];
        let rows = Activations {
            words: words.get(),
            scales: &scales,
        };
        linear(isa, threads, map, rows, &mut out, Store::Set);
        match stage.then {
            Then::Nothing => {}
            Then::Tanh => out.iter_mut().for_each(|x| *x = x.tanh()),
            Then::Relu => out.iter_mut().for_each(|x| *x = x.max(0.0)),
            Then::Gelu => gelu_all(isa, &mut out),
        }
        if let Some(part) = &stage.norm {
            norm(isa, threads, part, self.norm_eps, &mut out, map.outputs);
        }
        out
    }
}

/// The mean of each range of rows.
fn means(x: &[f32], hidden: usize, ranges: impl Iterator<Item = Range<usize>>) -> Vec<f32> {
    let mut means = Vec::new();
    for range in ranges {
        let (at, count) = (means.len(), range.len() as f32);
        means.resize(at + hidden, 0.0);
        let mean = &mut means[at..];
        for row in x[range.start * hidden..range.end * hidden].chunks_exact(hidden) {
            mean.iter_mut().zip(row).for_each(|(to, x)| *to += x);
        }
        mean.iter_mut().for_each(|x| *x /= count);
    }
    means
}

/// Of each sequence's rows, one for each part, the worst.
fn worst(parts: Parts, rows: &[f32], width: usize, batch: &Packed) -> Vec<f32> {
    let mut left = rows;
    let mut kept = Vec::with_capacity(batch.sequences() * width);
    for sequence in batch.ranges() {
        let (own, rest) = left.split_at(parts.of(sequence.len()).count() * width);
        kept.extend_from_slice(Parts::worst(own, width).unwrap_or_default());
        left = rest;
    }
    kept
}
