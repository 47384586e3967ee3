//! What can be set about an engine.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoder::Batch;

/// Settings of one engine. Every field has a default; unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineOptions {
    /// Threads and the cores they may use.
    pub threads: ThreadOptions,
    /// What goes into one forward pass.
    pub batch: BatchOptions,
    /// How much may wait.
    pub queue: QueueOptions,
    /// How texts are tokenised.
    pub text: TextOptions,
    /// Which results are remembered.
    pub cache: CacheOptions,
    /// Lengths, in tokens, of the sequences that are run before the first request; the encoder's maximum bounds them.
    /// Default: 8, 64, 256.
    pub warm_up: Vec<usize>,
    /// Settings of heads that are not in `heads`.
    pub default_head: HeadOptions,
    /// Settings of single heads, by the head's name.
    pub heads: BTreeMap<String, HeadOptions>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            threads: ThreadOptions::default(),
            batch: BatchOptions::default(),
            queue: QueueOptions::default(),
            text: TextOptions::default(),
            cache: CacheOptions::default(),
            warm_up: vec![8, 64, 256],
            default_head: HeadOptions::default(),
            heads: BTreeMap::new(),
        }
    }
}

/// Threads and the cores they may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ThreadOptions {
    /// Threads that run the encoder, each a batch of its own. The encoder itself may use several cores. Default: 1.
    pub model: usize,
    /// Threads that cut texts into tokens. Default: half of the cores, from 1 to 4.
    pub tokenizer: Option<usize>,
    /// Numbers of the cores on which the model threads, and the threads that they start, may run (Linux only). With
    /// several model threads each gets its share of the list. Default: empty, which means any core.
    pub cores: Vec<usize>,
}

impl ThreadOptions {
    /// Threads that cut texts into tokens.
    #[must_use]
    pub fn tokenizers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        self.tokenizer.unwrap_or((cores / 2).clamp(1, 4)).max(1)
    }
}

impl Default for ThreadOptions {
    fn default() -> Self {
        Self {
            model: 1,
            tokenizer: None,
            cores: Vec::new(),
        }
    }
}

/// What goes into one forward pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchOptions {
    /// The most tokens of a batch; a single window may have more. Default: 512 on a CPU, 8192 on a GPU.
    pub max_tokens: Option<usize>,
    /// The most windows of a batch. Default: 64 on a CPU, 256 on a GPU.
    pub max_windows: Option<usize>,
}

impl BatchOptions {
    /// The limits for an encoder for which `suits` is the usual batch.
    #[must_use]
    pub(crate) fn resolve(&self, suits: Batch) -> Batch {
        Batch {
            tokens: self.max_tokens.unwrap_or(suits.tokens),
            sequences: self.max_windows.unwrap_or(suits.sequences),
        }
    }
}

/// How much may wait. Beyond it a call ends with `Overloaded` at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueueOptions {
    /// The most texts inside the engine, in whatever step. Default: 1024.
    pub max_texts: usize,
    /// While the texts inside the engine have this many bytes together, no other is let in. Default: 67108864 (64 MiB).
    pub max_text_bytes: usize,
    /// While this many tokens wait for a model thread, no other text is let in. Default: 131072.
    pub max_tokens: usize,
    /// A call without a deadline of its own ends after so many milliseconds. Default: none, it waits.
    pub timeout_ms: Option<u64>,
    /// A text without any deadline is ranked as though it were due so many milliseconds after its arrival. Default:
    /// 1000.
    pub patience_ms: u64,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            max_texts: 1024,
            max_text_bytes: 64 << 20,
            max_tokens: 128 << 10,
            timeout_ms: None,
            patience_ms: 1000,
        }
    }
}

/// How texts are tokenised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextOptions {
    /// Longer texts are tokenised in pieces of about so many bytes, cut at white space, side by side. Default: 16384.
    pub piece_bytes: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            piece_bytes: 16 << 10,
        }
    }
}

/// Which results are remembered. Texts never are: a result is found by a keyed 128-bit hash of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheOptions {
    /// Bytes of all remembered results together; 0 remembers nothing. Default: 8388608 (8 MiB).
    pub max_bytes: usize,
    /// Texts of more bytes are neither looked up nor remembered. Default: 262144 (256 KiB).
    pub max_text_bytes: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            max_bytes: 8 << 20,
            max_text_bytes: 256 << 10,
        }
    }
}

/// Settings of one head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HeadOptions {
    /// The pieces in which it reads a text.
    pub window: WindowOptions,
    /// The most windows of a text; what lies behind them is not read, and the result says so. Default: 2048.
    pub max_windows: usize,
    /// Logits are divided by it before they become probabilities. Default: 1.
    pub temperature: f32,
    /// How the windows of a text become one result; only for heads that classify whole texts. Default: `mean`.
    pub combine: Combine,
    /// Probability from which a piece of a text counts as found, from 0 to 1; only for heads that label tokens.
    /// Default: 0.5.
    pub threshold: f32,
    /// The same for single labels, without `B-` and `I-`.
    pub thresholds: BTreeMap<String, f32>,
}

impl Default for HeadOptions {
    fn default() -> Self {
        Self {
            window: WindowOptions::default(),
            max_windows: 2048,
            temperature: 1.0,
            combine: Combine::Mean,
            threshold: 0.5,
            thresholds: BTreeMap::new(),
        }
    }
}

/// The pieces in which a head reads a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WindowOptions {
    /// Tokens of a window, special ones included; the encoder's maximum bounds it, and then the overlap to a quarter.
    /// Default: 512.
    pub tokens: usize,
    /// Tokens that a window shares with the one before it. Default: 64.
    pub overlap: usize,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            tokens: 512,
            overlap: 64,
        }
    }
}

/// How the windows of a text become one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The mean of the windows' probabilities, each counted with the tokens that it is the best window for: for
    /// subjects.
    Mean,
    /// The window in which these labels together are the most probable: for guards, where one bad passage is enough. Of
    /// a text of more than four windows `jailbreak` reads a suspicious one again a little before and behind, and takes
    /// the mean of the log-odds: a guard's mistakes hang on where a window happens to begin.
    Max(Vec<String>),
}
