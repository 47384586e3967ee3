//! The kernels, compiled for the processor (`on_host.cpp`), against candle.

#![allow(clippy::unwrap_used)]

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use candle_core::Device;
use libloading::{Library, Symbol};

use super::super::{CandleEncoder, Model, Options};
use super::*;
use crate::candle::load::Loader;
use crate::checkpoint::{self, read_dir};
use crate::encoder::{Encoder, Packed};

type Launch =
    unsafe extern "C" fn(*const c_char, c_uint, c_uint, c_uint, *mut *mut c_void) -> c_int;

/// The compiled kernels.
fn library() -> &'static Library {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("cuda/kernels/on_host.cpp");
        let into = tempfile::tempdir().unwrap();
        let into = into.path().join("kernels.so");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        let output = Command::new(&compiler)
            .args(["-std=c++17", "-O2", "-w", "-shared", "-fPIC"])
            .arg(&sources)
            .arg("-o")
            .arg(&into)
            .output()
            .unwrap_or_else(|error| panic!("this test wants the C++ compiler {compiler}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        // SAFETY: the library has no initialisers beyond those of the C++ library.
        unsafe { Library::new(&into) }.unwrap()
    })
}

/// Runs a kernel on the processor; pointers first, then numbers of 32 bits, as in `cuda_fwd`.
pub(super) fn launch(
    kernel: &str,
    blocks: (usize, usize),
    threads: usize,
    pointers: &[u64],
    scalars: &[u32],
) {
    let pointers = pointers
        .iter()
        .map(|x| std::ptr::from_ref(x) as *mut c_void);
    let scalars = scalars.iter().map(|x| std::ptr::from_ref(x) as *mut c_void);
    let mut parameters: Vec<_> = pointers.chain(scalars).collect();
    let name = CString::new(kernel).unwrap();
    let library = library();
    // SAFETY: the symbol has this type in on_host.cpp, and the parameters are those of the kernel: addresses of tables
    // that outlive the call, and numbers.
    let status = unsafe {
        let launch: Symbol<'_, Launch> = library.get(b"launch").unwrap();
        launch(
            name.as_ptr(),
            blocks.0 as c_uint,
            blocks.1 as c_uint,
            threads as c_uint,
            parameters.as_mut_ptr(),
        )
    };
    assert_eq!(status, 0, "no kernel {kernel}");
}

/// A checkpoint of the parity tests with heads of `width` numbers: no longer what transformers computes, but a model.
fn weights(name: &str, width: usize) -> EncoderWeights {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("parity/fixtures");
    let mut weights = read_dir(&fixtures.join(name), name, &checkpoint::Options::default())
        .unwrap()
        .weights;
    weights.attention_heads = weights.hidden / width;
    weights
}

/// On the processor, in 32 bits around the kernels.
fn fused(weights: &EncoderWeights) -> Model {
    Model::load(weights, &Loader::new(&Device::Cpu, DType::F32).fused()).unwrap()
}

const MODELS: [&str; 6] = [
    "bert-token",
    "distilbert-token",
    "xlm-roberta-embedding",
    "modernbert-token",
    "modernbert-linear-token",
    "modernbert-yarn-embedding",
];

#[test]
fn kernels_compute_what_candle_does() {
    for name in MODELS {
        for width in [16, 32] {
            let weights = weights(name, width);
            agree(&fused(&weights), weights.max_tokens).unwrap();
        }
    }
}

/// The width of real models' heads, which no fixture's table is wide enough for.
#[test]
fn heads_of_64_are_computed() {
    for name in ["bert-token", "modernbert-token"] {
        let mut weights = weights(name, 32);
        let mut model = fused(&weights);
        (weights.hidden, weights.attention_heads) = (128, 2);
        (model.shape.hidden, model.shape.attention_heads) = (128, 2);
        let loader = Loader::new(&Device::Cpu, DType::F32);
        model.rotation = Rotation::new(&weights, &loader).unwrap();
        agree(&model, weights.max_tokens).unwrap();
    }
}

/// Layers are put together from the kernels as they are without.
#[test]
fn fused_layers_give_what_others_do() {
    let mut batch = Packed::default();
    for length in [70_u32, 3, 40, 1] {
        batch.push(&(0..length).map(|id| id % 50 + 5).collect::<Vec<_>>());
    }
    let size = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
    let off = MODELS.map(|name| {
        let weights = weights(name, 16);
        let plain = CandleEncoder::new(&weights, Options::default()).unwrap();
        let expected = plain.forward(&batch, &[0]).unwrap().remove(0).values;
        let with_kernels = CandleEncoder {
            model: fused(&weights),
            ..plain
        };
        let found = with_kernels.forward(&batch, &[0]).unwrap().remove(0).values;
        let pairs = found.iter().zip(&expected);
        let off: Vec<f32> = pairs.map(|(one, other)| one - other).collect();
        (name, size(&off) / size(&expected))
    });
    // Rounding to bf16 shows, so the kernels did run; leaving anything out shows more.
    let right = off.iter().all(|(_, off)| (1e-5..0.03).contains(off));
    assert!(right, "{off:?}");
}

#[test]
fn what_is_off_is_refused() {
    let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
    let expected = tensor(&[1.0, -4.0, 0.0]);
    let refused = |values: &[f32]| agree::close("a", &tensor(values), &expected).is_err();
    assert!(!refused(&[1.01, -4.1, 0.01]));
    assert!(refused(&[1.01, -4.1, 0.05]));
    assert!(refused(&[1.01, -4.2, 0.0]));
    assert!(refused(&[f32::NAN, -4.0, 0.0]));
    assert!(refused(&[1.0, -4.0]));
}

#[test]
fn tables_of_other_shapes_are_refused() {
    let zeros = |rows: usize, columns: usize| {
        Tensor::zeros((rows, columns), DType::F32, &Device::Cpu).unwrap()
    };
    let said = |result: Result<Tensor>| result.unwrap_err().to_string();
    let odd = said(gelu(&zeros(2, 6), None, true));
    assert!(odd.contains("gated_gelu cannot take"), "{odd}");
    let short = said(gelu(&zeros(2, 8), Some(&zeros(1, 4)), false));
    assert!(short.contains("gated_gelu cannot take"), "{short}");
}
