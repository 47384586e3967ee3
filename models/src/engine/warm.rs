//! The first passes of an encoder, before anybody waits: memory is mapped, kernels are chosen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::encoder::Packed;

/// Any text; its tokens are repeated until a sequence is long enough.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, 12345 times.";

/// Runs a sequence of each length through all heads; gives the times.
///
/// # Errors
/// What is wrong, in a sentence.
pub(crate) fn up(shared: &Shared) -> Result<Vec<(usize, Duration)>, String> {
    let tokenizer = &shared.tokenizer;
    let tokens = tokenizer
        .tokens(TEXT, 0..TEXT.len())
        .map_err(|e| e.to_string())?;
    let own = tokens.ids(0..tokens.len());
    let heads: Vec<usize> = (0..shared.heads.len()).collect();
    let mut lengths: Vec<usize> = shared
        .options
        .warm_up
        .iter()
        .map(|length| (*length).clamp(1, shared.encoder.max_tokens()))
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
        .into_iter()
        .map(|length| {
            let body = length.saturating_sub(tokenizer.special());
            let body: Vec<u32> = own.iter().copied().cycle().take(body).collect();
            let mut ids = Vec::new();
            tokenizer.window(&body, &mut ids);
            let mut packed = Packed::default();
            if !ids.is_empty() {
                packed.push(&ids);
            }
            let started = Instant::now();
            catch_unwind(AssertUnwindSafe(|| shared.encoder.forward(&packed, &heads)))
                .map_err(|_| "the encoder panicked".to_owned())?
                .map_err(|error| error.to_string())?;
            Ok((length, started.elapsed()))
        })
        .collect()
}
