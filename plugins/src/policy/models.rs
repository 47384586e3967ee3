//! What a policy needs of the models, and how it gets to know them.

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::understand::{Expectation, Understand};

use super::Policy;

impl Policy {
    /// Does anything in the policy ask the models? Without that, none need to be loaded.
    #[must_use]
    pub fn needs_models(&self) -> bool {
        let signals = self
            .signals
            .iter()
            .any(|(_, signal)| !signal.expects().is_empty());
        signals
            || self
                .all_plugins()
                .any(|plugin| !plugin.expects().is_empty())
    }

    /// Gives the policy the models, and lets everything that asks them get ready.
    ///
    /// # Errors
    /// Why the policy cannot be used with these models: one sentence each.
    pub async fn attach(&mut self, understanding: Arc<dyn Understand>) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        for (kind, signal) in &self.signals {
            if let Err(why) = signal.prepare(&*understanding).await {
                wrong.push(format!("signals.{}: {why}", kind.section()));
            }
        }
        for plugin in self.all_plugins() {
            if let Err(why) = plugin.prepare(&*understanding).await {
                wrong.push(format!("{}: {why}", plugin.name()));
            }
        }
        self.understanding = Some(understanding);
        self.expected = self.expected();
        match wrong.is_empty() {
            true => Ok(()),
            false => Err(wrong),
        }
    }

    fn all_plugins(&self) -> impl Iterator<Item = &Arc<dyn Plugin>> {
        let decisions = self.decisions.iter().flat_map(|decision| &decision.plugins);
        self.plugins.iter().chain(decisions)
    }

    /// What the policy's own guards will ask about any request before a frontend sees it.
    fn expected(&self) -> Vec<Expectation> {
        let guards = self.plugins.iter().filter(|plugin| plugin.before());
        guards.flat_map(|plugin| plugin.expects()).collect()
    }
}
