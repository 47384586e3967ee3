//! How the guard is configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answer_text::{Hold, Kind, PersonalRules, StopRules, Term};
use crate::guard::{OnError, TIMEOUT, Types, VerdictOutcome};
use crate::plugin::pii::PatternConfig;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::units::HumanDuration;

use super::Answers;

/// The longest word of a stop list, and about as much is held back for a pattern, in bytes.
const LONGEST: usize = 256;

/// Guards what the model says: personal data and a list of words that must not be said, in the answer, its reasoning and
/// the arguments of tool calls, in streams and not, of all APIs that generate text. A few words are held back until they
/// are known to be harmless. It sees the answer as the model wrote it, so what `pii` has replaced by placeholders is not
/// found in it. An `answers` guard of a decision takes the place of the policy's.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswersConfig {
    /// Finds personal data and secrets with the model and rules of `understanding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pii: Option<PiiAnswers>,
    /// Finds words and patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopConfig>,
    /// Which texts of an answer are guarded. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<Kind>>,
    /// How long one look at a piece of the answer may take. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<HumanDuration>,
    /// What happens when the guard cannot tell. `deny` ends a stream with an error event, `allow` lets the rest pass.
    pub on_error: OnError,
    /// What a client gets where an answer is stopped.
    pub block: AnswerBlock,
    /// Find and count, but change nothing. Text is held back all the same.
    pub shadow: bool,
}

/// What a client gets where an answer is stopped, besides the end that its API has for that (`content_filter`,
/// `refusal`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerBlock {
    /// What the assistant says behind the last harmless word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Personal data in answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PiiAnswers {
    /// What happens when something is found.
    pub action: PiiAction,
    /// The types that count. Default: numbers of cards, accounts, identities and documents, secrets, e-mail addresses
    /// and phone numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny: Option<Vec<String>>,
    /// The types that do not count; all others do. Instead of `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// A piece counts from this probability on, 0 to 1. The model's own thresholds apply besides.
    pub threshold: f32,
    /// The same by type, where it differs.
    pub thresholds: BTreeMap<String, f32>,
    /// About how many tokens of a stream are held back, 8 to 4096. More sees longer pieces whole and costs fewer looks,
    /// but the client waits for them.
    #[schemars(range(min = 8, max = 4096))]
    pub hold_back: usize,
    /// May the model say again what the client itself has sent?
    pub allow_echo: bool,
}

impl Default for PiiAnswers {
    fn default() -> Self {
        Self {
            action: PiiAction::default(),
            deny: None,
            allow: None,
            threshold: 0.0,
            thresholds: BTreeMap::new(),
            hold_back: 40,
            allow_echo: false,
        }
    }
}

/// What happens to personal data in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PiiAction {
    /// It is reported in metrics and the log, and in headers where the answer is no stream.
    Flag,
    /// It is replaced by its type, `[US_SSN]`.
    #[default]
    Redact,
    /// The answer ends in front of it.
    Block,
}

/// What an answer must not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StopConfig {
    /// Whole words or phrases, in any case.
    pub words: Vec<String>,
    /// Regular expressions. In a stream, a match of more than 256 bytes may be found too late to hold its beginning
    /// back.
    pub patterns: Vec<PatternConfig>,
    /// What happens when one is found.
    pub action: StopAction,
}

/// What happens to a word of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopAction {
    /// It is reported in metrics and the log, and in headers where the answer is no stream.
    Flag,
    /// It is replaced by `[WORD]`, or by the pattern's name in brackets.
    Mask,
    /// The answer ends in front of it.
    #[default]
    Block,
}

impl AnswersConfig {
    pub(super) fn answers(
        &self,
        context: &BuildContext<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Answers {
        if self.pii.is_none() && self.stop.is_none() {
            problems
                .error(path, "nothing is looked for")
                .with_hint("set `pii`, `stop`, or both");
        }
        let channels = self.channels.clone();
        let channels =
            channels.unwrap_or_else(|| vec![Kind::Content, Kind::Reasoning, Kind::ToolArguments]);
        if channels.is_empty() {
            problems
                .error(format!("{path}.channels"), "no text is looked at")
                .with_hint("leave it out for all");
        }
        let timeout = self.timeout.unwrap_or(TIMEOUT);
        if timeout.get().is_zero() {
            problems.error(format!("{path}.timeout"), "the guard has no time at all");
        }
        let personal = self.pii.as_ref();
        let personal = personal.map(|pii| self.personal(pii, context, path, timeout, problems));
        let stop = self.stop.as_ref();
        let stop = stop.map(|stop| self.stop(stop, path, problems));
        Answers {
            personal: personal.map(Arc::new),
            allow_echo: self.pii.as_ref().is_some_and(|pii| pii.allow_echo),
            stop: stop.map(Arc::new),
            channels,
            on_error: self.on_error,
            block_text: self.block.text.clone(),
            shadow: self.shadow,
        }
    }

    fn personal(
        &self,
        pii: &PiiAnswers,
        context: &BuildContext<'_>,
        path: &str,
        timeout: HumanDuration,
        problems: &mut Problems,
    ) -> PersonalRules {
        let path = format!("{path}.pii");
        if !(8..=4096).contains(&pii.hold_back) {
            problems.error(
                format!("{path}.hold_back"),
                "8 to 4096 tokens can be held back",
            );
        }
        let types = Types::build(
            pii.allow.as_deref(),
            pii.deny.as_deref(),
            pii.threshold,
            &pii.thresholds,
            &[],
            context.foreign_pii,
            &path,
            problems,
        );
        PersonalRules {
            types,
            outcome: match pii.action {
                PiiAction::Flag => VerdictOutcome::Flagged,
                PiiAction::Redact => VerdictOutcome::Masked,
                PiiAction::Block => VerdictOutcome::Blocked,
            },
            shadow: self.shadow,
            hold: Hold::tokens(pii.hold_back),
            timeout: timeout.get(),
            on_error: self.on_error,
        }
    }

    fn stop(&self, stop: &StopConfig, path: &str, problems: &mut Problems) -> StopRules {
        let path = format!("{path}.stop");
        if stop.words.is_empty() && stop.patterns.is_empty() {
            problems.error(path.as_str(), "the list is empty");
        }
        for (index, word) in stop.words.iter().enumerate() {
            let place = format!("{path}.words[{index}]");
            if word.trim().is_empty() {
                problems.error(place, "no word");
            } else if word.len() > LONGEST / 2 {
                problems.error(place, format!("longer than {} bytes", LONGEST / 2));
            }
        }
        let mut terms = Vec::new();
        if !stop.words.is_empty() {
            match Term::words("WORD", stop.words.iter().map(String::as_str)) {
                Ok(term) => terms.push(term),
                Err(error) => {
                    problems.error(format!("{path}.words"), error);
                }
            }
        }
        for (index, pattern) in stop.patterns.iter().enumerate() {
            let place = format!("{path}.patterns[{index}]");
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if pattern.name.is_empty() || !pattern.name.chars().all(plain) {
                problems.error(
                    format!("{place}.name"),
                    "a name is written in capital letters, digits and `_`",
                );
            }
            match Term::pattern(&pattern.name, &pattern.regex) {
                Ok(term) => terms.push(term),
                Err(error) => {
                    problems.error(format!("{place}.regex"), error);
                }
            }
        }
        StopRules {
            terms,
            outcome: match stop.action {
                StopAction::Flag => VerdictOutcome::Flagged,
                StopAction::Mask => VerdictOutcome::Masked,
                StopAction::Block => VerdictOutcome::Blocked,
            },
            shadow: self.shadow,
            hold: LONGEST,
        }
    }
}
