//! A tokenizer as the engine uses it: plain ids with byte ranges; the special tokens are put around windows later.

use std::ops::Range;

use tokenizers::Tokenizer;

use super::pieces::{ceil_char, floor_char};
use crate::ModelError;

/// Any text that has tokens in every vocabulary.
const PROBE: &str = "a";

/// Cuts texts into tokens.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    /// Ids in front of every window.
    prefix: Vec<u32>,
    /// Ids behind every window.
    suffix: Vec<u32>,
}

/// The tokens of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    ids: Vec<u32>,
    /// Bytes of the text; texts have less than 4 GiB.
    ranges: Vec<(u32, u32)>,
    /// Whether there are no more in the text.
    complete: bool,
}

impl TextTokenizer {
    /// Takes a tokenizer over: truncation and padding that it may carry are switched off, and special tokens that a
    /// text spells out (`[SEP]`) are text, since whoever writes a prompt must not speak the model's own signs.
    ///
    /// # Errors
    /// [`ModelError::Load`] when it does not put its special tokens around a text.
    pub(crate) fn new(model: &str, mut tokenizer: Tokenizer) -> Result<Self, ModelError> {
        let wrong = |reason: String| ModelError::Load {
            model: model.to_owned(),
            reason: format!("tokenizer: {reason}"),
        };
        tokenizer
            .with_truncation(None)
            .map_err(|e| wrong(e.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.set_encode_special_tokens(true);

        let plain = tokenizer
            .encode(PROBE, false)
            .map_err(|e| wrong(e.to_string()))?;
        let full = tokenizer
            .encode(PROBE, true)
            .map_err(|e| wrong(e.to_string()))?;
        let (plain, mask) = (plain.get_ids(), full.get_special_tokens_mask());
        let prefix = mask.iter().take_while(|special| **special == 1).count();
        let around = full.get_ids();
        let suffix = around.len().checked_sub(prefix + plain.len());
        match suffix {
            Some(suffix)
                if !plain.is_empty() && around[prefix..around.len() - suffix] == *plain =>
            {
                Ok(Self {
                    prefix: around[..prefix].to_vec(),
                    suffix: around[around.len() - suffix..].to_vec(),
                    tokenizer,
                })
            }
            _ => Err(wrong(
                "its special tokens do not stand around the text's".to_owned(),
            )),
        }
    }

    /// How many special tokens every window has.
    pub(crate) fn special(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// The tokens of `piece`, with ranges of the whole `text`.
    ///
    /// # Errors
    /// [`ModelError::Infer`] when the tokenizer refuses the text.
    pub(crate) fn tokens(&self, text: &str, piece: Range<usize>) -> Result<Tokens, ModelError> {
        let (base, end) = (piece.start, piece.end);
        // The library's own message may quote the text.
        let encoding = self
            .tokenizer
            .encode(&text[piece], false)
            .map_err(|_| ModelError::Infer("the tokenizer refuses the text".to_owned()))?;
        let at = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Ok(Tokens {
            complete: end == text.len(),
            ids: encoding.get_ids().to_vec(),
            ranges: encoding
                .get_offsets()
                .iter()
                .map(|(start, end)| (at(base + start), at(base + end)))
                .collect(),
        })
    }

    /// `tokens` with the special tokens around them.
    pub(crate) fn window(&self, tokens: &[u32], into: &mut Vec<u32>) {
        into.clear();
        into.extend_from_slice(&self.prefix);
        into.extend_from_slice(tokens);
        into.extend_from_slice(&self.suffix);
    }

    /// Where a window's own tokens begin.
    pub(crate) fn prefix(&self) -> usize {
        self.prefix.len()
    }
}

impl Tokens {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The ids of some of them.
    pub(crate) fn ids(&self, tokens: Range<usize>) -> &[u32] {
        &self.ids[tokens]
    }

    /// The bytes of a token in `text`, whole characters: tokens that are parts of one character all get it.
    pub(crate) fn bytes(&self, text: &str, token: usize) -> Range<usize> {
        let (start, end) = self.ranges[token];
        let start = floor_char(text, start as usize);
        start..ceil_char(text, end as usize).max(start)
    }

    /// Puts the tokens of the next piece behind these.
    pub(crate) fn append(&mut self, mut next: Self) {
        self.complete = next.complete;
        self.ids.append(&mut next.ids);
        self.ranges.append(&mut next.ranges);
    }

    /// Whether the text has no more than these.
    pub(crate) fn complete(&self) -> bool {
        self.complete
    }

    /// Tokens with these ranges, for tests of what reads ranges.
    #[cfg(test)]
    pub(crate) fn with_ranges(ranges: &[Range<usize>]) -> Self {
        let at = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            complete: true,
            ids: vec![0; ranges.len()],
            ranges: ranges.iter().map(|r| (at(r.start), at(r.end))).collect(),
        }
    }
}
