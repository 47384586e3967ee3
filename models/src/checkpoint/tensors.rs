//! Named tensors in one or more safetensors files.
//!
//! Only the headers are kept: a tensor's bytes are read when it is asked for, so that loading never holds a model
//! twice.

mod blocks;
mod shard;

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorInfo};
use serde_json::Value;

use super::error::ReadError;
use super::json::Json;
use crate::weights::{Linear, Matrix, Norm, Values};
use blocks::BLOCK;
use shard::Shard;

/// Ends the name of the scales of a matrix in 8 or 4 bits.
const SCALE: &str = ".scale";

/// The tensors of a checkpoint.
#[derive(Debug)]
pub(super) struct Tensors {
    shards: Vec<Shard>,
    /// Where each tensor is: its shard and what the shard's header says.
    index: HashMap<String, (usize, TensorInfo)>,
}

impl Tensors {
    /// Opens the weights of a checkpoint: the shards of an index, or the one file.
    pub(super) fn open(dir: &Path) -> Result<Self, ReadError> {
        if let Some(index) = Json::read_optional(dir, "model.safetensors.index.json")? {
            return Self::open_files(dir, &shards(&index)?);
        }
        for name in ["model.safetensors", "pytorch_model.safetensors"] {
            if dir.join(name).is_file() {
                return Self::open_files(dir, &[name.to_owned()]);
            }
        }
        for name in [
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "tf_model.h5",
        ] {
            if dir.join(name).is_file() {
                return Err(ReadError::Pickle(name.to_owned()));
            }
        }
        Err(ReadError::Missing {
            file: "model.safetensors".to_owned(),
            hint: ", and there is no model.safetensors.index.json either",
        })
    }

    /// Opens the named files of `dir`.
    pub(super) fn open_files(dir: &Path, names: &[String]) -> Result<Self, ReadError> {
        let mut tensors = Self {
            shards: Vec::with_capacity(names.len()),
            index: HashMap::new(),
        };
        for name in names {
            let (shard, header) = Shard::open(dir, name)?;
            for (tensor, info) in header.tensors() {
                let entry = (tensors.shards.len(), info.clone());
                tensors.index.insert(tensor, entry);
            }
            tensors.shards.push(shard);
        }
        Ok(tensors)
    }

    /// What stands before `suffix` in the name of a tensor: the prefix of the part of the model that has it.
    pub(super) fn prefix(&self, suffix: &str) -> Result<String, ReadError> {
        self.index
            .keys()
            .filter_map(|name| name.strip_suffix(suffix))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .min_by_key(|prefix| prefix.len())
            .map(str::to_owned)
            .ok_or_else(|| self.missing(suffix))
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// The shape of a tensor.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize], ReadError> {
        let (_, info) = self.find(name)?;
        Ok(&info.shape)
    }

