//! Results of texts that were seen lately. The texts themselves are not kept.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::answer::HeadResult;
use super::head::HeadSet;
use super::options::CacheOptions;

/// Stands for a text: 128 bits of SipHash under keys that only this process knows, so that nobody can make two texts
/// with the same one.
pub(crate) type TextKey = u128;

/// What a remembered result takes besides itself: its place in the map and in the list.
const OVERHEAD: usize = 96;

/// Results of one engine.
#[derive(Debug)]
pub(crate) struct Cache {
    keys: [RandomState; 2],
    options: CacheOptions,
    entries: Mutex<Entries>,
}

#[derive(Debug)]
struct Entries {
    map: LruCache<(TextKey, usize), Arc<HeadResult>>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn new(options: &CacheOptions) -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            options: options.clone(),
            entries: Mutex::new(Entries {
                map: LruCache::unbounded(),
                bytes: 0,
            }),
        }
    }

    /// The text's key; none for a text that is too long to be looked up.
    pub(crate) fn key(&self, text: &str) -> Option<TextKey> {
        (text.len() <= self.options.max_text_bytes).then(|| {
            let [high, low] = &self.keys;
            u128::from(high.hash_one(text)) << 64 | u128::from(low.hash_one(text))
        })
    }

    /// The remembered results among the wanted, and the heads that are missing.
    pub(crate) fn look(
        &self,
        key: TextKey,
        wanted: HeadSet,
    ) -> (Vec<(usize, Arc<HeadResult>)>, HeadSet) {
        if self.options.max_bytes == 0 {
            return (Vec::new(), wanted);
        }
        let mut known = Vec::new();
        let mut missing = HeadSet::default();
        let mut entries = self.entries.lock();
        for head in wanted.iter() {
            match entries.map.get(&(key, head)) {
                Some(result) => known.push((head, Arc::clone(result))),
                None => missing = missing.with(head),
            }
        }
        (known, missing)
    }

    /// Remembers a result and forgets the ones that nobody has asked for longest, until all fit.
    pub(crate) fn remember(&self, key: TextKey, head: usize, result: &Arc<HeadResult>) {
        let size = result.size() + OVERHEAD;
        if size > self.options.max_bytes {
            return;
        }
        let mut entries = self.entries.lock();
        if let Some(old) = entries.map.put((key, head), Arc::clone(result)) {
            entries.bytes -= old.size() + OVERHEAD;
        }
        entries.bytes += size;
        while entries.bytes > self.options.max_bytes {
            let Some((_, old)) = entries.map.pop_lru() else {
                break;
            };
            entries.bytes -= old.size() + OVERHEAD;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::engine::answer::Answer;

    fn result(width: usize) -> Arc<HeadResult> {
        Arc::new(HeadResult {
            answer: Answer::Vector(vec![0.5; width]),
            windows: 1,
            unread_bytes: 0,
            suspects: Vec::new(),
        })
    }

    #[test]
    fn it_stays_within_its_bytes_and_forgets_the_oldest() {
        let cache = Cache::new(&CacheOptions {
            max_bytes: 2000,
            ..CacheOptions::default()
        });
        let keys: Vec<TextKey> = ["a", "b", "c"]
            .iter()
            .map(|t| cache.key(t).unwrap())
            .collect();
        let set = HeadSet::default().with(3);
        cache.remember(keys[0], 3, &result(150));
        cache.remember(keys[1], 3, &result(150));
        assert_eq!(cache.look(keys[0], set).0.len(), 1);
        cache.remember(keys[2], 3, &result(150));
        assert_eq!(cache.look(keys[1], set).1, set, "the oldest is gone");
        assert_eq!(cache.look(keys[0], set).0.len(), 1);
        assert!(cache.entries.lock().bytes <= 2000);

        cache.remember(keys[0], 3, &result(9000));
        assert!(cache.entries.lock().bytes <= 2000);
    }

    #[test]
    fn heads_are_remembered_apart() {
        let cache = Cache::new(&CacheOptions::default());
        let key = cache.key("text").unwrap();
        cache.remember(key, 0, &result(1));
        let (known, missing) = cache.look(key, HeadSet::default().with(0).with(1));
        assert_eq!(known.len(), 1);
        assert_eq!(missing, HeadSet::default().with(1));
    }

    #[test]
    fn long_texts_have_no_key_and_keys_differ_between_engines() {
        let cache = Cache::new(&CacheOptions::default());
        assert!(cache.key(&"a".repeat(300 << 10)).is_none());
        assert_ne!(cache.key("a"), cache.key("b"));
        assert_ne!(
            cache.key("a"),
            Cache::new(&CacheOptions::default()).key("a")
        );
    }
}
