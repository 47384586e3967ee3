//! Who hears how a download goes.

/// Hears how a download goes.
pub trait Progress: Send + Sync {
    /// So many files will be fetched, of so many bytes in all. Bytes of an interrupted download count as [done]
    /// already.
    ///
    /// [done]: Self::position
    fn begin(&self, _files: usize, _bytes: u64) {}

    /// The next file.
    fn file(&self, _name: &str, _bytes: u64) {}

    /// So many bytes of all files are on the disk; fewer than before where a file had to start again.
    fn position(&self, _done: u64) {}

    /// Something an operator wants to know: a repeated request, a wait for another process.
    fn note(&self, _text: &str) {}

    /// All is there.
    fn end(&self) {}
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}
