//! `languages`: the language of the last user turn, by whatlang (trigrams, alphabets and scripts).

mod codes;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use whatlang::{Lang, Script};

use crate::conversation::join;
use crate::exchange::Exchange;
use crate::policy::compile::hint;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};

/// Matches requests by the language of the last user turn. Texts that are too short to tell match nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanguageConfig {
    /// The name that decisions use.
    pub name: String,
    /// The languages, as ISO 639 codes of two or three letters: `de` or `deu`.
    pub codes: Vec<String>,
    /// How sure the detection must be, 0 to 1. Default: 0.2. Related languages are told apart less surely
    /// than others, and short texts less than long ones.
    #[serde(default)]
    pub min_confidence: Option<f32>,
}

const DEFAULT_CONFIDENCE: f32 = 0.2;

/// Detection looks at this many bytes: a language shows early, and the time grows with the text. 600 bytes hold some
/// 400 to 600 trigrams of an alphabet, several times what the profiles need.
const LOOKED_AT: usize = 600;

/// Letters below which a text tells nothing, for scripts that many languages share. whatlang's confidence does not
/// know doubt there: it is sure of some language for `ok`.
const ENOUGH_LETTERS: usize = 12;

/// The same for scripts that write a syllable or a word with each character, or that one language alone uses.
const ENOUGH_SYLLABLES: usize = 2;

/// The rules of `languages`.
#[derive(Debug)]
pub struct Languages {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    langs: Vec<Lang>,
    min_confidence: f32,
}

pub(super) fn build(
    rules: &[LanguageConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Languages {
    Languages {
        rules: (rules.iter().enumerate())
            .map(|(index, rule)| build_rule(rule, &format!("[{index}]"), problems))
            .collect(),
    }
}

fn build_rule(rule: &LanguageConfig, path: &str, problems: &mut Problems) -> Rule {
    if rule.codes.is_empty() {
        problems
            .error(format!("{path}.codes"), "the list is empty")
            .with_hint("list languages, for example `[de, fr]`");
    }
    let min_confidence = rule.min_confidence.unwrap_or(DEFAULT_CONFIDENCE);
    if !(0.0..=1.0).contains(&min_confidence) {
        problems.error(
            format!("{path}.min_confidence"),
            format!("{min_confidence} is not between 0 and 1"),
        );
    }
    let parse = |(at, code): (usize, &String)| {
        let lang = codes::parse(code);
        if lang.is_none() {
            let problem = problems.error(
                format!("{path}.codes[{at}]"),
                format!("`{code}` is no language that can be detected"),
            );
            if let Some(hint) = suggestion(code) {
                problem.with_hint(hint);
            }
        }
        lang
    };
    Rule {
        name: rule.name.as_str().into(),
        langs: rule.codes.iter().enumerate().filter_map(parse).collect(),
        min_confidence,
    }
}

/// The code for a language's name, or the code that is like this one.
fn suggestion(code: &str) -> Option<String> {
    let named = |lang: &&Lang| lang.eng_name().eq_ignore_ascii_case(code) || lang.name() == code;
    if let Some(lang) = Lang::all().iter().find(named) {
        return Some(format!("did you mean `{}`?", codes::short(*lang)));
    }
    // `de-AT`, `pt_BR`: the language without its region.
    let (language, _) = code.split_once(['-', '_']).unwrap_or((code, ""));
    if let Some(lang) = codes::parse(language) {
        return Some(format!("did you mean `{}`?", codes::short(lang)));
    }
    let known: Vec<&str> = Lang::all().iter().map(|lang| lang.code()).collect();
    hint(code, &known)
}

/// The language of a text, if it can be told, and how surely.
fn detect(text: &str) -> Option<(Lang, f32)> {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let found = whatlang::detect(text)?;
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let enough = match found.script() {
        Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari | Script::Hebrew => {
            ENOUGH_LETTERS
        }
        _ => ENOUGH_SYLLABLES,
    };
    (letters >= enough).then(|| (found.lang(), found.confidence() as f32))
}

#[async_trait]
impl Signal for Languages {
    fn kind(&self) -> &'static str {
        "languages"
    }

    fn cost(&self) -> Cost {
        Cost::Dear
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let text = join(exchange.conversation.last_user().map(|i| exchange.text(i)));
        let found = detect(&text);
        let detail = found.map(|(lang, sure)| format!("{} {sure:.4}", codes::short(lang)));
        Ok(self
            .rules
            .iter()
            .map(|rule| {
                let hit = found.filter(|(lang, sure)| {
                    rule.langs.contains(lang) && *sure >= rule.min_confidence
                });
                Match {
                    name: Arc::clone(&rule.name),
                    matched: hit.is_some(),
                    unknown: None,
                    confidence: hit.map_or(0.0, |(_, sure)| sure),
                    detail: detail.clone(),
                }
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
