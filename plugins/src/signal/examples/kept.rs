//! The vectors of examples, kept beyond a policy: a reload that changes neither a model nor its examples asks nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_128;

/// So many numbers are kept, of all vectors together: 64 MiB.
const MOST: usize = 1 << 24;

/// Model and text; of the text a hash, which nobody can read it from.
type Key = (Arc<str>, u128);

#[derive(Default)]
struct Kept {
    vectors: HashMap<Key, Arc<[f32]>>,
    /// The oldest first.
    order: VecDeque<Key>,
    numbers: usize,
}

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// The vector that a model has given to a text.
pub(super) fn get(model: &str, text: &str) -> Option<Vec<f32>> {
    let key = (model.into(), xxh3_128(text.as_bytes()));
    KEPT.lock().vectors.get(&key).map(|vector| vector.to_vec())
}

/// Keeps the vector that a model has given to a text.
pub(super) fn put(model: &str, text: &str, vector: &[f32]) {
    let key = (model.into(), xxh3_128(text.as_bytes()));
    KEPT.lock().put(key, vector, MOST);
}

impl Kept {
    fn put(&mut self, key: Key, vector: &[f32], most: usize) {
        if vector.len() > most || self.vectors.contains_key(&key) {
            return;
        }
        while self.numbers + vector.len() > most
            && let Some(oldest) = self.order.pop_front()
        {
            let gone = self.vectors.remove(&oldest);
            self.numbers -= gone.map_or(0, |vector| vector.len());
        }
        self.numbers += vector.len();
        self.order.push_back(key.clone());
        self.vectors.insert(key, vector.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let mut kept = Kept::default();
        let key = |text: u128| ("m".into(), text);
        for text in 0..5 {
            kept.put(key(text), &[1.0; 3], 10);
        }
        kept.put(key(9), &[1.0; 11], 10);
        let left: Vec<u128> = kept.order.iter().map(|(_, text)| *text).collect();
        assert_eq!(
            (left, kept.numbers, kept.vectors.len()),
            (vec![2, 3, 4], 9, 3)
        );
    }
}
