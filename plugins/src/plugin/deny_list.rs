//! `deny_list`: words and patterns that no request may hold.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use commutator_models::normalize::normalize;
use futures::FutureExt;
use futures::future::BoxFuture;
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::guard::{
    Act, BlockConfig, Conduct, GuardError, Judge, Judgement, Mode, OnError, TIMEOUT, run,
};
use crate::passage::{Passage, Scope};
use crate::plugin::{Flow, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

const NAME: &str = "deny_list";

/// Finds words and patterns in what a request says, without any model, and blocks the request, masks what was found,
/// or reports it. A `deny_list` of a decision takes the place of the policy's lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyListConfig {
    /// What the list is called in headers, metrics and logs.
    pub name: String,
    /// Whole words and phrases, in any case; disguised letters (`c\u{430}t` with a Cyrillic `\u{430}`) count too.
    #[serde(default)]
    pub words: Vec<String>,
    /// Regular expressions.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// What happens when something is found.
    #[serde(default)]
    pub action: Action,
    /// Whose texts are looked at.
    #[serde(default)]
    pub scope: Scope,
    /// What a blocked client gets.
    #[serde(default)]
    pub block: BlockConfig,
    /// Find and count, but change nothing and delay nobody.
    #[serde(default)]
    pub shadow: bool,
}

/// What happens to a request with a word of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The request is stopped.
    #[default]
    Block,
    /// What was found is replaced by the list's name in brackets; where only a disguise was found, the request is
    /// stopped.
    Mask,
    /// It is reported in headers, metrics and the log.
    Flag,
}

/// The built plugin.
#[derive(Debug)]
pub struct DenyList(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    name: String,
    conduct: Conduct,
    action: Action,
    words: Option<Regex>,
    patterns: Vec<Regex>,
}

impl BuiltIn for DenyList {
    type Config = DenyListConfig;

    fn build(
        config: &DenyListConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if config.name.is_empty() {
            problems.error(format!("{path}.name"), "a list needs a name");
        }
        if config.words.is_empty() && config.patterns.is_empty() {
            problems
                .error(path, "the list is empty")
                .with_hint("give `words` or `patterns`");
        }
        for (index, word) in config.words.iter().enumerate() {
            if word.trim().is_empty() {
                problems.error(
                    format!("{path}.words[{index}]"),
                    "an empty word is everywhere",
                );
            }
        }
        let mut patterns = Vec::new();
        for (index, pattern) in config.patterns.iter().enumerate() {
            match Regex::new(pattern) {
                Ok(regex) => patterns.push(regex),
                Err(error) => {
                    problems.error(format!("{path}.patterns[{index}]"), error.to_string());
                }
            }
        }
        let words = match words(&config.words) {
            Ok(words) => words,
            Err(error) => {
                problems.error(format!("{path}.words"), error.to_string());
                None
            }
        };
        let conduct = Conduct::build(
            NAME,
            &config.scope,
            Mode::Before,
            TIMEOUT,
            OnError::Deny,
            config.shadow,
            &config.block,
            path,
            &mut problems,
        );
        match problems.has_errors() {
            true => Err(problems),
            false => Ok(Self(Arc::new(Guard {
                name: config.name.clone(),
                conduct,
                action: config.action,
                words,
                patterns,
            }))),
        }
    }
}

/// One expression for all words: a border is asked for only where a word has a letter.
fn words(words: &[String]) -> Result<Option<Regex>, regex::Error> {
    if words.is_empty() {
        return Ok(None);
    }
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let one = |word: &String| {
        let word = word.trim();
        let before = if letter(word.chars().next()) {
            r"\b"
        } else {
            ""
        };
        let after = if letter(word.chars().next_back()) {
            r"\b"
        } else {
            ""
        };
        format!("{before}{}{after}", regex::escape(word))
    };
    let all: Vec<String> = words.iter().map(one).collect();
    Regex::new(&format!("(?i)(?:{})", all.join("|"))).map(Some)
}

#[async_trait]
impl Plugin for DenyList {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_guard(&self) -> bool {
        true
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        run(&self.0, exchange).await
    }
}

impl Guard {
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let all = self.words.iter().chain(&self.patterns);
        let mut found: Vec<Range<usize>> = Vec::new();
        for regex in all {
            for hit in regex.find_iter(text).filter(|hit| !hit.is_empty()) {
                if found
                    .iter()
                    .all(|f| f.end <= hit.start() || hit.end() <= f.start)
                {
                    found.push(hit.range());
                }
            }
        }
        found.sort_by_key(|range| range.start);
        found
    }
}

impl Judge for Guard {
    type Found = ();

    fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    fn find(
        &self,
        _exchange: &Exchange,
        _passages: &[Passage],
    ) -> BoxFuture<'static, Result<(), GuardError>> {
        futures::future::ready(Ok(())).boxed()
    }

    fn judge(&self, exchange: &mut Exchange, passages: &[Passage], _found: ()) -> Judgement {
        let (mut findings, mut edits, mut hidden) = (Vec::new(), Vec::new(), false);
        for passage in passages {
            let text = passage.text(exchange);
            let plain = Guard::find(self, &text);
            for range in &plain {
                match passage.raw(exchange, range) {
                    Some(raw) => edits.push((raw, format!("[{}]", self.name))),
                    None => hidden = true,
                }
            }
            let mut all = plain;
            if all.is_empty() {
                let normal = normalize(&text);
                let disguised = Guard::find(self, &normal.text);
                hidden |= !disguised.is_empty();
                all.extend(disguised.into_iter().map(|range| normal.original(range)));
            }
            findings.extend(all.into_iter().map(|span| Finding {
                source: NAME.to_owned(),
                label: self.name.clone(),
                score: 1.0,
                threshold: None,
                text: passage.index,
                span: Some(span),
            }));
        }
        if findings.is_empty() {
            return Judgement::clean();
        }
        let act = match self.action {
            Action::Flag => Act::Flag,
            Action::Mask if !hidden => Act::Edit {
                edits,
                reversible: false,
            },
            Action::Mask | Action::Block => Act::Block(
                "I cannot process this request as it contains words that are not allowed here."
                    .to_owned(),
            ),
        };
        Judgement {
            act,
            findings,
            labels: vec![self.name.clone()],
            measured: None,
        }
    }
}
