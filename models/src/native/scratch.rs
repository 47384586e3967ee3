//! Memory that forward passes use again.

use std::sync::{Mutex, PoisonError};

use super::kernel::attend::Place;
use super::kernel::pack::Aligned;

/// One forward pass's memory. Everything is written before it is read.
pub(super) struct Scratch {
    /// Query, key and value of each row.
    pub(super) qkv: Aligned<f32>,
    /// Keys in blocks.
    pub(super) keys: Aligned<f32>,
    /// Values in blocks.
    pub(super) values: Aligned<f32>,
    /// What attention found.
    pub(super) context: Aligned<f32>,
    /// The feed-forward's inner rows.
    pub(super) inner: Aligned<f32>,
    /// Packed rows.
    pub(super) words: Aligned<u32>,
    /// Their scales.
    pub(super) scales: Vec<f32>,
    /// Each row's sequence.
    pub(super) places: Vec<Place>,
    /// All rows, as the queries of a layer that computes all.
    pub(super) all: Vec<usize>,
    /// The first row of each sequence.
    pub(super) firsts: Vec<usize>,
    /// Tables of token vectors that nobody uses now.
    pub(super) spare: Vec<Aligned<f32>>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            qkv: Aligned::zeros(0),
            keys: Aligned::zeros(0),
            values: Aligned::zeros(0),
            context: Aligned::zeros(0),
            inner: Aligned::zeros(0),
            words: Aligned::zeros(0),
            scales: Vec::new(),
            places: Vec::new(),
            all: Vec::new(),
            firsts: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl Scratch {
    /// A table of at least so many numbers.
    pub(super) fn table(&mut self, length: usize) -> Aligned<f32> {
        let mut table = self.spare.pop().unwrap_or_else(|| Aligned::zeros(0));
        table.reserve(length);
        table
    }
}

/// As much memory as there have been passes at once.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    /// Lends one.
    pub(super) fn take(&self) -> Scratch {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pool.pop().unwrap_or_default()
    }

    /// Takes it back.
    pub(super) fn put(&self, scratch: Scratch) {
        let mut pool = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pool.push(scratch);
    }
}
