//! An encoder with kernels of our own, for the CPU.
//!
//! Weights are packed once in the order in which a register tile reads them; sequences lie one after another without
//! padding, and local attention only touches its band. [`kernel`] has the arithmetic, once for every instruction set
//! and precision; the rest is plain Rust.
//!
//! `COMMUTATOR_KERNELS` (`portable`, `avx2`, `avx512`, `avx512bf16`, `neon`) overrides the choice of the instruction
//! set.

mod apart;
mod forward;
mod head;
mod kernel;
mod layer;
mod scratch;
mod team;
#[cfg(test)]
mod tests;
mod threads;
mod trunk;
mod validate;

use crate::ModelError;
use crate::encoder::{Encoder, HeadInfo, Output, Packed};
use crate::weights::EncoderWeights;
use kernel::Isa;
use scratch::{Pool, Scratch};
use serde::{Deserialize, Serialize};
use trunk::Trunk;

pub use threads::Threads;

/// Names the instruction set to use.
const KERNELS: &str = "COMMUTATOR_KERNELS";

/// Tokens of a batch that go through all layers together, for each thread: what one layer leaves for the next then stays
/// in the second-level cache, while weights are read once for a good many tokens.
const GROUP: usize = 256;

/// The numbers that weights are multiplied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// Weights in 16-bit floating point with the exponent of `f32`; activations too where the processor multiplies
    /// them so.
    Bf16,
    /// Weights in 8-bit integers with a scale an output, activations in integers of up to 13 bits and a sign (on NEON of
    /// 7) with a scale a token. Attention, normalisation and heads stay in `f32`.
    Int8,
    /// The same with activations of 8 bits where the processor multiplies bytes faster (VNNI), else [`Precision::Int8`].
    W8a8,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::Bf16, Self::Int8, Self::W8a8];
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
            Self::W8a8 => "w8a8",
        })
    }
}

/// The instruction set that [`NativeEncoder::new`] takes on this processor.
#[must_use]
pub fn kernels(precision: Precision) -> &'static str {
    Isa::choose(precision, wanted().as_deref()).name()
}

/// Whether the kernels for 8-bit weights on this processor give activations more bits: then what was tested of such
/// weights elsewhere holds here. With 8-bit activations the bundle gives 98.5 % of the subjects that it gives in 32 bits,
/// with 13-bit ones all, so nobody should trust the former before having measured them.
#[must_use]
pub fn has_fine_activations() -> bool {
    let (int8, _) = Isa::choose(Precision::Int8, wanted().as_deref()).activation_steps();
    int8 > 127.0
}

/// Whether [`Precision::W8a8`] is another thing than [`Precision::Int8`] on this processor.
#[must_use]
pub fn multiplies_bytes() -> bool {
    let (int8, bytes) = Isa::choose(Precision::W8a8, wanted().as_deref()).activation_steps();
    bytes < int8
}

/// What `COMMUTATOR_KERNELS` names.
fn wanted() -> Option<String> {
    std::env::var(KERNELS).ok().filter(|name| !name.is_empty())
}

/// An encoder on the CPU. It may be called from several threads at once; they share its [`Threads`].
pub struct NativeEncoder {
    heads: Vec<HeadInfo>,
    precision: Precision,
    trunk: Trunk,
    threads: Threads,
    scratch: Pool,
}

impl std::fmt::Debug for NativeEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeEncoder")
            .field("precision", &self.precision)
            .field("kernels", &self.kernels())
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl NativeEncoder {
    /// Packs the weights for the best instruction set that this processor has.
    ///
    /// # Errors
    /// [`ModelError::Load`] when the weights do not fit together, or their positions are
    /// [`crate::weights::Positions::Disentangled`].
    pub fn new(
        weights: &EncoderWeights,
        precision: Precision,
        threads: Threads,
    ) -> Result<Self, ModelError> {
        Self::with_kernels(weights, precision, threads, wanted().as_deref())
    }

    /// Packs the weights for the named instruction set; for the best one where there is no name, or the processor
    /// lacks it.
    ///
    /// # Errors
    /// See [`NativeEncoder::new`].
    pub fn with_kernels(
        weights: &EncoderWeights,
        precision: Precision,
        threads: Threads,
        kernels: Option<&str>,
    ) -> Result<Self, ModelError> {
        validate::validate(weights).map_err(|reason| ModelError::Load {
            model: "native".to_owned(),
            reason,
        })?;
        let isa = Isa::choose(precision, kernels);
        Ok(Self {
            heads: weights.heads.iter().map(|head| head.info.clone()).collect(),
            precision,
            trunk: Trunk::new(weights, precision, isa),
            threads,
            scratch: Pool::default(),
        })
    }

    /// The instruction set in use.
    #[must_use]
    pub fn kernels(&self) -> &'static str {
        self.trunk.isa.name()
    }

    /// Operations a second that one thread could do with these kernels if it never waited for memory, measured now;
    /// a multiplication and an addition are two. For benchmarks.
    #[must_use]
    pub fn peak(&self) -> f64 {
        kernel::peak::peak(self.trunk.isa, self.precision, 20)
    }

    /// Each wanted head's numbers for all sequences.
    fn tables(
        &self,
        batch: &Packed,
        wanted: &[usize],
        scratch: &mut Scratch,
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut tables = vec![Vec::new(); wanted.len()];
        for group in batch.groups(GROUP * self.threads.count()) {
            let found = (self.trunk).forward(&self.threads, &group, wanted, scratch)?;
            for (table, values) in tables.iter_mut().zip(found) {
                table.extend(values);
            }
        }
        Ok(tables)
    }

    /// The numbers that weights are multiplied in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

impl Encoder for NativeEncoder {
    fn heads(&self) -> &[HeadInfo] {
        &self.heads
    }

    fn max_tokens(&self) -> usize {
        self.trunk.max_tokens
    }

    fn forward(&self, batch: &Packed, wanted: &[usize]) -> Result<Vec<Output>, ModelError> {
        let mut scratch = self.scratch.take();
        self.threads.rouse();
        let tables = self.tables(batch, wanted, &mut scratch);
        self.scratch.put(scratch);
        let outputs = tables?.into_iter().zip(wanted).map(|(values, head)| {
            let width = self.heads[*head].width;
            Output { width, values }
        });
        Ok(outputs.collect())
    }
}
