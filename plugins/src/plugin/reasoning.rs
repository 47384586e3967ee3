//! `reasoning`: switches the model's reasoning on or off.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::model;
use crate::plugin::{Flow, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};

/// Switches the model's reasoning on or off, whatever the client asked for, in the way of the model's family
/// (`reasoning_family`). Models without a family are left as the client asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasoningConfig {
    /// On or off. "Off" is the weakest effort for families that only know efforts. Default: on.
    #[serde(default = "on")]
    pub enabled: bool,
    /// How much, for families that know efforts: `low`, `medium`, `high`, ... Default: the family's middle one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<String>,
}

fn on() -> bool {
    true
}

impl Default for ReasoningConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            effort: None,
        }
    }
}

/// The built plugin.
#[derive(Debug)]
pub struct Reasoning(model::Reasoning);

impl BuiltIn for Reasoning {
    type Config = ReasoningConfig;

    /// An effort that no family of the policy's models knows is an error; one that only some of them know is a
    /// matter of the route, which is not known here.
    fn build(
        config: &ReasoningConfig,
        context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        if let Some(effort) = &config.effort {
            check_effort(effort, context, path, &mut problems);
            if !config.enabled {
                problems
                    .error(
                        format!("{path}.effort"),
                        "an effort contradicts `enabled: false`",
                    )
                    .with_hint("remove one of the two");
            }
        }
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self(model::Reasoning {
            enabled: config.enabled,
            effort: config.effort.clone(),
        }))
    }
}

fn check_effort(effort: &str, context: &BuildContext<'_>, path: &str, problems: &mut Problems) {
    let mut families: Vec<_> = context
        .models
        .iter()
        .filter_map(|model| context.families.get(model.reasoning_family.as_ref()?))
        .collect();
    // Without a model that has a family, all families count: the models may come with the next edit.
    if families.is_empty() {
        families.extend(context.families.values());
    }
    let mut known: Vec<&str> = Vec::new();
    for effort in families.iter().flat_map(|family| &family.efforts) {
        if !known.contains(&effort.as_str()) {
            known.push(effort);
        }
    }
    if known.is_empty() || known.contains(&effort) {
        return;
    }
    problems
        .error(
            format!("{path}.effort"),
            format!("no model's reasoning family knows the effort `{effort}`"),
        )
        .with_hint(format!("one of: {}", known.join(", ")));
}

#[async_trait]
impl Plugin for Reasoning {
    fn name(&self) -> &'static str {
        "reasoning"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        exchange.reasoning = Some(self.0.clone());
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests;
