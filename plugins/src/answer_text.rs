//! Changing the text of an answer, whatever API carries it, as a stream or whole.
//!
//! An answer says several texts at once: the content of each choice, its reasoning, the arguments of its tool calls. Each
//! is a [`Channel`] and has a [`TextFilter`] of its own, which sees the text as it comes, may hold back a bounded piece
//! of it, change it, or stop the answer. The [`Rewriter`] finds the texts in events and bodies and puts back what the
//! filters let pass:
//!
//! - Events without text, and texts that no filter changes, keep their bytes.
//! - A changed event keeps every other byte. `logprobs` become empty from the first change of a choice's texts on, and
//!   where text is held back, as they repeat it.
//! - `annotations` follow the text they point to, and go where it was replaced; those of text that is held back come with
//!   it. Their offsets count characters. Anthropic's citations point into documents, and stay.
//! - What a filter holds back is handed out in an event of its own before the channel ends: with the choice's
//!   `finish_reason`, a `*.done` or `content_block_stop`, `[DONE]`, an error event, or the stream's end. Reasoning ends
//!   where something else of the same choice begins. The `sequence_number`s of the Responses API count such events.
//! - Where the Responses API repeats a text (`*.done`, `response.completed`), the repetition says what the client read.
//! - A filter that stops the answer ends it as its API does: `finish_reason: content_filter` and `[DONE]`,
//!   `response.incomplete`, `stop_reason: refusal`. Its usage is what the frontend has counted by then: nothing but what
//!   the Messages API says at the message's start. A whole body keeps its usage.

mod annotations;
mod anthropic;
mod chain;
mod channels;
mod frame;
mod openai;
mod personal;
mod plain;
mod report;
mod responses;
mod restore;
mod rewriter;
mod shape;
mod stop_list;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guard::GuardError;
use crate::json::JsonError;

pub use chain::Chained;
pub use personal::{Echo, Hold, PersonalData, PersonalRules};
pub use plain::Place;
pub use report::{Report, SharedReport};
pub use restore::Restore;
pub use rewriter::{Rewriter, Rewritten};
pub use stop_list::{StopList, StopRules, Term};

/// What kind of text a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// What the assistant says, refusals included.
    Content,
    /// What it thinks.
    Reasoning,
    /// What it hands to tools: mostly JSON, split anywhere.
    ToolArguments,
}

/// The member that carries a text, by API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Field {
    // Chat completions
    Content,
    ReasoningContent,
    Reasoning,
    Refusal,
    ToolCall,
    CustomTool,
    FunctionCall,
    // Completions
    Text,
    // Responses
    OutputText,
    OutputRefusal,
    ReasoningText,
    Summary,
    FunctionArguments,
    McpArguments,
    CustomInput,
    Code,
    // Messages
    BlockText,
    Thinking,
    BlockInput,
}

impl Field {
    fn kind(self) -> Kind {
        match self {
            Self::Content
            | Self::Refusal
            | Self::Text
            | Self::OutputText
            | Self::OutputRefusal
            | Self::BlockText => Kind::Content,
            Self::ReasoningContent
            | Self::Reasoning
            | Self::ReasoningText
            | Self::Summary
            | Self::Thinking => Kind::Reasoning,
            Self::ToolCall
            | Self::CustomTool
            | Self::FunctionCall
            | Self::FunctionArguments
            | Self::McpArguments
            | Self::CustomInput
            | Self::Code
            | Self::BlockInput => Kind::ToolArguments,
        }
    }
}

/// One of the texts of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Channel {
    /// The choice (chat, completions), the item of the output (responses); 0 for messages.
    pub choice: u32,
    /// The tool call of the choice, the part of the item, the content block; 0 where there is one only.
    pub part: u32,
    pub(crate) field: Field,
}

impl Channel {
    /// What kind of text it carries.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.field.kind()
    }

    /// Is the text JSON itself (the arguments of a tool call)?
    #[must_use]
    pub fn is_json(&self) -> bool {
        matches!(
            self.field,
            Field::ToolCall
                | Field::FunctionCall
                | Field::FunctionArguments
                | Field::McpArguments
                | Field::BlockInput
        )
    }
}

/// What a filter lets pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// The text to hand on now.
    pub text: String,
    /// The answer ends behind `text`.
    pub stop: bool,
}

impl Filtered {
    /// Text to hand on.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            stop: false,
        }
    }

    /// The answer ends behind `text`.
    #[must_use]
    pub fn stop(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            stop: true,
        }
    }
}

/// Sees one channel's text as it comes.
///
/// However the text is cut, what the filter lets pass, joined, must be the same. A filter is not asked again once it has
/// stopped the answer.
#[async_trait]
pub trait TextFilter: Send + Sync {
    /// More of the text; returns what may pass now.
    ///
    /// # Errors
    /// The filter cannot tell, and so nothing more may pass.
    async fn push(&mut self, text: &str) -> Result<Filtered, GuardError>;

    /// The text is over; returns what was held back. Another text may follow.
    ///
    /// # Errors
    /// As [`TextFilter::push`].
    async fn finish(&mut self) -> Result<Filtered, GuardError>;

    /// A whole text.
    ///
    /// # Errors
    /// As [`TextFilter::push`].
    async fn whole(&mut self, text: &str) -> Result<Filtered, GuardError> {
        let mut all = self.push(text).await?;
        if !all.stop {
            let rest = self.finish().await?;
            all.text.push_str(&rest.text);
            all.stop = rest.stop;
        }
        Ok(all)
    }

    /// Where a piece of all the text that has come, in characters from its beginning, stands in what has passed.
    fn place(&self, piece: &Range<usize>) -> Place;
}

/// Makes the filter of a channel; `None` leaves the channel alone.
pub type MakeFilter = Box<dyn Fn(&Channel) -> Option<Box<dyn TextFilter>> + Send + Sync>;

/// Why a part of an answer could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// A filter could not tell.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The part is no JSON that can be read. Nothing has happened; it may be handed on as it is.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] JsonError),
    /// The answer has more texts at once than anybody should.
    #[error("the answer has too many channels")]
    TooMany,
}
