//! Words and patterns that an answer must not say.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use regex::Regex;

use super::plain::{Mask, Plain};
use super::report::SharedReport;
use super::{Filtered, Place, TextFilter};
use crate::guard::{GuardError, VerdictOutcome};

/// How far back a match may look, in bytes: one character, for word borders.
const LOOK: usize = 4;

/// One pattern.
#[derive(Debug, Clone)]
pub struct Term {
    name: String,
    regex: Regex,
    /// How long a match can be, in bytes; `None` where there is no limit.
    longest: Option<usize>,
}

impl Term {
    /// A pattern with the name that findings and masks use.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn pattern(name: &str, regex: &str) -> Result<Self, String> {
        let longest = regex_syntax::parse(regex)
            .ok()
            .and_then(|hir| hir.properties().maximum_len());
        Ok(Self {
            name: name.to_owned(),
            regex: Regex::new(regex).map_err(|error| error.to_string())?,
            longest,
        })
    }

    /// Whole words, in any case.
    ///
    /// # Errors
    /// They are too many.
    pub fn words<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let one = |word: &&str| {
            let border = |c: Option<char>| if is_word(c) { r"\b" } else { "" };
            let start = border(word.chars().next());
            let end = border(word.chars().last());
            format!("{start}{}{end}", regex::escape(word))
        };
        let all: Vec<String> = words.iter().map(one).collect();
        Self::pattern(name, &format!("(?i)(?:{})", all.join("|")))
    }

    /// May a match be longer than `bytes`?
    #[must_use]
    pub fn may_exceed(&self, bytes: usize) -> bool {
        self.longest.is_none_or(|longest| longest > bytes)
    }
}

/// What a stop list looks for, and what happens then.
#[derive(Debug)]
pub struct StopRules {
    /// What it looks for.
    pub terms: Vec<Term>,
    /// What happens: `Flagged`, `Masked` or `Blocked`.
    pub outcome: VerdictOutcome,
    /// Only write it down.
    pub shadow: bool,
    /// The longest piece of text that is held back for a match, in bytes.
    pub hold: usize,
}

impl StopRules {
    /// How much text must follow before a match is sure.
    fn window(&self) -> usize {
        let longest = self.terms.iter().map(|term| term.longest);
        let longest = longest.map(|longest| longest.unwrap_or(usize::MAX)).max();
        longest.unwrap_or(0).min(self.hold) + LOOK
    }
}

/// Looks for words and patterns in one channel.
pub struct StopList {
    rules: Arc<StopRules>,
    report: SharedReport,
    window: usize,
    /// A character that has passed already, and what is held back, as it reads.
    buffer: String,
    passed: usize,
    plain: Plain,
}

struct Match {
    range: Range<usize>,
    term: usize,
}

impl StopList {
    /// A filter for one channel; `json` where its text is JSON.
    #[must_use]
    pub fn new(rules: Arc<StopRules>, report: SharedReport, json: bool) -> Self {
        Self {
            window: rules.window(),
            rules,
            report,
            buffer: String::new(),
            passed: 0,
            plain: Plain::new(json),
        }
    }

    /// The first match from `at` on; the longest where several begin there.
    fn next(&self, at: usize) -> Option<Match> {
        let mut best: Option<Match> = None;
        for (term, rule) in self.rules.terms.iter().enumerate() {
            let mut from = at;
            let found = loop {
                match rule.regex.find_at(&self.buffer, from) {
                    Some(found) if found.is_empty() => {
                        let next = self.buffer[found.end()..].chars().next();
                        match next {
                            Some(next) => from = found.end() + next.len_utf8(),
                            None => break None,
                        }
                    }
                    other => break other,
                }
            };
            let Some(found) = found else { continue };
            let better = best.as_ref().is_none_or(|best| {
                found.start() < best.range.start
                    || (found.start() == best.range.start && found.end() > best.range.end)
            });
            if better {
                best = Some(Match {
                    range: found.range(),
                    term,
                });
            }
        }
        best
    }

    fn note(&self, found: &Match) {
        let name = &self.rules.terms[found.term].name;
        let mut report = self.report.lock();
        report.found(format!("B-{name}"), name, 1.0, self.rules.outcome);
    }

