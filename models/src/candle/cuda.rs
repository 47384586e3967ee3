//! A GPU as an encoder uses it.

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::{Device, Result};

/// The GPU of this number, for one encoder.
///
/// # Errors
/// When there is no such GPU, or no driver.
pub(super) fn device(ordinal: usize) -> Result<Device> {
    // A stream of its own: candle's usual one is another for every thread, so that a thread could read weights that
    // the thread which loaded the model has not uploaded yet.
    let device = Device::new_cuda_with_stream(ordinal)?;
    // SAFETY: events order the uses of a tensor on different streams. All tensors of an encoder are made, used and
    // freed on the only stream of its own device object, whichever thread asks for it, so there is nothing to order.
    // They never leave the encoder: what does is copied to the host first.
    unsafe { device.as_cuda_device()?.disable_event_tracking() };
    if let Err(error) = keep_memory(ordinal) {
        tracing::debug!(?error, "freed GPU memory goes back to the system");
    }
    Ok(device)
}

/// Keeps freed memory with the process. Otherwise the driver gives it back whenever a stream is waited for, which is
/// once a batch, and gets it anew for the next (CUDA driver API, "Stream Ordered Memory Allocator": the release
/// threshold is 0 at first).
fn keep_memory(ordinal: usize) -> std::result::Result<(), result::DriverError> {
    let device = result::device::get(i32::try_from(ordinal).unwrap_or(i32::MAX))?;
    let mut threshold = u64::MAX;
    // SAFETY: the device was got above, so the pool is that of a device; the attribute is a 64-bit unsigned number,
    // which outlives the call that reads it.
    unsafe {
        let pool = result::device::get_default_mem_pool(device)?;
        result::mem_pool::set_attribute(
            pool,
            sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD,
            (&raw mut threshold).cast(),
        )
    }
}
