//! What was measured, kept beside the hub cache.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Measured, choose};
use crate::ModelError;
use crate::native::{self, Precision};
use crate::source::HubOptions;

/// Changes when records of before mean something else: in 1, int8 was what is w8a8 now on processors with VNNI.
const FORMAT: u32 = 2;

/// What was measured of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// The hash of the model's files.
    pub content: String,
    /// The kernels for 8 bits of the machine.
    pub kernels: String,
    /// 32 bits first.
    pub measured: Vec<Measured>,
    /// What `precision: auto` takes.
    pub precision: Precision,
}

impl Record {
    /// Draws the conclusion from what was measured.
    #[must_use]
    pub fn new(content: &str, measured: Vec<Measured>) -> Self {
        Self {
            format: FORMAT,
            content: content.to_owned(),
            kernels: kernels().to_owned(),
            precision: choose(&measured),
            measured,
        }
    }

    /// Writes it for [`recorded`], and says where.
    ///
    /// # Errors
    /// [`ModelError::Load`] when the file cannot be written.
    pub fn write(&self, options: &HubOptions) -> Result<PathBuf, ModelError> {
        let path = path(options, &self.content);
        let failed = |reason: String| ModelError::Load {
            model: self.content.clone(),
            reason: format!("{}: {reason}", path.display()),
        };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        }
        // A reader sees the old record or the new one.
        let new = path.with_extension("new");
        fs::write(&new, text + "\n")
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| failed(error.to_string()))?;
        Ok(path)
    }
}

/// The precision that was found to serve for a model with these files on kernels like this machine's. `None` where
/// nobody has measured it; a record that cannot be read is as good as none, and said in the log.
#[must_use]
pub fn recorded(options: &HubOptions, content: &str) -> Option<Precision> {
    let path = path(options, content);
    let text = fs::read_to_string(&path).ok()?;
    let record: Record = match serde_json::from_str(&text) {
        Ok(record) => record,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "not a record of precision; measure the model again");
            return None;
        }
    };
    let fits = record.format == FORMAT && record.content == content && record.kernels == kernels();
    fits.then_some(record.precision)
}

fn kernels() -> &'static str {
    native::kernels(Precision::Int8)
}

fn path(options: &HubOptions, content: &str) -> PathBuf {
    let name = format!("{content}-{}.json", kernels());
    options.cache.join("commutator-precision").join(name)
}
