//! What the process writes, read by two threads so that it never blocks on a full pipe.

use std::io::Read;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

type Text = Arc<Mutex<Vec<u8>>>;

/// Standard output and standard error of a child.
#[derive(Debug)]
pub(super) struct Output {
    stdout: Text,
    stderr: Text,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    pub(super) fn capture(child: &mut Child) -> Self {
        let (stdout, stderr) = (Text::default(), Text::default());
        let mut readers = Vec::new();
        if let Some(pipe) = child.stdout.take() {
            readers.push(read(pipe, Arc::clone(&stdout)));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.push(read(pipe, Arc::clone(&stderr)));
        }
        Self {
            stdout,
            stderr,
            readers,
        }
    }

    pub(super) fn stdout(&self) -> String {
        text(&self.stdout)
    }

    pub(super) fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits for the pipes' ends, once the child has ended.
    pub(super) fn join(&mut self) {
        for reader in self.readers.drain(..) {
            // A reader ends with its pipe and does not panic.
            let _ = reader.join();
        }
    }
}

fn text(bytes: &Text) -> String {
    let bytes = bytes.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn read(mut pipe: impl Read + Send + 'static, into: Text) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count) = pipe.read(&mut buffer) {
            if count == 0 {
                break;
            }
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend_from_slice(&buffer[..count]);
        }
    })
}
