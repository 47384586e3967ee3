//! Words and patterns that an answer must not say.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use regex::Regex;

use super::escape::{JsonState, replace};
use super::report::SharedReport;
use super::{Filtered, TextFilter};
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
    /// A character that has passed already, and what is held back.
    buffer: String,
    passed: usize,
    json: Option<JsonState>,
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
            json: json.then(JsonState::default),
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
        limit = limit.max(self.passed);
        let mut masks: Vec<(Range<usize>, String)> = Vec::new();
        let mut at = self.passed;
        let mut stop = None;
        while let Some(found) = self.next(at).filter(|found| found.range.start < limit) {
            let pending = !last
                && found.range.end == self.buffer.len()
                && self.rules.terms[found.term].longest.is_none()
                && self.buffer.len() - found.range.start <= 2 * self.rules.hold;
            if pending {
                // It may become longer.
                limit = found.range.start;
                break;
            }
            self.note(&found);
            at = found.range.end;
            match self.rules.outcome {
                VerdictOutcome::Blocked if !self.rules.shadow => {
                    stop = Some(found.range.start);
                    break;
                }
                VerdictOutcome::Masked if !self.rules.shadow => {
                    let mask = format!("[{}]", self.rules.terms[found.term].name);
                    masks.push((found.range, mask));
                }
                _ => {}
            }
        }
        let end = stop.unwrap_or(at.max(limit));
        self.release(end, &masks, last, stop.is_some())
    }

    /// Hands out what is held up to `end`.
    fn release(
        &mut self,
        end: usize,
        masks: &[(Range<usize>, String)],
        last: bool,
        stop: bool,
    ) -> Filtered {
        let mut end = end;
        if let Some(json) = self.json.filter(|_| !last && !stop) {
            let held = &self.buffer[self.passed..];
            let safe = self.passed + json.safe_cut(held, end - self.passed);
            // A match that would be cut stays whole; a number without end must not be held forever.
            let whole = masks.iter().all(|(mask, _)| mask.end <= safe);
            if whole && end - safe <= self.rules.hold {
                end = safe;
            }
        }
        let masks: Vec<_> = masks
            .iter()
            .map(|(range, with)| {
                let range = range.start - self.passed..range.end.min(end) - self.passed;
                (range, with.clone())
            })
            .collect();
        let out = replace(&self.buffer[self.passed..end], self.json, &masks);
        if let Some(json) = &mut self.json {
            *json = json.behind(&self.buffer[self.passed..end]);
        }
        if last || stop {
            self.buffer.clear();
            self.passed = 0;
            if let Some(json) = &mut self.json {
                *json = JsonState::default();
            }
            return Filtered { text: out, stop };
        }
        let keep = self.buffer[..end]
            .char_indices()
            .next_back()
            .map_or(0, |(at, _)| at);
        self.buffer.drain(..keep);
        self.passed = end - keep;
        Filtered { text: out, stop }
    }
}

#[async_trait]
impl TextFilter for StopList {
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError> {
        self.buffer.push_str(text);
        Ok(self.pass(false))
    }

    async fn finish(&mut self) -> Result<Filtered, GuardError> {
        Ok(self.pass(true))
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

    proptest! {
        #[test]
        fn any_split_gives_the_same(text in "(blue|bird|bluebird| |E-12345|6|7|c\\+\\+|\u{e9}clair|sk-|[a-c]){0,30}", cut in 1..7usize, block: bool) {
            let outcome = if block { VerdictOutcome::Blocked } else { VerdictOutcome::Masked };
            let (mut filter, _) = list(outcome, false);
            let (mut out, mut stop) = (String::new(), false);
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(cut) {
                let filtered = block_on(filter.push(&piece.iter().collect::<String>())).unwrap();
                out += &filtered.text;
                stop = filtered.stop;
                if stop { break; }
            }
            if !stop {
                let rest = block_on(filter.finish()).unwrap();
                out += &rest.text;
                stop = rest.stop;
            }
            let expected = whole(outcome, &text);
            prop_assert_eq!((out, stop), (expected.text, expected.stop));
        }

        #[test]
        fn json_stays_json(words in prop::collection::vec("(blue|E-123456|x)", 0..5), number: u32, cut in 1..7usize) {
            let value = serde_json::json!({"blue": words.join(" \""), "n": number, "sk-a": ["C++", "\u{e9}clair\n"]});
            let text = value.to_string();
            let (mut filter, _) = list(VerdictOutcome::Masked, true);
            let mut out = String::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(cut) {
                out += &block_on(filter.push(&piece.iter().collect::<String>())).unwrap().text;
            }
            out += &block_on(filter.finish()).unwrap().text;
            prop_assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
            prop_assert!(!out.contains("blue"), "{out}");
        }
    }
}
