//! An estimate of how many tokens a request has, without a tokenizer.

use crate::exchange::Exchange;

/// Estimated tokens of a text.
#[must_use]
pub fn estimate(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// Estimated prompt tokens of a whole request.
#[must_use]
pub fn of_request(exchange: &Exchange) -> usize {
    (0..exchange.conversation.texts.len())
        .map(|index| estimate(exchange.text(index)))
        .sum()
}
