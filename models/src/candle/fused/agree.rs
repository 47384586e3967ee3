//! Whether the kernels compute on a device what candle computes on the processor.

use candle_core::{DType, Device, Result, Tensor};

use super::super::attention::{self, Rotation};
use super::super::group::Plan;
use super::super::load::Norm;
use super::super::{Model, Shape, gelu};
use crate::encoder::Packed;

/// Around what a block of the attention kernel has, and what a window sees.
const LENGTHS: [usize; 6] = [200, 129, 65, 64, 17, 1];
/// How far a number may be off, its own size of at least 1 taken as the measure. Rounding to bf16 stays below; tried
/// on the processor, a window off by one, a missing rescale or a variance over one number less do not.
const TOLERANCE: f32 = 0.03;

/// Runs each kernel in the model's shapes on numbers between -1 and 1, on the device of `model` and on the processor.
///
/// # Errors
/// Which kernel is off and how far, or what the device says.
pub(in super::super) fn agree(model: &Model, max_tokens: usize) -> Result<()> {
    let device = model.words.device();
    let mut batch = Packed::default();
    for length in LENGTHS.iter().filter(|length| **length <= max_tokens) {
        batch.push(&vec![0; *length]);
    }
    let shape = &model.shape;
    let most = shape.max_scores / shape.attention_heads;
    let plans = Plans {
        device: Plan::new(&batch, 0.25, most, device)?,
        cpu: Plan::new(&batch, 0.0, most, &Device::Cpu)?,
    };
    for biased in [false, true] {
        match &model.rotation {
            None => plans.attention(None, biased, shape)?,
            Some(rotation) => {
                plans.attention(Some((rotation, false)), biased, shape)?;
                plans.attention(Some((rotation, true)), biased, shape)?;
            }
        }
        add_norm(device, biased, shape)?;
        for gated in [false, true] {
            activation(device, biased, gated, shape)?;
        }
    }
    Ok(())
}

/// The same batch on the device in question and on the processor.
struct Plans {
    device: Plan,
    cpu: Plan,
}

impl Plans {
    fn attention(
        &self,
        rotation: Option<(&Rotation, bool)>,
        biased: bool,
        shape: &Shape,
    ) -> Result<()> {
        let device = &self.device.device;
        let rows = self.cpu.ids.dim(0)?;
        let qkv = Both::new((rows, 3 * shape.hidden), 1, device)?;
        let bias = Both::bias(3 * shape.hidden, biased, 2, device)?;
        let found = super::attention(
            &qkv.device,
            bias.as_ref().map(|bias| &bias.device),
            rotation,
            &self.device,
            shape,
        )?;
        let on_cpu = rotation
            .map(|(rotation, _)| rotation.on_cpu())
            .transpose()?;
        let local = rotation.is_some_and(|(_, local)| local);
        let shape = Shape {
            dtype: DType::F32,
            ..shape.clone()
        };
        let expected = attention::attend(
            &qkv.with(bias.as_ref())?,
            on_cpu.as_ref().map(|rotation| (rotation, local)),
            None,
            &self.cpu,
            &shape,
        )?;
        close("attention", &found, &expected)
    }
}

fn add_norm(device: &Device, biased: bool, shape: &Shape) -> Result<()> {
    let dims = (5, shape.hidden);
    let x = Both::new(dims, 3, device)?;
    let change = Both::new(dims, 4, device)?;
    let bias = Both::bias(shape.hidden, biased, 5, device)?;
    let weight = Both::new((1, shape.hidden), 6, device)?;
    let shift = Both::new((1, shape.hidden), 7, device)?;
    let norm = |weight: &Tensor, bias: &Tensor| -> Result<Norm> {
        Ok(Norm {
            weight: weight.flatten_all()?,
            bias: bias.flatten_all()?,
            eps: 1e-5,
        })
    };
    let (sum, normed) = super::add_norm(
        &x.device,
        &change.device,
        bias.as_ref().map(|bias| &bias.device),
        &norm(&weight.device, &shift.device)?,
    )?;
    let expected = (&x.cpu + change.with(bias.as_ref())?)?;
    close("add_norm", &sum, &expected)?;
    let expected = norm(&weight.cpu, &shift.cpu)?.forward(&expected)?;
    close("add_norm", &normed, &expected)
}

fn activation(device: &Device, biased: bool, gated: bool, shape: &Shape) -> Result<()> {
    let columns = if gated {
        2 * shape.hidden
    } else {
        shape.hidden
    };
    let x = Both::new((5, columns), 8, device)?;
    let bias = Both::bias(columns, biased, 9, device)?;
    let found = super::gelu(&x.device, bias.as_ref().map(|bias| &bias.device), gated)?;
    let x = x.with(bias.as_ref())?;
    let expected = if gated {
        gelu::geglu(&x)?
    } else {
        gelu::gelu(&x)?
    };
    close("gated_gelu", &found, &expected)
}

/// The same numbers on the device in bf16, and on the processor in 32 bits.
struct Both {
    device: Tensor,
    cpu: Tensor,
}

impl Both {
    /// Numbers between -1 and 1, the same for the same `seed`.
    fn new(dims: (usize, usize), seed: u32, device: &Device) -> Result<Self> {
        let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
        let mut next = || {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            half::bf16::from_f32(state as f32 / u32::MAX as f32 * 2.0 - 1.0)
        };
        let values: Vec<_> = (0..dims.0 * dims.1).map(|_| next()).collect();
        let narrow = Tensor::from_vec(values, dims, &Device::Cpu)?;
        Ok(Self {
            device: narrow.to_device(device)?,
            cpu: narrow.to_dtype(DType::F32)?,
        })
    }

    fn bias(columns: usize, biased: bool, seed: u32, device: &Device) -> Result<Option<Self>> {
        biased
            .then(|| Self::new((1, columns), seed, device))
            .transpose()
    }

    /// On the processor, with the bias added.
    fn with(&self, bias: Option<&Self>) -> Result<Tensor> {
        match bias {
            Some(bias) => self.cpu.broadcast_add(&bias.cpu),
            None => Ok(self.cpu.clone()),
        }
    }
}

/// An error where `found` is not what is `expected`, NaN included.
pub(super) fn close(kernel: &str, found: &Tensor, expected: &Tensor) -> Result<()> {
    let found = found.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
    let (found, expected) = (found.flatten_all()?, expected.flatten_all()?);
    let (found, expected) = (found.to_vec1::<f32>()?, expected.to_vec1::<f32>()?);
    if found.len() != expected.len() {
        candle_core::bail!(
            "{kernel} gives {} numbers, not {}",
            found.len(),
            expected.len()
        );
    }
    for (index, (one, other)) in found.iter().zip(&expected).enumerate() {
        let within = (one - other).abs() <= TOLERANCE * other.abs().max(1.0);
        if !within {
            candle_core::bail!("{kernel} gives {one}, not {other}, as number {index}");
        }
    }
    Ok(())
}
