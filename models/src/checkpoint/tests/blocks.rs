//! Matrices of 4 bits, which become 8 as they are read.

use safetensors::tensor::Dtype;
use tempfile::TempDir;

use super::make::*;
use crate::checkpoint::error::ReadError;
use crate::checkpoint::tensors::Tensors;
use crate::weights::{Matrix, Values};

/// Two rows of 32: 1 and then zeros; -8 and then ones.
fn raws() -> Raws {
    let mut bytes = vec![0x88; 16];
    bytes[0] = 0x89;
    bytes.extend([0x99; 16]);
    bytes[16] = 0x90;
    let half = |value: f32| half::f16::from_f32(value).to_le_bytes();
    let matrix = Raw {
        dtype: Dtype::U8,
        shape: vec![2, 16],
        bytes,
    };
    let scale = Raw {
        dtype: Dtype::F16,
        shape: vec![2, 1],
        bytes: [half(0.5), half(2.0)].concat(),
    };
    [("w".to_owned(), matrix), ("w.scale".to_owned(), scale)].into()
}

fn read(raws: &Raws, columns: usize) -> Result<Matrix, ReadError> {
    let dir = TempDir::new().unwrap();
    write_tensors(&dir.path().join("x.safetensors"), raws);
    Tensors::open_files(dir.path(), &["x.safetensors".to_owned()])?.matrix("w", 2, columns)
}

#[test]
fn they_become_rows_of_eight() {
    let matrix = read(&raws(), 32).unwrap();
    let Values::Int8 { values, scales } = &matrix.values else {
        panic!("{matrix:?}");
    };
    assert_eq!(scales, &[0.5 / 127.0, 16.0 / 127.0]);
    assert_eq!((values[0], &values[1..32]), (127, &[0; 31][..]));
    // An eighth of 127 is 15.875.
    assert_eq!((values[32], &values[33..]), (-127, &[16; 31][..]));
}

#[test]
fn what_does_not_fit_is_named() {
    let mut without = raws();
    without.remove("w.scale");
    let mut short = raws();
    short.get_mut("w.scale").unwrap().shape = vec![1, 2];
    let mut other = raws();
    other.get_mut("w.scale").unwrap().dtype = Dtype::I16;
    for (raws, columns, word) in [
        (without, 32, "w.scale"),
        (short, 32, "w.scale"),
        (other, 32, "I16"),
        (raws(), 64, "`w`"),
        // Not blocks of 32, so no 4 bits.
        (raws(), 16, "U8"),
    ] {
        let error = read(&raws, columns).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
