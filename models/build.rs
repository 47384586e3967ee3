//! With the feature `cuda`, compiles our kernels for the GPU that `CUDA_COMPUTE_CAP` names (without it the one that
//! nvidia-smi does), as candle's build script does with candle's.

#[cfg(not(feature = "cuda"))]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}

#[cfg(feature = "cuda")]
fn main() -> cudaforge::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cuda/kernels/encoder.cu");
    cudaforge::KernelBuilder::new()
        .source_files(["cuda/kernels/encoder.cu"])
        .arg("-std=c++17")
        .arg("-O3")
        .build_ptx()?;
    Ok(())
}