    fn pass(&mut self, last: bool) -> Filtered {
        let mut limit = match last {
            true => self.buffer.len(),
            false => floor(&self.buffer, self.buffer.len().saturating_sub(self.window)),
        };
        limit = self.floor(limit.max(self.passed));
        let mut masks: Vec<Mask<'_>> = Vec::new();
        let mut at = self.passed;
        let mut stop = None;
        while let Some(found) = self.next(at).filter(|found| found.range.start < limit) {
            let pending = !last
                && found.range.end == self.buffer.len()
                && self.rules.terms[found.term].longest.is_none()
                && self.buffer.len() - found.range.start <= 2 * self.rules.hold;
            if pending {
                // It may become longer.
                limit = self.floor(found.range.start);
                break;
            }
            self.note(&found);
            at = self.passed + self.plain.ceil(found.range.end - self.passed);
            match self.rules.outcome {
                VerdictOutcome::Blocked if !self.rules.shadow => {
                    stop = Some(self.floor(found.range.start));
                    break;
                }
                VerdictOutcome::Masked if !self.rules.shadow => {
                    let mask = format!("[{}]", self.rules.terms[found.term].name);
                    let range = found.range.start - self.passed..found.range.end - self.passed;
                    masks.push((range, mask.into()));
                }
                _ => {}
            }
        }
        let end = stop.unwrap_or(at.max(limit));
        let out = self.plain.take(&self.buffer[self.passed..end], &masks);
        match last || stop.is_some() {
            true => self.forget(stop.is_some()),
            false => self.keep(end),
        }
        Filtered {
            text: out,
            stop: stop.is_some(),
        }
    }

    /// The last place up to `at` of the buffer where the text can be cut.
    fn floor(&self, at: usize) -> usize {
        self.passed + self.plain.floor(at - self.passed)
    }

    /// All up to `end` has passed; of that one character stays, for word borders.
    fn keep(&mut self, end: usize) {
        let keep = self.buffer[..end]
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at);
        self.buffer.drain(..keep);
        self.passed = end - keep;
    }

    fn forget(&mut self, stopped: bool) {
        self.buffer.clear();
        self.passed = 0;
        self.plain.end(stopped);
    }
}

#[async_trait]
impl TextFilter for StopList {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        let text = self.plain.push(text);
        self.buffer.push_str(&text);
        Ok(self.pass(false))
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        let rest = self.plain.rest();
        self.buffer.push_str(&rest);
        Ok(self.pass(true))
    }

    fn place(&self, piece: &Range<usize>) -> Place {
        self.plain.place(piece)
    }
}

