//! Reads the files that `file:PATH` secrets name, each once a load.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Bytes. A certificate chain fits; a log file named by mistake does not.
const MAX_SECRET: u64 = 64 << 10;

/// The files read so far. Deserialising runs several times over one tree; the file system is asked once.
#[derive(Debug, Default)]
pub(super) struct Files {
    base: PathBuf,
    read: RefCell<BTreeMap<PathBuf, Result<String, String>>>,
}

impl Files {
    /// Relative paths start from the directory of `config`.
    pub(super) fn beside(config: &Path) -> Self {
        Self {
            base: config.parent().unwrap_or(Path::new("")).to_owned(),
            read: RefCell::default(),
        }
    }

    /// The content of a file without its trailing line ends, or why there is none.
    pub(super) fn secret(&self, path: &str) -> Result<String, String> {
        let path = self.base.join(path);
        self.read
            .borrow_mut()
            .entry(path)
            .or_insert_with_key(|path| read(path))
            .clone()
    }

    /// Every file that was asked for, those that could not be read too: they may appear.
    pub(super) fn into_read(self) -> impl Iterator<Item = PathBuf> {
        self.read.into_inner().into_keys()
    }
}

fn read(path: &Path) -> Result<String, String> {
    let of_file = |message: String| format!("secret file `{}`: {message}", path.display());
    let bytes = super::read_bounded(path, MAX_SECRET).map_err(of_file)?;
    let text = String::from_utf8(bytes).map_err(|_| of_file("not UTF-8 text".into()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(of_file("the file is empty".into()));
    }
    Ok(text.to_owned())
}
