//! Weights and activations in the order in which the tile reads them.

use std::borrow::Cow;

use super::{Dot, Full, Isa, Job, Simd, TILE_REGISTERS};
use crate::native::Precision;
use crate::weights::{Linear, Matrix, Values};

/// Numbers that begin at a cache line.
#[derive(Debug)]
pub(crate) struct Aligned<E> {
    numbers: Vec<E>,
    start: usize,
    length: usize,
}

impl<E: Copy + Default> Aligned<E> {
    /// So many zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        let slack = 64 / size_of::<E>();
        let numbers = vec![E::default(); length + slack];
        // An offset beyond the slack would mean that the allocation cannot be aligned; it then stays as it is.
        let start = Some(numbers.as_ptr().align_offset(64))
            .filter(|start| *start <= slack)
            .unwrap_or(0);
        Self {
            numbers,
            start,
            length,
        }
    }

    /// The numbers.
    pub(crate) fn get(&self) -> &[E] {
        &self.numbers[self.start..self.start + self.length]
    }

    /// The numbers.
    pub(crate) fn get_mut(&mut self) -> &mut [E] {
        &mut self.numbers[self.start..self.start + self.length]
    }

    /// Makes room for at least `length` numbers; what was there is lost when it must grow.
    pub(crate) fn reserve(&mut self, length: usize) -> &mut [E] {
        if self.length < length {
            *self = Self::zeros(length);
        }
        self.get_mut()
    }
}

/// Panels of weights, in one of the precisions.
#[derive(Debug)]
pub(crate) enum Panels {
    /// `f32`.
    Full(Aligned<f32>),
    /// `bf16`.
    Half(Aligned<u16>),
    /// Integers with a scale a column, for [`Simd::Int8`].
    Int8(Aligned<i8>),
    /// The same for [`Simd::Bytes`].
    Bytes(Aligned<i8>),
}

/// A linear map, packed for an instruction set: panels of `2 * LANES` outputs, in each the groups of inputs one after
/// another, in each group the outputs, for each output its `GROUP` weights. Padded with zeros on both sides.
#[derive(Debug)]
pub(crate) struct PackedLinear {
    /// Outputs.
    pub(crate) outputs: usize,
    /// Inputs.
    pub(crate) inputs: usize,
    /// Words of a row of activations, padding included.
    pub(crate) words: usize,
    /// Lanes of the instruction set it is packed for.
    pub(crate) lanes: usize,
    /// The weights.
    pub(crate) panels: Panels,
    /// Scales of the outputs, for integers.
    pub(crate) scales: Vec<f32>,
    /// What an output's sum begins with, for integers.
    pub(crate) init: Vec<i32>,
    /// Added to the outputs; zeros where the map has none.
    pub(crate) bias: Vec<f32>,
}

impl PackedLinear {
    /// Packs a map. Its weights are in `f32` or in integers, whatever the precision.
    pub(crate) fn new(isa: Isa, precision: Precision, linear: &Linear) -> Self {
        isa.run(Pack { precision, linear })
    }

    /// Panels of outputs.
    pub(crate) fn panels(&self) -> usize {
        self.outputs.div_ceil(TILE_REGISTERS * self.lanes)
    }

    /// Whether activations need scales.
    pub(crate) fn quantised(&self) -> bool {
        matches!(self.panels, Panels::Int8(_) | Panels::Bytes(_))
    }
}

/// Words of a row of `inputs` activations: whole registers, so that a row is packed without remainder.
fn words<D: Dot>(inputs: usize) -> usize {
    inputs.next_multiple_of(<D::Simd as Simd>::LANES) / D::GROUP
}

/// The largest activation whose `k` products with 8-bit weights fit into 32 bits, at most 13 bits and a sign: finer
/// steps gain nothing, and 16-bit registers have room for them.
pub(crate) fn wide_limit(k: usize) -> f32 {
    (i32::MAX as f32 / (127.0 * k.max(1) as f32))
        .floor()
        .min(8191.0)
}

/// To the nearest `bf16`, ties to even.
pub(crate) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

struct Pack<'a> {
    precision: Precision,
    linear: &'a Linear,
}

