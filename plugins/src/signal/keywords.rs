//! `keywords`: words and patterns in the request's texts.
//!
//! All rules share one pass: an Aho-Corasick automaton over the folded text for the words of all rules, and one
//! [`regex::RegexSet`] for all patterns. Each pattern only remembers in which scopes it was seen.

mod fold;
mod scan;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Role;
use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Cost, Match, Signal, SignalError};

use scan::{Patterns, Scanner};

/// Matches requests by words in their texts. All of `any`, `all` and `none` that are given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeywordConfig {
    /// The name that decisions use.
    pub name: String,
    /// At least one of these is there.
    #[serde(default)]
    pub any: Vec<String>,
    /// Every one of these is there.
    #[serde(default)]
    pub all: Vec<String>,
    /// None of these is there.
    #[serde(default)]
    pub none: Vec<String>,
    /// The words are regular expressions; `^` and `$` are the ends of a text, `whole_word` has no effect.
    #[serde(default)]
    pub regex: bool,
    /// A word counts only between word boundaries: `class` is not found in `classic`. Scripts that write no
    /// spaces between words, or glue particles to them (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese), have a
    /// boundary at every character.
    #[serde(default = "yes")]
    pub whole_word: bool,
    /// Upper and lower case are different. Otherwise both are the same, in all scripts.
    #[serde(default)]
    pub case_sensitive: bool,
    /// In which texts to look.
    #[serde(default)]
    pub scope: Scope,
}

fn yes() -> bool {
    true
}

/// Which texts of a request a rule looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The last turn of the user.
    #[default]
    LastUser,
    /// Everything the user says.
    User,
    /// Everything, also what the model, the tools and the system prompt say.
    All,
    /// The system prompt (also of role `developer`).
    System,
}

impl Scope {
    fn bit(self) -> u8 {
        match self {
            Self::LastUser => 1,
            Self::User => 2,
            Self::All => 4,
            Self::System => 8,
        }
    }
}

/// The rules of `keywords`.
#[derive(Debug)]
pub struct Keywords {
    rules: Vec<Rule>,
    scanner: Scanner,
    /// The scopes that some rule looks at.
    scopes: u8,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    scope: u8,
    /// Positions in the scanner's list of patterns.
    any: Vec<usize>,
    all: Vec<usize>,
    none: Vec<usize>,
}

pub(super) fn build(
    rules: &[KeywordConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Keywords {
    let mut patterns = Patterns::default();
    let compiled: Vec<Rule> = (rules.iter().enumerate())
        .map(|(index, rule)| build_rule(rule, &format!("[{index}]"), &mut patterns, problems))
        .collect();
    let scanner = Scanner::build(patterns).unwrap_or_else(|error| {
        problems.error(
            "",
            format!("the keywords are too many or too long: {error}"),
        );
        Scanner::default()
    });
    Keywords {
        scopes: compiled.iter().fold(0, |all, rule| all | rule.scope),
        rules: compiled,
        scanner,
    }
}

fn build_rule(
    rule: &KeywordConfig,
    path: &str,
    patterns: &mut Patterns,
    problems: &mut Problems,
) -> Rule {
    if rule.any.is_empty() && rule.all.is_empty() && rule.none.is_empty() {
        problems
            .error(path, "the rule has no words")
            .with_hint("give `any`, `all` or `none`");
    }
    let mut list = |field: &str, words: &[String]| -> Vec<usize> {
        (words.iter().enumerate())
            .filter_map(|(at, word)| {
                let path = format!("{path}.{field}[{at}]");
                match rule.regex {
                    true => add_regex(rule, word, &path, patterns, problems),
                    false => add_word(rule, word, &path, patterns, problems),
                }
            })
            .collect()
    };
    Rule {
        name: rule.name.as_str().into(),
        scope: rule.scope.bit(),
        any: list("any", &rule.any),
        all: list("all", &rule.all),
        none: list("none", &rule.none),
    }
}

fn add_word(
    rule: &KeywordConfig,
    word: &str,
    path: &str,
    patterns: &mut Patterns,
    problems: &mut Problems,
) -> Option<usize> {
    let text = fold::fold(word.trim(), !rule.case_sensitive);
    if text.is_empty() {
        problems.error(path, "the word is empty");
        return None;
    }
    Some(patterns.word(text.into_owned(), rule.case_sensitive, rule.whole_word))
}

fn add_regex(
    rule: &KeywordConfig,
    pattern: &str,
    path: &str,
    patterns: &mut Patterns,
    problems: &mut Problems,
) -> Option<usize> {
    let flags = if rule.case_sensitive { "" } else { "(?i)" };
    let pattern = format!("{flags}{pattern}");
    // Alone first: an error of the whole set does not say which one is wrong.
    match regex::Regex::new(&pattern) {
        Ok(regex) if regex.is_match("") => {
            problems
                .error(path, "the pattern matches the empty text, so every text")
                .with_hint("demand at least one character, for example with `+` instead of `*`");
            None
        }
        Ok(_) => Some(patterns.regex(pattern)),
        Err(error) => {
            problems.error(path, bad_regex(&error));
            None
        }
    }
}

/// What is wrong with a regular expression, in one line.
pub(super) fn bad_regex(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    match last.strip_prefix("error: ") {
        Some(reason) => format!("bad regular expression: {reason}"),
        None => format!("bad regular expression: {last}"),
    }
}

impl Keywords {
    /// In which scopes each pattern was seen.
    fn seen(&self, exchange: &Exchange) -> Vec<u8> {
        let mut seen = vec![0; self.scanner.len()];
        let last = exchange.conversation.last_user();
        for (index, text) in exchange.conversation.texts.iter().enumerate() {
            let mut scopes = Scope::All.bit();
            match text.role {
                Role::User => scopes |= Scope::User.bit(),
                Role::System | Role::Developer => scopes |= Scope::System.bit(),
                Role::Assistant | Role::Tool => {}
            }
            if last.contains(&index) {
                scopes |= Scope::LastUser.bit();
            }
            scopes &= self.scopes;
            if scopes != 0 {
                self.scanner.scan(exchange.text(index), scopes, &mut seen);
            }
        }
        seen
    }
}

impl Rule {
    /// Does it match? If so, which of its words was seen first in the rule's own order.
    fn outcome(&self, seen: &[u8]) -> (bool, Option<String>) {
        let there = |&pattern: &usize| seen[pattern] & self.scope != 0;
        let first = self.any.iter().position(there);
        let matched = (self.any.is_empty() || first.is_some())
            && self.all.iter().all(there)
            && !self.none.iter().any(there);
        let detail = match (matched, first, self.none.iter().position(there)) {
            (true, Some(at), _) => Some(format!("any[{at}]")),
            (false, _, Some(at)) => Some(format!("none[{at}]")),
            _ => None,
        };
        (matched, detail)
    }
}

#[async_trait]
impl Signal for Keywords {
    fn kind(&self) -> &'static str {
        "keywords"
    }

    fn cost(&self) -> Cost {
        Cost::Pass
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let seen = self.seen(exchange);
        let outcome = |rule: &Rule| {
            let (matched, detail) = rule.outcome(&seen);
            Match {
                name: Arc::clone(&rule.name),
                matched,
                unknown: None,
                confidence: 1.0,
                detail,
            }
        };
        Ok(self.rules.iter().map(outcome).collect())
    }
}

#[cfg(test)]
mod tests;