    /// A matrix of `rows` and `columns`; 8-bit values stay so, and those of 4 bits become so.
    pub(super) fn matrix(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Matrix, ReadError> {
        if self.find(name)?.1.dtype == Dtype::U8 && columns.is_multiple_of(BLOCK) {
            return self.blocks(name, rows, columns);
        }
        let (shard, info) = self.sized(name, &[rows, columns])?;
        let values = if info.dtype == Dtype::I8 {
            Values::Int8 {
                values: shard.read(info)?.into_iter().map(u8::cast_signed).collect(),
                scales: self.vector(&format!("{name}{SCALE}"), rows)?,
            }
        } else {
            Values::F32(shard.read_f32(name, info)?)
        };
        Ok(Matrix {
            rows,
            columns,
            values,
        })
    }

    /// A matrix of 4-bit values, two in a byte, with a scale for each [`BLOCK`].
    fn blocks(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, ReadError> {
        let (shard, info) = self.sized(name, &[rows, columns / 2])?;
        let scale = format!("{name}{SCALE}");
        let (of_scales, scales) = self.sized(&scale, &[rows, columns / BLOCK])?;
        let scales = of_scales.read_f32(&scale, scales)?;
        Ok(Matrix {
            rows,
            columns,
            values: blocks::to_int8(&shard.read(info)?, &scales, columns),
        })
    }

    /// A vector of `size` numbers.
    pub(super) fn vector(&self, name: &str, size: usize) -> Result<Vec<f32>, ReadError> {
        let (shard, info) = self.sized(name, &[size])?;
        shard.read_f32(name, info)
    }

    /// A map with its bias, `NAME.weight` and `NAME.bias`.
    pub(super) fn linear(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Linear, ReadError> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), rows, columns)?,
            bias: Some(self.vector(&format!("{name}.bias"), rows)?),
        })
    }

    /// A map with the bias that it may have.
    pub(super) fn linear_any(
        &self,
        name: &str,
        rows: usize,
        columns: usize,
    ) -> Result<Linear, ReadError> {
        let bias = format!("{name}.bias");
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), rows, columns)?,
            bias: self
                .has(&bias)
                .then(|| self.vector(&bias, rows))
                .transpose()?,
        })
    }

    /// A normalisation with its bias; `gamma` and `beta` are the names that old checkpoints have.
    pub(super) fn norm(&self, name: &str, size: usize) -> Result<Norm, ReadError> {
        let (weight, bias) = if self.has(&format!("{name}.gamma")) {
            ("gamma", "beta")
        } else {
            ("weight", "bias")
        };
        Ok(Norm {
            weight: self.vector(&format!("{name}.{weight}"), size)?,
            bias: Some(self.vector(&format!("{name}.{bias}"), size)?),
        })
    }

    /// A normalisation with the bias that it may have.
    pub(super) fn norm_any(&self, name: &str, size: usize) -> Result<Norm, ReadError> {
        let bias = format!("{name}.bias");
        Ok(Norm {
            weight: self.vector(&format!("{name}.weight"), size)?,
            bias: self
                .has(&bias)
                .then(|| self.vector(&bias, size))
                .transpose()?,
        })
    }

    /// Three maps of equal shape as one: query, key and value.
    pub(super) fn stacked(&self, names: [&str; 3], size: usize) -> Result<Linear, ReadError> {
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            parts.push(self.linear(name, size, size)?);
        }
        let bias = parts.iter_mut().filter_map(|part| part.bias.take());
        let bias = bias.collect::<Vec<_>>().concat();
        Ok(Linear {
            weight: stack(parts.into_iter().map(|part| part.weight), size),
            bias: Some(bias),
        })
    }

    fn find(&self, name: &str) -> Result<(&Shard, &TensorInfo), ReadError> {
        match self.index.get(name) {
            Some((shard, info)) => Ok((&self.shards[*shard], info)),
            None => Err(self.missing(name)),
        }
    }

    fn sized(&self, name: &str, wanted: &[usize]) -> Result<(&Shard, &TensorInfo), ReadError> {
        let (shard, info) = self.find(name)?;
        if info.shape == wanted {
            return Ok((shard, info));
        }
        Err(ReadError::Shape {
            file: shard.name.clone(),
            tensor: name.to_owned(),
            found: info.shape.clone(),
            wanted: wanted.to_vec(),
        })
    }

    fn missing(&self, name: &str) -> ReadError {
        let files: Vec<_> = self.shards.iter().map(|shard| &*shard.name).collect();
        ReadError::NoTensor {
            files: files.join(", "),
            tensor: name.to_owned(),
        }
    }
}

/// Stands matrices of as many columns on top of each other; 8-bit values stay so where all are.
fn stack(parts: impl Iterator<Item = Matrix>, columns: usize) -> Matrix {
    let parts: Vec<Matrix> = parts.collect();
    let (mut bytes, mut factors) = (Vec::new(), Vec::new());
    for part in &parts {
        if let Values::Int8 { values, scales } = &part.values {
            bytes.extend_from_slice(values);
            factors.extend_from_slice(scales);
        }
    }
    let rows = parts.iter().map(|part| part.rows).sum();
    let values = if factors.len() == rows {
        Values::Int8 {
            values: bytes,
            scales: factors,
        }
    } else {
        Values::F32(parts.iter().flat_map(Matrix::to_f32).collect())
    };
    Matrix {
        rows,
        columns,
        values,
    }
}

/// The files that an index names, each once.
fn shards(index: &Json) -> Result<Vec<String>, ReadError> {
    let map = match index.fields.get("weight_map") {
        Some(Value::Object(map)) => map,
        _ => return Err(index.wrong("weight_map", "is missing, or no object")),
    };
    let mut names: Vec<String> = Vec::new();
    for file in map.values() {
        let name = file.as_str().unwrap_or_default();
        // A shard lies beside its index; anything else would let a downloaded index name any file of the machine.
        if name.is_empty() || name.contains(['/', '\\']) {
            return Err(index.wrong("weight_map", &format!("names {file}, not a file beside it")));
        }
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
