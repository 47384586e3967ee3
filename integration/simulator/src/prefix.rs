//! A stand-in for the workers' KV cache: which prompt prefixes were seen before.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Bytes of text that count as one token: the usual rough estimate for English.
pub(crate) const BYTES_PER_TOKEN: usize = 4;
/// Tokens of one KV block, the mocker's and most engines' default.
pub(crate) const BLOCK_TOKENS: usize = 16;
const BLOCK_BYTES: usize = BLOCK_TOKENS * BYTES_PER_TOKEN;
/// Blocks that are remembered: one million tokens.
const CAPACITY: usize = 65_536;

/// Cuts the text of a prompt into blocks, each known by a hash of itself and all before it.
#[derive(Debug)]
pub(crate) struct PromptHasher {
    chain: u64,
    partial: [u8; BLOCK_BYTES],
    filled: usize,
    bytes: usize,
    blocks: Vec<u64>,
}

impl Default for PromptHasher {
    fn default() -> Self {
        Self {
            chain: 0x9e37_79b9_7f4a_7c15,
            partial: [0; BLOCK_BYTES],
            filled: 0,
            bytes: 0,
            blocks: Vec::new(),
        }
    }
}

impl PromptHasher {
    pub(crate) fn feed(&mut self, mut text: &[u8]) {
        self.bytes += text.len();
        if self.filled > 0 {
            let take = text.len().min(BLOCK_BYTES - self.filled);
            self.partial[self.filled..self.filled + take].copy_from_slice(&text[..take]);
            self.filled += take;
            text = &text[take..];
            if self.filled < BLOCK_BYTES {
                return;
            }
            let block = self.partial;
            self.close_block(&block);
        }
        let mut blocks = text.chunks_exact(BLOCK_BYTES);
        for block in &mut blocks {
            self.close_block(block);
        }
        let rest = blocks.remainder();
        self.partial[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    fn close_block(&mut self, block: &[u8]) {
        for word in block.chunks_exact(8) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            // The mixing step of FxHash: enough for a cache whose collisions only falsify a count.
            let mixed = self.chain.rotate_left(5) ^ u64::from_le_bytes(bytes);
            self.chain = mixed.wrapping_mul(0x517c_c1b7_2722_0a95);
        }
        self.blocks.push(self.chain);
        self.filled = 0;
    }

    /// Bytes fed so far.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Estimated tokens of everything fed so far.
    pub(crate) fn tokens(&self) -> usize {
        self.bytes.div_ceil(BYTES_PER_TOKEN)
    }

    pub(crate) fn blocks(&self) -> &[u64] {
        &self.blocks
    }
}

/// The blocks seen before, oldest forgotten first.
#[derive(Debug, Default)]
pub(crate) struct PrefixSet {
    known: HashSet<u64, BuildHasherDefault<Identity>>,
    order: VecDeque<u64>,
}

impl PrefixSet {
    /// Number of leading blocks that were known; all are known afterwards. `salt` keeps the caches of
    /// different models apart.
    pub(crate) fn hit(&mut self, salt: u64, blocks: &[u64]) -> usize {
        let known = blocks
            .iter()
            .take_while(|block| self.known.contains(&(*block ^ salt)))
            .count();
        for block in &blocks[known..] {
            let key = block ^ salt;
            if self.known.insert(key) {
                self.order.push_back(key);
            }
        }
        while self.order.len() > CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        known
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(parts: &[&str]) -> PromptHasher {
        let mut hasher = PromptHasher::default();
        for part in parts {
            hasher.feed(part.as_bytes());
        }
        hasher
    }

    #[test]
    fn blocks_do_not_depend_on_how_the_text_is_cut() {
        let text = "abcdefg hijklmnop qrstuvw xyz, ".repeat(20);
        let whole = blocks(&[&text]);
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(blocks(&[a, b]).blocks(), whole.blocks(), "cut at {cut}");
        }
        assert_eq!(whole.blocks().len(), text.len() / BLOCK_BYTES);
        assert_eq!(whole.tokens(), text.len().div_ceil(4));
    }

    #[test]
    fn only_a_common_prefix_is_a_hit() {
        let mut set = PrefixSet::default();
        let (head, tail) = ("x".repeat(128), "y".repeat(64));
        let first = blocks(&[&head, &tail]);
        assert_eq!(set.hit(1, first.blocks()), 0);
        assert_eq!(set.hit(1, first.blocks()), 3);
        assert_eq!(set.hit(2, first.blocks()), 0, "another model");
        assert_eq!(set.hit(1, blocks(&[&head, &"z".repeat(64)]).blocks()), 2);
        assert_eq!(set.hit(1, blocks(&["w", &head, &tail]).blocks()), 0);
    }

    #[test]
    fn the_set_is_bounded() {
        let mut set = PrefixSet::default();
        let many: Vec<u64> = (0..CAPACITY as u64 + 10).collect();
        set.hit(0, &many);
        assert_eq!(set.order.len(), CAPACITY);
        assert_eq!(set.known.len(), CAPACITY);
        assert_eq!(set.hit(0, &[5]), 0, "the oldest is forgotten");
    }
}
