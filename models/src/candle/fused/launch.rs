//! One launch of one kernel.

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Tensor};

/// A kernel with what it takes, in this order: a table, other tensors or null, the output, numbers.
pub(super) struct Call<'a> {
    pub(super) kernel: &'static str,
    pub(super) blocks: (usize, usize),
    pub(super) threads: usize,
    pub(super) others: Vec<Option<&'a Tensor>>,
    /// Rows and columns.
    pub(super) output: (usize, usize),
    pub(super) scalars: Vec<Scalar>,
}

/// A number of 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scalar {
    Int(usize),
    Float(f32),
}

impl Call<'_> {
    /// Runs it on `x`; in tests, tables of 32 bits are rounded before and widened behind.
    pub(super) fn run(self, x: &Tensor) -> Result<Tensor> {
        let dtype = x.dtype();
        let narrow = |x: &Tensor| match x.dtype() {
            DType::F32 => x.to_dtype(DType::BF16)?.contiguous(),
            _ => x.contiguous(),
        };
        let own = |x: &Option<&Tensor>| x.map(narrow).transpose();
        let others = self.others.iter().map(own).collect::<Result<Vec<_>>>()?;
        let call = Call {
            others: others.iter().map(Option::as_ref).collect(),
            ..self
        };
        narrow(x)?.apply_op1_no_bwd(&call)?.to_dtype(dtype)
    }

    fn scalar_bits(&self) -> Result<Vec<u32>> {
        let bits = |scalar: &Scalar| match scalar {
            Scalar::Int(value) => u32::try_from(*value).map_err(candle_core::Error::wrap),
            Scalar::Float(value) => Ok(value.to_bits()),
        };
        self.scalars.iter().map(bits).collect()
    }

    fn shape(&self) -> candle_core::Shape {
        self.output.into()
    }
}

/// The first number of a tensor in its storage.
fn start(layout: &Layout) -> Result<usize> {
    match layout.contiguous_offsets() {
        Some((start, _)) => Ok(start),
        None => candle_core::bail!("a kernel wants contiguous tables"),
    }
}

impl CustomOp1 for Call<'_> {
    fn name(&self) -> &'static str {
        self.kernel
    }

    #[cfg(not(test))]
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, candle_core::Shape)> {
        candle_core::bail!("{} is for GPUs", self.kernel)
    }

    /// The same kernel, compiled for the processor.
    #[cfg(test)]
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, candle_core::Shape)> {
        use candle_core::Storage;
        use candle_core::backend::BackendStorage;
        use half::bf16;

        let guards: Vec<_> = self
            .others
            .iter()
            .map(|tensor| tensor.map(Tensor::storage_and_layout))
            .collect();
        let address = |storage: &CpuStorage, layout: &Layout| -> Result<u64> {
            let start = start(layout)?;
            Ok(match storage.dtype() {
                DType::U32 => storage.as_slice::<u32>()?[start..].as_ptr() as u64,
                _ => storage.as_slice::<bf16>()?[start..].as_ptr() as u64,
            })
        };
        let mut pointers = vec![address(x, layout)?];
        for guard in &guards {
            pointers.push(match guard {
                None => 0,
                Some((storage, layout)) => match &**storage {
                    Storage::Cpu(storage) => address(storage, layout)?,
                    _ => candle_core::bail!("tables on two devices"),
                },
            });
        }
        // What a kernel leaves out shows.
        let mut out = vec![bf16::NAN; self.shape().elem_count()];
        pointers.push(out.as_mut_ptr() as u64);
        super::tests::launch(
            self.kernel,
            self.blocks,
            self.threads,
            &pointers,
            &self.scalar_bits()?,
        );
        Ok((CpuStorage::BF16(out), self.shape()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &candle_core::CudaStorage,
        layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, candle_core::Shape)> {
        use candle_core::backend::BackendStorage;
        use candle_core::cuda_backend::cudarc::driver::{LaunchConfig, PushKernelArg};
        use candle_core::cuda_backend::{CudaDType, WrapErr};
        use half::bf16;

        let device = x.device();
        let stream = device.cuda_stream();
        let guards: Vec<_> = self
            .others
            .iter()
            .map(|tensor| tensor.map(Tensor::storage_and_layout))
            .collect();
        let mut pointers = vec![address(x, layout, &stream)?];
        for guard in &guards {
            pointers.push(match guard {
                None => 0,
                Some((storage, layout)) => match &**storage {
                    candle_core::Storage::Cuda(storage) => address(storage, layout, &stream)?,
                    _ => candle_core::bail!("tables on two devices"),
                },
            });
        }
        // SAFETY: the kernel writes every number of its output before anything reads it.
        let mut out = unsafe { device.alloc::<bf16>(self.shape().elem_count())? };
        pointers.push({
            use candle_core::cuda_backend::cudarc::driver::DevicePtrMut;
            out.device_ptr_mut(&stream).0
        });
        let scalars = self.scalar_bits()?;
        let function =
            device.get_or_load_custom_func(self.kernel, "commutator-encoder", ENCODER)?;
        let mut launch = function.builder();
        for pointer in &pointers {
            launch.arg(pointer);
        }
        for scalar in &scalars {
            launch.arg(scalar);
        }
        let config = LaunchConfig {
            grid_dim: (self.blocks.0 as u32, self.blocks.1 as u32, 1),
            block_dim: (self.threads as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the parameters are those of the kernel in encoder.cu: addresses of 64 bits and numbers of 32. All
        // memory behind the addresses belongs to tensors that live until the launch is queued, and is freed, if it is,
        // behind it on the same stream. Shapes are checked where the call is made.
        unsafe { launch.launch(config) }.w()?;
        Ok((bf16::wrap_cuda_slice(out, device.clone()), self.shape()))
    }
}

#[cfg(feature = "cuda")]
const ENCODER: &str = include_str!(concat!(env!("OUT_DIR"), "/encoder.ptx"));

/// Where a tensor's first number lies.
#[cfg(feature = "cuda")]
fn address(
    storage: &candle_core::CudaStorage,
    layout: &Layout,
    stream: &candle_core::cuda_backend::cudarc::driver::CudaStream,
) -> Result<u64> {
    use candle_core::backend::BackendStorage;
    use candle_core::cuda_backend::cudarc::driver::DevicePtr;

    let start = start(layout)? as u64;
    // The guard beside the address would record an event, of which there are none here.
    Ok(match storage.dtype() {
        DType::U32 => storage.as_cuda_slice::<u32>()?.device_ptr(stream).0 + 4 * start,
        _ => storage.as_cuda_slice::<half::bf16>()?.device_ptr(stream).0 + 2 * start,
    })
}
