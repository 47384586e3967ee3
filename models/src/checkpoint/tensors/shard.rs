//! One safetensors file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::super::error::ReadError;

/// The largest header that safetensors itself accepts.
const MAX_HEADER: u64 = 100_000_000;

/// An open file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) name: String,
    file: File,
    /// Where the data begins.
    data: u64,
}

impl Shard {
    pub(super) fn open(dir: &Path, name: &str) -> Result<(Self, Metadata), ReadError> {
        let io = |source| ReadError::Io {
            file: name.to_owned(),
            source,
        };
        let broken = |reason: String| ReadError::NotSafetensors {
            file: name.to_owned(),
            reason,
        };
        let file = match File::open(dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ReadError::Missing {
                    file: name.to_owned(),
                    hint: "",
                });
            }
            Err(error) => return Err(io(error)),
        };
        let bytes = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        if bytes < 8 {
            return Err(broken(format!("it has only {bytes} bytes")));
        }
        file.read_exact_at(&mut length, 0).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER || length > bytes - 8 {
            return Err(broken(format!(
                "its header should have {length} bytes, the file has {bytes}"
            )));
        }
        let mut header = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut header, 8).map_err(io)?;
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(error.to_string()))?;
        let wanted = header.data_len() as u64 + 8 + length;
        if wanted != bytes {
            return Err(broken(format!(
                "it should have {wanted} bytes and has {bytes}"
            )));
        }
        let shard = Self {
            name: name.to_owned(),
            file,
            data: 8 + length,
        };
        Ok((shard, header))
    }

    pub(super) fn read(&self, info: &TensorInfo) -> Result<Vec<u8>, ReadError> {
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file
            .read_exact_at(&mut bytes, self.data + start as u64)
            .map_err(|source| ReadError::Io {
                file: self.name.clone(),
                source,
            })?;
        Ok(bytes)
    }

    pub(super) fn read_f32(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, ReadError> {
        let halves = |bytes: &[u8], to: fn(u16) -> f32| -> Vec<f32> {
            let (pairs, _) = bytes.as_chunks::<2>();
            pairs
                .iter()
                .map(|pair| to(u16::from_le_bytes(*pair)))
                .collect()
        };
        match info.dtype {
            Dtype::F32 => {
                let bytes = self.read(info)?;
                let (words, _) = bytes.as_chunks::<4>();
                Ok(words.iter().map(|word| f32::from_le_bytes(*word)).collect())
            }
            Dtype::F16 => Ok(halves(&self.read(info)?, |bits| {
                half::f16::from_bits(bits).to_f32()
            })),
            Dtype::BF16 => Ok(halves(&self.read(info)?, |bits| {
                half::bf16::from_bits(bits).to_f32()
            })),
            other => Err(ReadError::Dtype {
                file: self.name.clone(),
                tensor: name.to_owned(),
                dtype: format!("{other:?}"),
            }),
        }
    }
}
