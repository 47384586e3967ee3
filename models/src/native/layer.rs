//! One layer, and the embeddings before the first.

use super::kernel::attend::{Attended, Blocks, attend, prepare};
use super::kernel::linear::{Activations, Store, linear};
use super::kernel::pack::PackedLinear;
use super::kernel::rows::{Packing, Step, norm, pack};
use super::scratch::Scratch;
use super::threads::Threads;
use super::trunk::{PackedLayer, Trunk};
use crate::weights::NormOrder;

/// Rows that go through a feed-forward together, for each thread: their inner numbers, the widest of all, stay in the
/// second-level cache until they are read.
const ROWS: usize = 128;

impl Trunk {
    /// The first layer's input.
    pub(super) fn embed(&self, threads: &Threads, ids: &[u32], scratch: &Scratch, to: &mut [f32]) {
        let hidden = self.hidden;
        let part = &self.embeddings;
        let chunk = threads.chunk(ids.len());
        let places = &scratch.places;
        threads.rows(
            chunk,
            (&mut *to, hidden),
            (&mut [], 0),
            (&mut [], 0),
            |index, rows, _: &mut [u32], _: &mut [u32]| {
                let mut position = vec![0.0; hidden];
                for (offset, row) in rows.chunks_exact_mut(hidden).enumerate() {
                    let token = index * chunk + offset;
                    part.words.row_into(ids[token] as usize, row);
                    if let Some(positions) = &part.positions {
                        let at = token - places[token].start + part.first_position;
                        positions.row_into(at, &mut position);
                        add(row, &position);
                    }
                    if let Some(token_type) = &part.token_type {
                        add(row, token_type);
                    }
                }
            },
        );
        if let Some(part) = &part.norm {
            norm(self.isa, threads, part, self.norm_eps, to, hidden);
        }
    }

    /// Runs a layer over `x`. With `picked`, only those rows are wanted of it; they then are at the front of `x`.
    pub(super) fn layer(
        &self,
        threads: &Threads,
        layer: &PackedLayer,
        x: &mut [f32],
        picked: Option<&[usize]>,
        scratch: &mut Scratch,
    ) {
        self.attention(threads, layer, x, picked, scratch);
        let rows = picked.map_or(x.len() / self.hidden, <[usize]>::len);
        let x = &mut x[..rows * self.hidden];
        let step = match (self.norm_order, &layer.attention_norm) {
            (NormOrder::Post, Some(norm)) => self.norm_step(norm, true),
            _ => self.norm_step(&layer.feed_forward_norm, false),
        };
        let width = layer.up.outputs;
        let at_once = ROWS * threads.count();
        let mut inner =
            std::mem::replace(&mut scratch.inner, super::kernel::pack::Aligned::zeros(0));
        inner.reserve(rows.min(at_once) * width);
        for x in x.chunks_mut(at_once * self.hidden) {
            let numbers = &mut inner.get_mut()[..x.len() / self.hidden * width];
            let (up, down) = (&layer.up, &layer.down);
            let hidden = (&mut *x, self.hidden);
            self.map(threads, step, hidden, up, numbers, Store::Set, scratch);
            let step = Step::Activate(self.activation);
            let numbers = (numbers, width);
            self.map(threads, step, numbers, down, x, Store::Add, scratch);
        }
        scratch.inner = inner;
        if self.norm_order == NormOrder::Post {
            let part = &layer.feed_forward_norm;
            norm(self.isa, threads, part, self.norm_eps, x, self.hidden);
        }
    }

    /// Attention and what it adds to `x`.
    fn attention(
        &self,
        threads: &Threads,
        layer: &PackedLayer,
        x: &mut [f32],
        picked: Option<&[usize]>,
        scratch: &mut Scratch,
    ) {
        let hidden = self.hidden;
        let tokens = x.len() / hidden;
        let step = match (self.norm_order, &layer.attention_norm) {
            (NormOrder::Pre, Some(norm)) => self.norm_step(norm, false),
            _ => Step::Copy,
        };
        let mut qkv = std::mem::replace(&mut scratch.qkv, super::kernel::pack::Aligned::zeros(0));
        qkv.reserve(tokens * 3 * hidden);
        let rows = &mut qkv.get_mut()[..tokens * 3 * hidden];
        self.map(
            threads,
            step,
            (x, hidden),
            &layer.qkv,
            rows,
            Store::Set,
            scratch,
        );
        let (angles, window) = match &self.angles {
            Some((_, local)) if layer.local => (Some(local), Some(self.window)),
            Some((global, _)) => (Some(global), None),
            None => (None, None),
        };
        let blocks = Blocks {
            keys: scratch.keys.reserve(self.shape.keys(tokens)),
            values: scratch.values.reserve(self.shape.values(tokens)),
        };
        prepare(
            self.isa,
            threads,
            self.shape,
            angles,
            &scratch.places,
            rows,
            blocks,
        );
        let queries = picked.unwrap_or(&scratch.all);
        let mut context =
            std::mem::replace(&mut scratch.context, super::kernel::pack::Aligned::zeros(0));
        context.reserve(queries.len() * hidden);
        let found = &mut context.get_mut()[..queries.len() * hidden];
        let from = Attended {
            qkv: rows,
            keys: scratch.keys.get(),
            values: scratch.values.get(),
            places: &scratch.places,
            window,
        };
        attend(self.isa, threads, self.shape, from, queries, found);
        if let Some(picked) = picked {
            gather(x, picked, hidden);
        }
        let x = &mut x[..queries.len() * hidden];
        let map = &layer.attention_out;
        self.map(
            threads,
            Step::Copy,
            (found, hidden),
            map,
            x,
            Store::Add,
            scratch,
        );
        scratch.qkv = qkv;
        scratch.context = context;
    }

    fn norm_step<'a>(&self, norm: &'a crate::weights::Norm, keep: bool) -> Step<'a> {
        Step::Norm {
            norm,
            eps: self.norm_eps,
            keep,
        }
    }

    /// Takes a step on the rows, and maps what comes of it.
    #[allow(clippy::too_many_arguments)]
    fn map(
        &self,
        threads: &Threads,
        step: Step<'_>,
        (rows, width): (&mut [f32], usize),
        map: &PackedLinear,
        to: &mut [f32],
        store: Store,
        scratch: &mut Scratch,
    ) {
        let count = rows.len() / width;
        let words = scratch.words.reserve(count * map.words);
        if scratch.scales.len() < count {
            scratch.scales.resize(count, 0.0);
        }
        let packing = Packing {
            map,
            words,
            scales: &mut scratch.scales,
        };
        pack(self.isa, threads, step, rows, width, packing);
        let rows = Activations {
            words: scratch.words.get(),
            scales: &scratch.scales,
        };
        linear(self.isa, threads, map, rows, to, store);
    }
}

/// Moves the picked rows, which are in order, to the front.
fn gather(x: &mut [f32], picked: &[usize], width: usize) {
    for (to, from) in picked.iter().enumerate() {
        x.copy_within(from * width..(from + 1) * width, to * width);
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
