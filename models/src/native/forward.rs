//! A forward pass through the tree of segments.

use super::kernel::attend::Place;
use super::kernel::pack::Aligned;
use super::kernel::rows::norm;
use super::scratch::Scratch;
use super::threads::Threads;
use super::trunk::Trunk;
use crate::ModelError;
use crate::encoder::Packed;
use crate::weights::Pooling;

impl Trunk {
    /// Each wanted head's numbers, in the order of `wanted`.
    pub(super) fn forward(
        &self,
        threads: &Threads,
        batch: &Packed,
        wanted: &[usize],
        scratch: &mut Scratch,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        self.check(batch, wanted)?;
        lay_out(batch, scratch);
        let mut outputs = vec![Vec::new(); wanted.len()];
        let needed = self.needed(wanted);
        let mut kept: Vec<Option<Aligned<f32>>> = self.segments.iter().map(|_| None).collect();
        let length = batch.ids().len() * self.hidden;
        for (index, segment) in self.segments.iter().enumerate() {
            if !needed[index] {
                continue;
            }
            let has_child = |parent: usize, from: usize| {
                let mut children = self.segments.iter().zip(&needed).skip(from);
                children.any(|(segment, needed)| *needed && segment.parent == Some(parent))
            };
            let mut table = match segment.parent {
                // The last child takes its parent's output.
                Some(parent) if !has_child(parent, index + 1) => {
                    kept[parent].take().unwrap_or_else(|| scratch.table(length))
                }
                Some(parent) => {
                    let mut table = scratch.table(length);
                    if let Some(from) = &kept[parent] {
                        table.get_mut()[..length].copy_from_slice(&from.get()[..length]);
                    }
                    table
                }
                None => {
                    let mut table = scratch.table(length);
                    self.embed(
                        threads,
                        batch.ids(),
                        scratch,
                        &mut table.get_mut()[..length],
                    );
                    table
                }
            };
            let heads: Vec<(usize, usize)> = wanted
                .iter()
                .enumerate()
                .map(|(place, head)| (place, *head))
                .filter(|(_, head)| self.heads[*head].segment == index)
                .collect();
            let firsts_only = !has_child(index, index + 1)
                && heads
                    .iter()
                    .all(|(_, head)| self.heads[*head].pooling == Pooling::First);
            let x = &mut table.get_mut()[..length];
            let rows = self.segment(threads, index, x, firsts_only, scratch);
            let x = &x[..rows * self.hidden];
            for (place, head) in heads {
                outputs[place] = self.head(threads, &self.heads[head], x, batch);
            }
            if has_child(index, index + 1) {
                kept[index] = Some(table);
            } else {
                scratch.spare.push(table);
            }
        }
        Ok(outputs)
    }

    /// Runs a segment's layers; gives the number of rows that are left.
    fn segment(
        &self,
        threads: &Threads,
        index: usize,
        x: &mut [f32],
        firsts_only: bool,
        scratch: &mut Scratch,
    ) -> usize {
        let segment = &self.segments[index];
        let mut rows = x.len() / self.hidden;
        for (number, layer) in segment.layers.iter().enumerate() {
            if firsts_only && number + 1 == segment.layers.len() {
                let firsts = std::mem::take(&mut scratch.firsts);
                self.layer(threads, layer, x, Some(&firsts), scratch);
                rows = firsts.len();
                scratch.firsts = firsts;
            } else {
                self.layer(threads, layer, x, None, scratch);
            }
        }
        if let Some(part) = &segment.final_norm {
            let x = &mut x[..rows * self.hidden];
            norm(self.isa, threads, part, self.norm_eps, x, self.hidden);
        }
        rows
    }

    /// Which segments the wanted heads stand on.
    fn needed(&self, wanted: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.segments.len()];
        for head in wanted {
            let mut next = Some(self.heads[*head].segment);
            while let Some(segment) = next {
                needed[segment] = true;
                next = self.segments[segment].parent;
            }
        }
        needed
    }

    fn check(&self, batch: &Packed, wanted: &[usize]) -> Result<(), ModelError> {
        let vocabulary = self.embeddings.words.rows;
        if let Some(head) = wanted.iter().find(|head| **head >= self.heads.len()) {
            return Err(ModelError::Infer(format!("there is no head {head}")));
        }
        if batch.longest() > self.max_tokens {
            return Err(ModelError::Infer(format!(
                "a sequence of {} tokens; the model takes {}",
                batch.longest(),
                self.max_tokens
            )));
        }
        match batch.ids().iter().find(|id| **id as usize >= vocabulary) {
            Some(id) => Err(ModelError::Infer(format!(
                "token {id} is not one of the vocabulary's {vocabulary}"
            ))),
            None => Ok(()),
        }
    }
}

/// Notes where each row's sequence lies.
fn lay_out(batch: &Packed, scratch: &mut Scratch) {
    scratch.places.clear();
    scratch.firsts.clear();
    for range in batch.ranges() {
        scratch.firsts.push(range.start);
        let place = Place {
            start: range.start,
            end: range.end,
        };
        scratch.places.extend(range.map(|_| place));
    }
    scratch.all.clear();
    scratch.all.extend(0..batch.ids().len());
}