/// The last border between characters up to `at`.
pub(super) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures::executor::block_on;
    use proptest::prelude::*;

    use super::super::plain::tests::escaped;
    use super::*;

    fn list(outcome: VerdictOutcome, json: bool) -> (StopList, SharedReport) {
        let words = ["bluebird", "C++", "\u{e9}clair", "blue"];
        let terms = vec![
            Term::words("word", words.into_iter()).unwrap(),
            Term::pattern("id", r"\bE-\d{6}\b").unwrap(),
            Term::pattern("key", "sk-[a-z]+").unwrap(),
        ];
        let report = SharedReport::default();
        let rules = StopRules {
            terms,
            outcome,
            shadow: false,
            hold: 40,
        };
        let list = StopList::new(Arc::new(rules), Arc::clone(&report), json);
        (list, report)
    }

    fn whole(outcome: VerdictOutcome, text: &str) -> Filtered {
        block_on(list(outcome, false).0.whole(text)).unwrap()
    }

    #[test]
    fn whole_words_in_any_case() {
        let masked = |text: &str| whole(VerdictOutcome::Masked, text).text;
        assert_eq!(masked("a BlueBird, blue."), "a [word], [word].");
        assert_eq!(masked("bluebirds and i C++!"), "bluebirds and i [word]!");
        assert_eq!(
            masked("\u{c9}CLAIR E-123456 E-1234567 sk-abc1"),
            "[word] [id] E-1234567 [key]1"
        );
        assert_eq!(masked("nothing"), "nothing");
    }

    #[test]
    fn block_stops_before_the_word() {
        let (mut list, report) = list(VerdictOutcome::Blocked, false);
        let mut out = String::new();
        for piece in [
            "the secret is blue",
            "bird and more text",
            " follows here and there, a lot of it, really",
        ] {
            let filtered = block_on(list.push(piece)).unwrap();
            out += &filtered.text;
            if filtered.stop {
                break;
            }
        }
        assert_eq!(out, "the secret is ");
        let report = report.lock();
        assert_eq!(
            (report.outcome, &report.labels[..]),
            (VerdictOutcome::Blocked, &["B-word".to_owned()][..])
        );
    }

    #[test]
    fn the_rest_is_held_back_for_a_bounded_time() {
        let (mut list, _) = list(VerdictOutcome::Masked, false);
        let text = "sk-".to_owned() + &"a".repeat(1000);
        let (mut sent, mut most) = (0, 0);
        for piece in text.as_bytes().chunks(3) {
            sent += piece.len();
            block_on(list.push(std::str::from_utf8(piece).unwrap())).unwrap();
            most = most.max(list.buffer.len());
        }
        assert!(most <= 3 * 40 + 8, "{most} of {sent}");
    }

    /// What comes out of a text that comes in pieces of `cut` characters, and whether it was stopped.
    fn in_pieces(filter: &mut StopList, text: &str, cut: usize) -> (String, bool) {
        let (mut out, mut stop) = (String::new(), false);
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(cut) {
            let filtered = block_on(filter.push(&piece.iter().collect::<String>())).unwrap();
            out += &filtered.text;
            stop = filtered.stop;
            if stop {
                break;
            }
        }
        if !stop {
            let rest = block_on(filter.finish()).unwrap();
            out += &rest.text;
            stop = rest.stop;
        }
        (out, stop)
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(text in "(blue|bird|bluebird| |E-12345|6|7|c\\+\\+|\u{e9}clair|sk-|[a-c]){0,30}", cut in 1..7usize, block: bool) {
            let outcome = if block { VerdictOutcome::Blocked } else { VerdictOutcome::Masked };
            let (mut filter, _) = list(outcome, false);
            let (out, stop) = in_pieces(&mut filter, &text, cut);
            let expected = whole(outcome, &text);
            prop_assert_eq!((out, stop), (expected.text, expected.stop));
        }

        #[test]
        fn json_stays_json_and_hides_what_it_must_however_it_is_written(
            words in prop::collection::vec("(blue|E-123456|x|\u{1f600}|\u{e9}clair)", 0..5),
            number: u32,
            cut in 1..7usize,
            every in 1..6usize,
            block: bool,
        ) {
            let outcome = if block { VerdictOutcome::Blocked } else { VerdictOutcome::Masked };
            let value = serde_json::json!({"blue": words.join(" \"\n/"), "n": number, "sk-a": ["C++", "\u{e9}clair\n"]});
            let text = escaped(&value, every);
            let (mut filter, _) = list(outcome, true);
            let (out, stop) = in_pieces(&mut filter, &text, cut);
            let whole = block_on(list(outcome, true).0.whole(&text)).unwrap();
            prop_assert_eq!((&out, stop), (&whole.text, whole.stop));
            if !block {
                let read: serde_json::Value = serde_json::from_str(&out).unwrap();
                let read = read.to_string();
                for word in ["blue", "E-123456", "C++", "clair"] {
                    prop_assert!(!read.contains(word), "{read}");
                }
            }
        }

        #[test]
        fn json_without_a_word_keeps_its_bytes(text in "[a-z\\\\\"\\PC]{0,20}", number: i32, cut in 1..7usize, every in 1..6usize) {
            let text = escaped(&serde_json::json!({"a": text, "n": [number, true]}), every);
            let terms = vec![Term::words("WORD", ["bluebird"].into_iter()).unwrap()];
            let rules = StopRules { terms, outcome: VerdictOutcome::Masked, shadow: false, hold: 40 };
            let mut filter = StopList::new(Arc::new(rules), SharedReport::default(), true);
            let chars: Vec<char> = text.chars().collect();
            let mut out = String::new();
            for piece in chars.chunks(cut) {
                out += &block_on(filter.push(&piece.iter().collect::<String>())).unwrap().text;
            }
            out += &block_on(filter.finish()).unwrap().text;
            prop_assert_eq!(out, text);
        }
    }
}
