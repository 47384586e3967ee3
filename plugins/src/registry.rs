//! The built-in plugins by the word that names them in the policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ModelConfig, ReasoningFamily};
use crate::plugin::Plugin;
use crate::problem::Problems;

/// What a plugin may look at when it is built.
#[derive(Debug, Clone, Copy)]
pub struct BuildContext<'a> {
    /// The reasoning families, built-in ones included, by name.
    pub families: &'a BTreeMap<String, ReasoningFamily>,
    /// The models of the policy.
    pub models: &'a [ModelConfig],
}

/// One plugin of a policy, with its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PluginConfig {}

impl PluginConfig {
    /// Checks the configuration and builds the plugin.
    ///
    /// # Errors
    /// Everything that is wrong, each problem with its path.
    pub fn build(
        &self,
        _context: &BuildContext<'_>,
        _path: &str,
    ) -> Result<Arc<dyn Plugin>, Problems> {
        match *self {}
    }
}
