//! What can be wrong with a checkpoint's files.

use std::path::PathBuf;

/// One clear reason; [`crate::ModelError::Load`] carries its text. Files are named as they lie in the directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("there is no directory {}", .0.display())]
    NoDirectory(PathBuf),
    #[error("{file} is missing{hint}")]
    Missing { file: String, hint: &'static str },
    #[error(
        "only {0} is there, and pickles are not read because they can run code: take a revision of the model with \
         model.safetensors, or write one with transformers: \
         `AutoModel….from_pretrained(DIR).save_pretrained(DIR, safe_serialization=True)`"
    )]
    Pickle(String),
    #[error("{file} cannot be read: {source}")]
    Io {
        file: String,
        source: std::io::Error,
    },
    #[error("{file} is not the JSON that it should be: {source}")]
    Json {
        file: String,
        source: serde_json::Error,
    },
    #[error("{file}: `{field}` {problem}")]
    Field {
        file: String,
        field: String,
        problem: String,
    },
    #[error("{file} is not a whole safetensors file: {reason}")]
    NotSafetensors { file: String, reason: String },
    #[error("{files}: tensor `{tensor}` is missing")]
    NoTensor { files: String, tensor: String },
    #[error("{file}: tensor `{tensor}` has the shape {found:?} where {wanted:?} is needed")]
    Shape {
        file: String,
        tensor: String,
        found: Vec<usize>,
        wanted: Vec<usize>,
    },
    #[error(
        "{file}: tensor `{tensor}` holds {dtype}; F32, F16, BF16, and I8 or 4 bits with scales are read"
    )]
    Dtype {
        file: String,
        tensor: String,
        dtype: String,
    },
    #[error("{file} names {found} labels, the classifier's weight has {wanted} rows")]
    Labels {
        file: String,
        found: usize,
        wanted: usize,
    },
    #[error("{file}: {problem}")]
    File { file: String, problem: String },
}
