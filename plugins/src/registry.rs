//! The built-in plugins by the word that names them in the policy.
//!
//! A plugin is one file under `plugin/` and one line here. Its configuration is keyed by its name
//! (`- system_prompt: {...}`), so that a mistake inside it is reported with its own line and column.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ModelConfig, ReasoningFamily};
use crate::plugin::Plugin;
use crate::plugin::answers::Answers;
use crate::plugin::deny_list::DenyList;
use crate::plugin::fixed_answer::FixedAnswer;
use crate::plugin::headers::Headers;
use crate::plugin::jailbreak::Jailbreak;
use crate::plugin::pii::Pii;
use crate::plugin::reasoning::Reasoning;
use crate::plugin::request_params::RequestParams;
use crate::plugin::system_prompt::SystemPrompt;
use crate::plugin::webhook::Webhook;
use crate::problem::Problems;

/// What a plugin may look at when it is built.
#[derive(Debug, Clone, Copy)]
pub struct BuildContext<'a> {
    /// The reasoning families, built-in ones included, by name.
    pub families: &'a BTreeMap<String, ReasoningFamily>,
    /// The models of the policy.
    pub models: &'a [ModelConfig],
    /// May the model for personal data know other types than the bundle's?
    pub foreign_pii: bool,
}

/// A plugin that a policy can name: how its configuration looks and how it is made from it.
pub trait BuiltIn: Plugin + Sized {
    /// What the policy says about it.
    type Config;

    /// Checks `config` and builds the plugin. `path` is where `config` stands in the policy, for problems.
    ///
    /// # Errors
    /// Everything that is wrong with `config`, each problem with its path.
    fn build(
        config: &Self::Config,
        context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems>;
}

macro_rules! plugins {
    ($($(#[doc = $doc:literal])* $word:ident => $plugin:ident),+ $(,)?) => {
        /// One plugin of a policy, with its configuration.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum PluginConfig {
            $($(#[doc = $doc])* $plugin(<$plugin as BuiltIn>::Config),)+
        }

        impl PluginConfig {
            /// The words that name the plugins, in the order of the registry.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($word)),+];

            /// The word that names it in the policy.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$plugin(_) => stringify!($word),)+ }
            }

            /// Checks the configuration and builds the plugin. `path` is where this entry stands in the policy,
            /// for example `decisions[2].plugins[0]`.
            ///
            /// # Errors
            /// Everything that is wrong, each problem with its path.
            pub fn build(
                &self,
                context: &BuildContext<'_>,
                path: &str,
            ) -> Result<Arc<dyn Plugin>, Problems> {
                match self {
                    $(Self::$plugin(config) => {
                        let path = format!("{path}.{}", stringify!($word));
                        Ok(Arc::new(<$plugin as BuiltIn>::build(config, context, &path)?))
                    })+
                }
            }
        }
    };
}

plugins! {
    /// Keeps personal data and secrets away from the model.
    pii => Pii,
    /// Stops prompts that attack the model.
    jailbreak => Jailbreak,
    /// Guards what the model says.
    answers => Answers,
    /// Keeps words and patterns of your own away from the model.
    deny_list => DenyList,
    /// Asks a guard that runs elsewhere.
    webhook => Webhook,
    /// Adds a system prompt, or changes the client's.
    system_prompt => SystemPrompt,
    /// Switches the model's reasoning on or off, and says how much of it.
    reasoning => Reasoning,
    /// Limits, removes, presets and overrides the parameters of a request.
    request_params => RequestParams,
    /// Changes headers of the request and of the answer.
    headers => Headers,
    /// Answers by itself; no frontend is asked.
    fixed_answer => FixedAnswer,
}

#[cfg(test)]
mod tests;
