//! How the guard is configured.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guard::{BlockConfig, Conduct, Mode, OnError, TIMEOUT, Types};
use crate::passage::Scope;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::units::HumanDuration;

use super::{Guard, NAME};

/// Finds personal data and secrets in what a request says, with the model and rules of `understanding`, and blocks the
/// request, replaces what was found, or reports it. It also runs for requests that name a model. A `pii` guard of a
/// decision takes the place of the policy's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PiiConfig {
    /// What happens when something is found.
    pub action: Action,
    /// What happens by type, where it differs from `action`. Of several types found, the strictest action counts:
    /// `block`, then `redact` and `mask` (each piece by its own), then `flag`.
    pub actions: BTreeMap<String, Action>,
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
    /// Patterns of your own; what they match counts as a piece of the type that they are named after.
    pub patterns: Vec<PatternConfig>,
    /// Whose texts are looked at.
    pub scope: Scope,
    /// When: before a frontend sees the request, or beside its work. `redact` and `mask` need `before`.
    pub mode: Mode,
    /// How long the guard may take.
    pub timeout: HumanDuration,
    /// What happens when it cannot tell.
    pub on_error: OnError,
    /// What a blocked client gets.
    pub block: BlockConfig,
    /// Find and count, but change nothing and delay nobody.
    pub shadow: bool,
}

impl Default for PiiConfig {
    fn default() -> Self {
        Self {
            action: Action::default(),
            actions: BTreeMap::new(),
            deny: None,
            allow: None,
            threshold: 0.0,
            thresholds: BTreeMap::new(),
            patterns: Vec::new(),
            scope: Scope::default(),
            mode: Mode::default(),
            timeout: TIMEOUT,
            on_error: OnError::default(),
            block: BlockConfig::default(),
            shadow: false,
        }
    }
}

/// What happens to personal data. Ordered: the strictest is the greatest.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is reported in headers, metrics and the log.
    Flag,
    /// It is replaced by its type, `[PERSON]`, for good.
    Mask,
    /// It is replaced by a placeholder, `<PERSON_1>`; where the model's answer says `<PERSON_1>`, the client reads what
    /// it had sent, in streams too.
    Redact,
    /// The request is stopped.
    #[default]
    Block,
}

/// A pattern of the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PatternConfig {
    /// The type that its matches have: capital letters, digits and `_`.
    pub name: String,
    /// A regular expression.
    pub regex: String,
}

/// The operator's patterns, compiled.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(String, Regex)>);

impl Patterns {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What matches, by the order of the patterns; pieces do not overlap.
    pub(super) fn find(&self, text: &str) -> Vec<(String, Range<usize>)> {
        let mut all: Vec<(String, Range<usize>)> = Vec::new();
        for (name, regex) in &self.0 {
            for found in regex.find_iter(text).filter(|found| !found.is_empty()) {
                let free = |(_, taken): &(String, Range<usize>)| {
                    taken.end <= found.start() || found.end() <= taken.start
                };
                if all.iter().all(free) {
                    all.push((name.clone(), found.range()));
                }
            }
        }
        all
    }
}

impl PiiConfig {
    pub(super) fn guard(
        &self,
        context: &BuildContext<'_>,
        path: &str,
        problems: &mut Problems,
    ) -> Guard {
        let own: Vec<&str> = self
            .patterns
            .iter()
            .map(|pattern| pattern.name.as_str())
            .collect();
        let types = Types::build(
            self.allow.as_deref(),
            self.deny.as_deref(),
            self.threshold,
            &self.thresholds,
            &own,
            context.foreign_pii,
            path,
            problems,
        );
        let changes = |action: &Action| matches!(action, Action::Mask | Action::Redact);
        let field = match (
            changes(&self.action),
            self.actions.iter().find(|(_, action)| changes(action)),
        ) {
            (true, _) => Some("action".to_owned()),
            (false, Some((kind, _))) => Some(format!("actions.{kind}")),
            (false, None) => None,
        };
        if let (Mode::Overlap, Some(field)) = (self.mode, field) {
            problems
                .error(
                    format!("{path}.{field}"),
                    "a frontend that already works has seen the text",
                )
                .with_hint("what is replaced needs `mode: before`");
        }
        let conduct = Conduct::build(
            NAME,
            &self.scope,
            self.mode,
            self.timeout,
            self.on_error,
            self.shadow,
            &self.block,
            path,
            problems,
        );
        Guard {
            conduct,
            types,
            action: self.action,
            actions: self.actions.clone(),
            patterns: self.patterns(path, problems),
        }
    }

    fn patterns(&self, path: &str, problems: &mut Problems) -> Patterns {
        let mut all = Vec::new();
        for (index, pattern) in self.patterns.iter().enumerate() {
            let name = &pattern.name;
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                problems.error(
                    format!("{path}.patterns[{index}].name"),
                    "a type is written in capital letters, digits and `_`",
                );
            }
            match Regex::new(&pattern.regex) {
                Ok(regex) => all.push((name.clone(), regex)),
                Err(error) => {
                    problems.error(format!("{path}.patterns[{index}].regex"), error.to_string());
                }
            }
        }
        Patterns(all)
    }
}
