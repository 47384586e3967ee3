//! `conversation`: the form of a request, whatever it says.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::Role;
use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::signal::{Match, Signal, SignalError};

/// Matches requests by their form. All conditions that are given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationConfig {
    /// The name that decisions use.
    pub name: String,
    /// At least this many turns of the user.
    #[serde(default)]
    pub min_turns: Option<usize>,
    /// At most this many turns of the user.
    #[serde(default)]
    pub max_turns: Option<usize>,
    /// Does the request offer tools to the model?
    #[serde(default)]
    pub tools: Option<bool>,
    /// Does the request hold results of tools?
    #[serde(default)]
    pub tool_results: Option<bool>,
    /// Does the request hold images?
    #[serde(default)]
    pub images: Option<bool>,
    /// Who speaks last.
    #[serde(default)]
    pub last_role: Option<TurnRole>,
    /// Is there a system prompt (of role `system` or `developer`)?
    #[serde(default)]
    pub system: Option<bool>,
    /// Does the client want a stream?
    #[serde(default)]
    pub stream: Option<bool>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TurnRole {
    /// Instructions of the application, also those of role `developer`.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl TurnRole {
    fn is(self, role: Role) -> bool {
        match self {
            Self::System => matches!(role, Role::System | Role::Developer),
            Self::User => role == Role::User,
            Self::Assistant => role == Role::Assistant,
            Self::Tool => role == Role::Tool,
        }
    }
}

/// The rules of `conversation`.
#[derive(Debug)]
pub struct Conversation {
    rules: Vec<(Arc<str>, ConversationConfig)>,
}

pub(super) fn build(
    rules: &[ConversationConfig],
    _context: &BuildContext<'_>,
    problems: &mut Problems,
) -> Conversation {
    for (index, rule) in rules.iter().enumerate() {
        let nothing = ConversationConfig {
            name: rule.name.clone(),
            ..ConversationConfig::default()
        };
        if *rule == nothing {
            problems
                .error(format!("[{index}]"), "the rule says nothing")
                .with_hint("give at least one condition, for example `tools: true`");
        }
        if let (Some(min), Some(max)) = (rule.min_turns, rule.max_turns)
            && min > max
        {
            problems.error(
                format!("[{index}].min_turns"),
                format!("{min} is more than `max_turns`, {max}: nothing can match"),
            );
        }
    }
    Conversation {
        rules: rules
            .iter()
            .map(|rule| (rule.name.as_str().into(), rule.clone()))
            .collect(),
    }
}

/// What the rules look at, gathered once.
struct Form {
    turns: usize,
    tools: bool,
    tool_results: bool,
    images: bool,
    last: Option<Role>,
    system: bool,
    stream: bool,
}

impl Form {
    fn of(exchange: &Exchange) -> Self {
        let conversation = &exchange.conversation;
        let said = |role: Role| {
            conversation.turns.iter().any(|turn| turn.role == role)
                || conversation.texts.iter().any(|text| text.role == role)
        };
        Self {
            turns: (conversation.turns.iter())
                .filter(|turn| turn.role == Role::User)
                .count(),
            tools: conversation.tools > 0,
            tool_results: said(Role::Tool),
            images: conversation.turns.iter().any(|turn| turn.images > 0),
            last: conversation.turns.last().map(|turn| turn.role),
            system: said(Role::System) || said(Role::Developer),
            stream: exchange.stream,
        }
    }

    fn fits(&self, rule: &ConversationConfig) -> bool {
        let is = |wanted: Option<bool>, got: bool| wanted.is_none_or(|wanted| wanted == got);
        rule.min_turns.is_none_or(|min| self.turns >= min)
            && rule.max_turns.is_none_or(|max| self.turns <= max)
            && is(rule.tools, self.tools)
            && is(rule.tool_results, self.tool_results)
            && is(rule.images, self.images)
            && is(rule.system, self.system)
            && is(rule.stream, self.stream)
            && (rule.last_role).is_none_or(|role| self.last.is_some_and(|last| role.is(last)))
    }
}

#[async_trait]
impl Signal for Conversation {
    fn kind(&self) -> &'static str {
        "conversation"
    }

    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        let form = Form::of(exchange);
        Ok(self
            .rules
            .iter()
            .map(|(name, rule)| Match {
                name: Arc::clone(name),
                matched: form.fits(rule),
                unknown: None,
                confidence: 1.0,
                detail: Some(format!("{} user turns", form.turns)),
            })
            .collect())
    }
}

#[cfg(test)]
mod tests;
