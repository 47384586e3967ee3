//! The exact GELU, `x / 2 * (1 + erf(x / √2))`.
//!
//! candle computes erf with scalar code from libm, which costs more than the maps around it. On the CPU a rational
//! approximation does the same in a loop that the compiler turns into vector instructions.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};

/// GELU of each number.
pub(super) fn gelu(x: &Tensor) -> Result<Tensor> {
    if vectorised(x) {
        x.contiguous()?.apply_op1_no_bwd(&Gelu { gated: false })
    } else {
        x.gelu_erf()
    }
}

/// `gelu(a) * b`, where a row is `a` and then `b`.
pub(super) fn geglu(x: &Tensor) -> Result<Tensor> {
    if vectorised(x) {
        return x.contiguous()?.apply_op1_no_bwd(&Gelu { gated: true });
    }
    let half = x.dim(D::Minus1)? / 2;
    let gate = x.narrow(D::Minus1, half, half)?;
    x.narrow(D::Minus1, 0, half)?.contiguous()?.gelu_erf()? * gate
}

fn vectorised(x: &Tensor) -> bool {
    x.device().is_cpu() && x.dtype() == candle_core::DType::F32
}

struct Gelu {
    gated: bool,
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu-cpu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("gelu wants a contiguous table");
        };
        let x = &storage.as_slice::<f32>()?[start..end];
        if !self.gated {
            let y = x.iter().map(|x| one(*x)).collect();
            return Ok((CpuStorage::F32(y), layout.shape().clone()));
        }
        let mut dims = layout.shape().dims().to_vec();
        let Some(columns) = dims.last_mut().filter(|columns| **columns % 2 == 0) else {
            candle_core::bail!("geglu wants rows of two halves");
        };
        let half = *columns / 2;
        *columns = half;
        let mut y = vec![0.0; x.len() / 2];
        if half > 0 {
            for (y, x) in y.chunks_exact_mut(half).zip(x.chunks_exact(2 * half)) {
                let (a, b) = x.split_at(half);
                for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
                    *y = one(*a) * b;
                }
            }
        }
        Ok((CpuStorage::F32(y), Shape::from(dims)))
    }
}

fn one(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The error function as `x * P(x²) / Q(x²)`, within 1e-6; beyond ±4 it is ±1 in 32 bits. The polynomials are those of
/// Eigen's and XLA's `erf` for 32 bits.
#[allow(clippy::excessive_precision)]
fn erf(x: f32) -> f32 {
    const P: [f32; 7] = [
        -2.726_142_258_013_06e-10,
        2.770_681_424_959_02e-8,
        -2.101_024_020_825_08e-6,
        -5.692_506_394_623_46e-5,
        -7.349_906_303_268_55e-4,
        -2.954_599_808_540_25e-3,
        -1.609_603_332_624_15e-2,
    ];
    const Q: [f32; 5] = [
        -1.456_607_184_649_96e-5,
        -2.133_740_552_789_05e-4,
        -1.682_826_974_382_03e-3,
        -7.373_329_167_204_68e-3,
        -1.426_473_905_141_89e-2,
    ];
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let polynomial = |factors: &[f32]| {
        factors
            .iter()
            .fold(0.0, |sum, factor| sum * square + factor)
    };
    x * polynomial(&P) / polynomial(&Q)
}
