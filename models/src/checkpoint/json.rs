//! A JSON file whose fields are asked for by name, so that every complaint names the file and the field.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::ReadError;

/// A JSON object and the file that it came from.
#[derive(Debug, Clone)]
pub(super) struct Json {
    pub(super) file: String,
    pub(super) fields: Map<String, Value>,
}

impl Json {
    /// Reads `dir/file`, which must be there.
    pub(super) fn read(dir: &Path, file: &str) -> Result<Self, ReadError> {
        Self::read_optional(dir, file)?.ok_or_else(|| ReadError::Missing {
            file: file.to_owned(),
            hint: "",
        })
    }

    /// Reads `dir/file` where it is there.
    pub(super) fn read_optional(dir: &Path, file: &str) -> Result<Option<Self>, ReadError> {
        let Some(text) = read_optional(dir, file)? else {
            return Ok(None);
        };
        let fields = serde_json::from_slice(&text).map_err(|source| ReadError::Json {
            file: file.to_owned(),
            source,
        })?;
        Ok(Some(Self {
            file: file.to_owned(),
            fields,
        }))
    }

    /// The first of `names` that is there and not null.
    pub(super) fn any<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &Value)> {
        names.iter().find_map(|name| {
            let value = self.fields.get(*name).filter(|value| !value.is_null())?;
            Some((*name, value))
        })
    }

    /// A number that counts something; `names` are its spellings.
    pub(super) fn count(&self, names: &[&str]) -> Result<Option<usize>, ReadError> {
        let Some((name, value)) = self.any(names) else {
            return Ok(None);
        };
        let count = value.as_u64().and_then(|value| usize::try_from(value).ok());
        // A size above 2^24 is a mistake, and would only end in an allocation that fails.
        match count.filter(|count| *count < 1 << 24) {
            Some(count) => Ok(Some(count)),
            None => Err(self.wrong(name, &format!("is {value}, which is no sensible size"))),
        }
    }

    /// The same, at least 1, and it must be there.
    pub(super) fn size(&self, names: &[&str]) -> Result<usize, ReadError> {
        match self.count(names)? {
            Some(0) => Err(self.wrong(names[0], "is 0")),
            Some(count) => Ok(count),
            None => Err(self.wrong(names[0], "is missing")),
        }
    }

    /// A real number.
    pub(super) fn number(&self, names: &[&str]) -> Result<Option<f64>, ReadError> {
        match self.any(names) {
            None => Ok(None),
            Some((name, value)) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, &format!("is {value}, not a number"))),
            },
        }
    }

    /// A word.
    pub(super) fn word(&self, names: &[&str]) -> Result<Option<&str>, ReadError> {
        match self.any(names) {
            None => Ok(None),
            Some((name, value)) => match value.as_str() {
                Some(word) => Ok(Some(word)),
                None => Err(self.wrong(name, &format!("is {value}, not a string"))),
            },
        }
    }

    /// Yes or no; `default` where it is not there.
    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, ReadError> {
        match self.any(&[name]) {
            None => Ok(default),
            Some((_, Value::Bool(flag))) => Ok(*flag),
            Some((_, value)) => Err(self.wrong(name, &format!("is {value}, not true or false"))),
        }
    }

    /// A complaint about a field.
    pub(super) fn wrong(&self, field: &str, problem: &str) -> ReadError {
        ReadError::Field {
            file: self.file.clone(),
            field: field.to_owned(),
            problem: problem.to_owned(),
        }
    }
}

/// The bytes of `dir/file` where it is there.
pub(super) fn read_optional(dir: &Path, file: &str) -> Result<Option<Vec<u8>>, ReadError> {
    match std::fs::read(dir.join(file)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::Io {
            file: file.to_owned(),
            source,
        }),
    }
}
