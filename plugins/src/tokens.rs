//! An estimate of how many tokens a request has, without a tokenizer.
//!
//! The gateway has no tokenizer of the models behind it. It counts what the tokenizers in use (byte-pair encodings of
//! 100,000 to 250,000 entries) have in common: a usual word is one token, a long one several, a few digits are one,
//! each ideograph is about one, and marks and line breaks cost extra.
//!
//! Measured against OpenAI's o200k_base (2024) on 15 small samples (English prose, Markdown, Rust, Python, JSON, numbers,
//! German, French, Russian, Arabic, Hindi, Thai, Chinese, Japanese, Korean): within 12% on each. Vocabularies with few
//! entries for a script need more: cl100k_base (2022) twice to three times as many for Arabic, Hindi, and Thai, and half
//! as many again for Chinese, Japanese and Korean.

use crate::api::Api;
use crate::exchange::Exchange;

/// Tokens times this, so that pieces of tokens can be added up without floats.
const UNIT: usize = 60;

/// What a message costs besides its text: its role and the marks around it, in the usual chat templates.
const PER_MESSAGE: usize = 4;

/// A rough number for an image: what a picture of about 800 by 800 points costs in the common vision models.
const PER_IMAGE: usize = 800;

/// A run of characters that tokenizers treat alike.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// ASCII letters.
    Latin,
    /// Letters of Latin script beyond ASCII.
    Accented,
    /// Letters of scripts with an alphabet, such as Cyrillic and Greek.
    Alphabet,
    /// Han, Kana, Hangul.
    Ideograph,
    /// Arabic, Hebrew, and the scripts of South and Southeast Asia: vowels are signs or left out.
    Abugida,
    Digit,
    Blank,
    Break,
    Mark,
    /// Emoji and rare signs.
    Other,
}

const fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' => Class::Latin,
        '0'..='9' => Class::Digit,
        ' ' | '\t' => Class::Blank,
        '\n' | '\r' => Class::Break,
        '\0'..='\u{7F}' => Class::Mark,
        '\u{80}'..='\u{BF}' | '\u{2010}'..='\u{205E}' => Class::Mark,
        '\u{C0}'..='\u{24F}' | '\u{1E00}'..='\u{1EFF}' => Class::Accented,
        '\u{250}'..='\u{58F}' | '\u{10A0}'..='\u{10FF}' => Class::Alphabet,
        '\u{590}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' => Class::Abugida,
        '\u{1100}'..='\u{11FF}' | '\u{2E80}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' => {
            Class::Ideograph
        }
        '\u{FF00}'..='\u{FFEF}' | '\u{20000}'..='\u{3FFFF}' => Class::Ideograph,
        _ => Class::Other,
    }
}

/// Estimated tokens of a text.
#[must_use]
pub fn estimate(text: &str) -> usize {
    if text.is_ascii() {
        return estimate_ascii(text.as_bytes());
    }
    estimate_chars(text)
}

fn estimate_chars(text: &str) -> usize {
    let mut units = 0;
    let mut chars = text.chars();
    let mut next = chars.next();
    let mut before = Class::Blank;
    while let Some(first) = next {
        let kind = class(first);
        let mut run = 1;
        next = chars.next();
        while next.is_some_and(|c| class(c) == kind) {
            run += 1;
            next = chars.next();
        }
        // The end of a line is part of the marks before it.
        if !(kind == Class::Break && before == Class::Mark) {
            units += cost(kind, run);
        }
        before = kind;
    }
    units.div_ceil(UNIT)
}

/// The classes of the ASCII characters, looked up instead of compared.
static ASCII: [Class; 128] = {
    let mut table = [Class::Mark; 128];
    let mut at = 0;
    while at < 128 {
        table[at] = class(at as u8 as char);
        at += 1;
    }
    table
};

/// [`estimate`] for ASCII text, byte by byte.
fn estimate_ascii(text: &[u8]) -> usize {
    let class_at = |at: usize| ASCII[usize::from(text[at] & 0x7f)];
    let mut units = 0;
    let mut before = Class::Blank;
    let mut at = 0;
    while at < text.len() {
        let kind = class_at(at);
        let start = at;
        at += 1;
        while at < text.len() && class_at(at) == kind {
            at += 1;
        }
        if !(kind == Class::Break && before == Class::Mark) {
            units += cost(kind, at - start);
        }
        before = kind;
    }
    units.div_ceil(UNIT)
}

/// What a run of `run` characters costs.
fn cost(kind: Class, run: usize) -> usize {
    match kind {
        // A word of up to 7 letters is one token; a longer one grows by a token every 6 letters.
        Class::Latin => UNIT + run.saturating_sub(7) * UNIT / 6,
        Class::Accented => run * UNIT / 2,
        Class::Alphabet => (run * UNIT / 4).max(UNIT),
        Class::Ideograph => run * UNIT * 3 / 4,
        Class::Abugida => run * UNIT * 2 / 5,
        Class::Digit => run.div_ceil(3) * UNIT,
        // One blank belongs to the word behind it; indentation is one token a run.
        Class::Blank => {
            if run > 1 {
                UNIT
            } else {
                0
            }
        }
        Class::Break => UNIT,
        Class::Mark => run.div_ceil(3) * UNIT,
        Class::Other => run * UNIT * 2,
    }
}

/// Estimated prompt tokens of a whole request: texts, token ids, the marks around messages, images, and the
/// definitions of tools. Not counted: tools and templates that frontends add by themselves.
#[must_use]
pub fn of_request(exchange: &Exchange) -> usize {
    // Asked for by the signal and by the choice of a model; the client's texts do not change in between.
    let counted = exchange
        .conversation
        .estimated_tokens
        .get_or_init(|| count(exchange));
    *counted
}

fn count(exchange: &Exchange) -> usize {
    let conversation = &exchange.conversation;
    let texts: usize = (0..conversation.texts.len())
        .map(|index| estimate(exchange.text(index)))
        .sum();
    let images: usize = conversation.turns.iter().map(|turn| turn.images).sum();
    let messages = match exchange.api {
        Api::ChatCompletions | Api::Messages | Api::CountTokens | Api::Responses => {
            conversation.turns.len() * PER_MESSAGE
        }
        _ => 0,
    };
    let tools = exchange.body.document().root().get("tools");
    let tools = tools.map_or(0, |tools| estimate(tools.raw()));
    texts + conversation.token_ids + images * PER_IMAGE + messages + tools
}

#[cfg(test)]
mod tests;
