//! One pass over a text for the patterns of all rules.

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};
use regex::{Regex, RegexSet};

use super::fold::{boundary, fold};

/// The patterns of all rules, collected.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// Folded, in one case.
    folded: Words,
    /// With their case.
    exact: Words,
    regexes: Vec<(usize, String)>,
    count: usize,
}

#[derive(Debug, Default)]
struct Words {
    texts: Vec<String>,
    targets: Vec<Target>,
}

/// What a word stands for.
#[derive(Debug, Clone, Copy)]
struct Target {
    pattern: usize,
    whole: bool,
}

impl Patterns {
    /// Adds a word, which must be folded; returns its number.
    pub(super) fn word(&mut self, text: String, case_sensitive: bool, whole: bool) -> usize {
        let pattern = self.next();
        let words = match case_sensitive {
            true => &mut self.exact,
            false => &mut self.folded,
        };
        words.texts.push(text);
        words.targets.push(Target { pattern, whole });
        pattern
    }

    /// Adds a regular expression, which must be a valid one; returns its number.
    pub(super) fn regex(&mut self, regex: String) -> usize {
        let pattern = self.next();
        self.regexes.push((pattern, regex));
        pattern
    }

    fn next(&mut self) -> usize {
        self.count += 1;
        self.count - 1
    }
}

/// Why the patterns could not be put together.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScannerError {
    #[error(transparent)]
    Words(#[from] BuildError),
    #[error(transparent)]
    Regexes(#[from] regex::Error),
}

/// The patterns, ready to scan.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    folded: Option<Automaton>,
    exact: Option<Automaton>,
    regexes: Expressions,
    count: usize,
}

/// Up to this many expressions are faster one by one: each stops at its first match and may skip ahead to what it must
/// begin with; a set does neither, but reads the text once.
const ONE_BY_ONE_UP_TO: usize = 4;

#[derive(Debug)]
enum Expressions {
    Few(Vec<(Regex, usize)>),
    Many(RegexSet, Vec<usize>),
}

impl Default for Expressions {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Expressions {
    fn build(regexes: Vec<(usize, String)>) -> Result<Self, regex::Error> {
        if regexes.len() > ONE_BY_ONE_UP_TO {
            let (numbers, regexes): (Vec<_>, Vec<_>) = regexes.into_iter().unzip();
            return Ok(Self::Many(RegexSet::new(regexes)?, numbers));
        }
        let few = regexes.into_iter();
        let few = few.map(|(number, regex)| Ok((Regex::new(&regex)?, number)));
        Ok(Self::Few(few.collect::<Result<_, regex::Error>>()?))
    }

    fn scan(&self, text: &str, scopes: u8, seen: &mut [u8]) {
        match self {
            Self::Few(few) => {
                for (regex, number) in few {
                    if seen[*number] & scopes != scopes && regex.is_match(text) {
                        seen[*number] |= scopes;
                    }
                }
            }
            Self::Many(set, numbers) => {
                for found in &set.matches(text) {
                    seen[numbers[found]] |= scopes;
                }
            }
        }
    }
}

/// Up to this many bytes of words the automaton is a table (a few MiB at most), which is several times faster than the
/// compact form that the library chooses for more than a hundred words.
const TABLE_UP_TO: usize = 8 * 1024;

#[derive(Debug)]
struct Automaton {
    words: AhoCorasick,
    targets: Vec<Target>,
}

impl Automaton {
    fn build(words: Words) -> Result<Option<Self>, BuildError> {
        if words.texts.is_empty() {
            return Ok(None);
        }
        // Standard matching reports every word, also those inside and across others.
        let size: usize = words.texts.iter().map(String::len).sum();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind((size <= TABLE_UP_TO).then_some(AhoCorasickKind::DFA))
            .build(&words.texts)?;
        Ok(Some(Self {
            words: automaton,
            targets: words.targets,
        }))
    }

    fn scan(&self, text: &str, scopes: u8, seen: &mut [u8]) {
        for found in self.words.find_overlapping_iter(text) {
            let target = self.targets[found.pattern().as_usize()];
            if seen[target.pattern] & scopes == scopes {
                continue;
            }
            if !target.whole || is_whole(text, found.start(), found.end()) {
                seen[target.pattern] |= scopes;
            }
        }
    }
}

/// Does the match stand between word boundaries?
fn is_whole(text: &str, start: usize, end: usize) -> bool {
    let (before, rest) = text.split_at(start);
    let (word, after) = rest.split_at(end - start);
    boundary(before.chars().next_back(), word.chars().next())
        && boundary(word.chars().next_back(), after.chars().next())
}

impl Scanner {
    pub(super) fn build(patterns: Patterns) -> Result<Self, ScannerError> {
        Ok(Self {
            folded: Automaton::build(patterns.folded)?,
            exact: Automaton::build(patterns.exact)?,
            regexes: Expressions::build(patterns.regexes)?,
            count: patterns.count,
        })
    }

    /// The number of patterns.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds `scopes` to `seen` for each pattern that stands in `text`.
    pub(super) fn scan(&self, text: &str, scopes: u8, seen: &mut [u8]) {
        if let Some(automaton) = &self.folded {
            automaton.scan(&fold(text, true), scopes, seen);
        }
        if let Some(automaton) = &self.exact {
            automaton.scan(&fold(text, false), scopes, seen);
        }
        self.regexes.scan(text, scopes, seen);
    }
}
