//! The things that decisions look at: the trait, and the kinds that there are.

mod ask;
pub mod complexity;
pub mod context;
mod contrast;
pub mod conversation;
pub mod domains;
pub mod embeddings;
mod examples;
pub mod fact_check;
pub mod jailbreak;
pub mod keywords;
pub mod languages;
pub mod metadata;
pub mod pii;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use async_trait::async_trait;
use commutator_models::ModelError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::problem::Problems;
use crate::registry::BuildContext;
use crate::understand::{Expectation, Understand};

/// One rule's outcome: did it match, and how surely.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Match {
    /// The rule's name in the policy.
    pub name: Arc<str>,
    /// Did it match?
    pub matched: bool,
    /// Why nobody knows whether it matches: neither it nor its opposite holds then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<SignalError>,
    /// Confidence of a match, 0 to 1; 1 for rules that cannot be in doubt.
    pub confidence: f32,
    /// What was seen, for `explain`: numbers, labels and offsets, never text of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Why a signal has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// The engine refused or failed.
    #[error("{0}")]
    Unavailable(String),
    /// It took longer than its deadline.
    #[error("deadline exceeded")]
    Deadline,
}

impl Serialize for SignalError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<ModelError> for SignalError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Deadline => Self::Deadline,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// What it takes to evaluate a signal. The cheaper ones come first, and a dearer one only while the decision still
/// depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A look, however long the request is, or something that every request needs anyway.
    Look,
    /// A fast pass over the texts.
    Pass,
    /// More than that: statistics.
    Dear,
    /// A model.
    Model,
}

impl Cost {
    /// From cheap to dear.
    pub(crate) const ALL: [Self; 4] = [Self::Look, Self::Pass, Self::Dear, Self::Model];
}

/// All rules of one kind (`keywords`, `languages`, `context`, ...), evaluated together in one pass.
#[async_trait]
pub trait Signal: Send + Sync + std::fmt::Debug {
    /// The kind: the word for its section under `signals` in the policy.
    fn kind(&self) -> &'static str;

    /// What it takes.
    fn cost(&self) -> Cost {
        Cost::Look
    }

    /// What it asks the models.
    fn expects(&self) -> Vec<Expectation> {
        Vec::new()
    }

    /// Called once, with the models that were loaded, before the policy becomes active.
    ///
    /// # Errors
    /// Why the policy cannot be used with these models.
    async fn prepare(&self, _understand: &dyn Understand) -> Result<(), String> {
        Ok(())
    }

    /// The outcome of every rule of this kind, in the policy's order.
    ///
    /// # Errors
    /// Nothing is known of any rule.
    async fn evaluate(&self, exchange: &Exchange) -> Result<Vec<Match>, SignalError>;

    /// The same with what is known when time is up.
    ///
    /// # Errors
    /// Nothing is known of any rule.
    fn so_far(&self, _exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        Err(SignalError::Deadline)
    }
}

macro_rules! signals {
    ($($(#[doc = $doc:literal])* $section:ident, $word:ident $header:literal => $module:ident::$config:ident, $leaf:ident;)+) => {
        /// The rules that decisions are made of, by kind.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct SignalsConfig {
            $(
                $(#[doc = $doc])*
                #[serde(default)]
                pub $section: Vec<$module::$config>,
            )+
        }

        /// A kind of signal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SignalKind { $($(#[doc = $doc])* $leaf,)+ }

        impl SignalKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$leaf),+];

            /// The section under `signals` in the policy.
            #[must_use]
            pub fn section(self) -> &'static str {
                match self { $(Self::$leaf => stringify!($section),)+ }
            }

            /// The word in a decision's conditions.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$leaf => stringify!($word),)+ }
            }

            /// The last word of the header `x-vsr-matched-…`, and the kind in [`Exchange::matched`].
            #[must_use]
            pub fn header(self) -> &'static str {
                match self { $(Self::$leaf => $header,)+ }
            }
        }

        /// Which requests match: one rule, or several combined.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Condition {
            /// All of these. The confidence is the mean of theirs.
            All(Vec<Condition>),
            /// At least one of these. The confidence is the best of theirs.
            Any(Vec<Condition>),
            /// Not this one. The confidence is 1.
            Not(Box<Condition>),
            $(
                /// A rule by its name in the section of its kind.
                $leaf(String),
            )+
        }

        impl Condition {
            /// The rule that a leaf names.
            #[must_use]
            pub fn leaf(&self) -> Option<(SignalKind, &str)> {
                match self {
                    $(Self::$leaf(name) => Some((SignalKind::$leaf, name)),)+
                    Self::All(_) | Self::Any(_) | Self::Not(_) => None,
                }
            }
        }

        impl SignalsConfig {
            /// The names of the rules of one kind, in order.
            #[must_use]
            pub fn names(&self, kind: SignalKind) -> Vec<&str> {
                match kind {
                    $(SignalKind::$leaf => self.$section.iter().map(|rule| rule.name.as_str()).collect(),)+
                }
            }

            /// The compiled rules of one kind. Paths of problems begin at the kind's section: `[2].any[0]`.
            pub fn build(&self, kind: SignalKind, context: &BuildContext<'_>, problems: &mut Problems) -> Arc<dyn Signal> {
                match kind {
                    $(SignalKind::$leaf => Arc::new($module::build(&self.$section, context, problems)),)+
                }
            }
        }
    };
}

// A new kind: one file that has a rule's configuration with a `name` and a function `build`, and one line here.
signals! {
    /// Words and patterns in the request's texts.
    keywords, keyword "keywords" => keywords::KeywordConfig, Keyword;
    /// The language of the last user turn.
    languages, language "language" => languages::LanguageConfig, Language;
    /// The length of the whole request in tokens.
    context, context "context" => context::ContextConfig, Context;
    /// The form of the conversation: turns, tools, images.
    conversation, conversation "conversation" => conversation::ConversationConfig, Conversation;
    /// The request's head: headers, path, client.
    metadata, metadata "metadata" => metadata::MetadataConfig, Metadata;
    /// The subject of the last user turn. Asks a model.
    domains, domain "domains" => domains::DomainConfig, Domain;
    /// The likeness of the last user turn to examples. Asks a model.
    embeddings, embedding "embeddings" => embeddings::EmbeddingConfig, Embedding;
    /// How difficult the last user turn is. Asks a model.
    complexity, complexity "complexity" => complexity::ComplexityConfig, Complexity;
    /// Does the last user turn want facts that can be checked, or something made up? Asks a model.
    fact_check, fact_check "fact-check" => fact_check::FactCheckConfig, FactCheck;
    /// Attacks on the model in the request's texts. Asks a model.
    jailbreak, jailbreak "jailbreak" => jailbreak::JailbreakConfig, Jailbreak;
    /// Personal data and secrets in the request's texts. Asks a model.
    pii, pii "pii" => pii::PiiConfig, Pii;
}

#[cfg(test)]
mod tests;