impl Job for Pack<'_> {
    type Output = PackedLinear;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> PackedLinear {
        let weight = &self.linear.weight;
        let (outputs, inputs) = (weight.rows, weight.columns);
        let padded = outputs.next_multiple_of(TILE_REGISTERS * S::LANES);
        let (mut scales, mut init) = (Vec::new(), Vec::new());
        let (words, panels) = match self.precision {
            Precision::F32 => {
                let values = full(weight);
                let at = |row, column| values[row * inputs + column];
                let packed = panels::<Full<S>>(outputs, inputs, at);
                (words::<Full<S>>(inputs), Panels::Full(packed))
            }
            Precision::Bf16 => {
                let values = full(weight);
                let at = |row, column| to_half(values[row * inputs + column]);
                let packed = panels::<S::Half>(outputs, inputs, at);
                (words::<S::Half>(inputs), Panels::Half(packed))
            }
            Precision::Int8 => {
                let packed = integers::<S::Int8>(weight, &mut scales, &mut init);
                (words::<S::Int8>(inputs), Panels::Int8(packed))
            }
            Precision::W8a8 => {
                let packed = integers::<S::Bytes>(weight, &mut scales, &mut init);
                (words::<S::Bytes>(inputs), Panels::Bytes(packed))
            }
        };
        let mut bias = self.linear.bias.clone().unwrap_or_default();
        bias.resize(padded, 0.0);
        scales.resize(padded, 0.0);
        init.resize(padded, 0);
        PackedLinear {
            outputs,
            inputs,
            words,
            lanes: S::LANES,
            panels,
            scales,
            init,
            bias,
        }
    }
}

/// The panels of a matrix in integers, with the scales of its rows and what their sums begin with.
fn integers<D: Dot<Element = i8>>(
    weight: &Matrix,
    scales: &mut Vec<f32>,
    init: &mut Vec<i32>,
) -> Aligned<i8> {
    let (values, of_rows) = int8(weight);
    let inputs = weight.columns;
    *scales = of_rows;
    init.extend(values.chunks_exact(inputs).map(|row| {
        let sum: i32 = row.iter().map(|value| i32::from(*value)).sum();
        -D::OFFSET * sum
    }));
    let at = |row, column| values[row * inputs + column];
    panels::<D>(weight.rows, inputs, at)
}

/// The weights' panels; `at` gives the weight of an output and an input.
fn panels<D: Dot>(
    outputs: usize,
    inputs: usize,
    at: impl Fn(usize, usize) -> D::Element,
) -> Aligned<D::Element> {
    let width = TILE_REGISTERS * <D::Simd as Simd>::LANES;
    let step = width * D::GROUP;
    let panel = words::<D>(inputs) * step;
    let mut packed = Aligned::zeros(outputs.div_ceil(width) * panel);
    let numbers = packed.get_mut();
    for output in 0..outputs {
        let start = output / width * panel + output % width * D::GROUP;
        for input in 0..inputs {
            numbers[start + input / D::GROUP * step + input % D::GROUP] = at(output, input);
        }
    }
    packed
}

/// The matrix in `f32`.
fn full(weight: &Matrix) -> Cow<'_, [f32]> {
    match &weight.values {
        Values::F32(values) => Cow::Borrowed(values),
        Values::Int8 { .. } => Cow::Owned(weight.to_f32()),
    }
}

/// The matrix in integers with a scale a row: as the file has them, or rounded to 255 steps between a row's largest
/// weight and its negative.
fn int8(weight: &Matrix) -> (Cow<'_, [i8]>, Vec<f32>) {
    match &weight.values {
        Values::Int8 { values, scales } => (Cow::Borrowed(values), scales.clone()),
        Values::F32(values) => {
            let mut integers = Vec::with_capacity(values.len());
            let mut scales = Vec::with_capacity(weight.rows);
            for row in values.chunks_exact(weight.columns) {
                let largest = row.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
                integers.extend(row.iter().map(|value| (value / scale).round() as i8));
                scales.push(scale);
            }
            (Cow::Owned(integers), scales)
        }
    }
}

/// Packs a row of activations into words; gives the row's scale.
///
/// `to` has as many words as [`PackedLinear::words`]; the row may be shorter by what is padding.
#[inline(always)]
pub(crate) fn pack_row<D: Dot>(dot: D, row: &[f32], to: &mut [u32]) -> f32 {
    let simd = dot.simd();
    let lanes = <D::Simd as Simd>::LANES;
    let mut scale = 1.0;
    let mut factor = simd.splat(1.0);
    if D::QUANTISED {
        let mut most = simd.splat(0.0);
        let mut at = 0;
        while at < row.len() {
            most = simd.max(most, simd.abs(simd.load_at(row, at)));
            at += lanes;
        }
        let limit = D::limit(row.len());
        // A row of zeros, or of numbers too small to have an inverse, is a row of zeros.
        let largest = simd.largest(most).max(f32::MIN_POSITIVE * 16384.0);
        scale = largest / limit;
        factor = simd.splat(limit / largest);
    }
    let (mut at, words) = (0, lanes / D::GROUP);
    while at < row.len() {
        let mut values = simd.load_at(row, at);
        if D::QUANTISED {
            values = simd.mul(values, factor);
        }
        dot.pack(values, &mut to[at / D::GROUP..at / D::GROUP + words]);
        at += lanes;
    }
    scale
}
