//! How much may be inside the engine at once.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::options::QueueOptions;

/// Counts what is inside.
#[derive(Debug)]
pub(crate) struct Gate {
    max_texts: usize,
    max_bytes: usize,
    inside: Mutex<Inside>,
    /// Told when the last permit is back.
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    texts: usize,
    bytes: usize,
}

/// A text's right to be inside; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    gate: Arc<Gate>,
    bytes: usize,
}

impl Gate {
    pub(crate) fn new(options: &QueueOptions) -> Arc<Self> {
        Arc::new(Self {
            max_texts: options.max_texts,
            max_bytes: options.max_text_bytes,
            inside: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// Lets a text of so many bytes in, unless it is full. A text larger than all that may be inside gets in when its
    /// turn comes: the limit is crossed by one text at most.
    pub(crate) fn enter(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let mut inside = self.inside.lock();
        if inside.texts >= self.max_texts || inside.bytes >= self.max_bytes {
            return None;
        }
        inside.texts += 1;
        inside.bytes += bytes;
        Some(Permit {
            gate: Arc::clone(self),
            bytes,
        })
    }

    /// How many texts are inside.
    pub(crate) fn texts(&self) -> usize {
        self.inside.lock().texts
    }

    /// Waits until nothing is inside.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Listens before it looks, so that it cannot miss the last one.
            emptied.as_mut().enable();
            if self.texts() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock();
        inside.texts -= 1;
        inside.bytes -= self.bytes;
        if inside.texts == 0 {
            drop(inside);
            self.gate.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_counts_texts_and_bytes() {
        let gate = Gate::new(&QueueOptions {
            max_texts: 2,
            max_text_bytes: 100,
            ..QueueOptions::default()
        });
        let large = gate.enter(1000).unwrap();
        assert!(gate.enter(1).is_none(), "too many bytes");
        drop(large);
        let first = gate.enter(1).unwrap();
        let second = gate.enter(1).unwrap();
        assert!(gate.enter(1).is_none(), "too many texts");
        drop(first);
        assert_eq!(gate.texts(), 1);
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.empty().await }
        });
        drop(second);
        waiting.await.unwrap();
    }
}
