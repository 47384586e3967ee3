//! A request's way through the policy: model, signals, decision, plugins.

mod category;
mod changes;
mod signals;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use http::StatusCode;

use crate::api_error::ApiError;
use crate::exchange::{Chosen, Exchange};
use crate::model::ModelConfig;
use crate::plugin::{Flow, Plugin, PluginError};
use crate::policy::trace::{CandidateTrace, PluginTrace, ReplyTrace};
use crate::policy::{Chain, Decided, Environment, Policy, Shadows, Trace, choose};

use changes::Before;

impl Policy {
    /// Takes a request through the policy: resolves its model, evaluates the signals that matter for it, decides,
    /// chooses a model and calls the plugins. Fills [`Exchange::chosen`] and what plugins and headers need.
    ///
    /// # Errors
    /// 404 `model_not_found`, 400 `invalid_request` where no model is given and none can be assumed, 500
    /// `plugin_failed`.
    pub async fn run(
        &self,
        exchange: &mut Exchange,
        env: &dyn Environment,
        mut trace: Option<&mut Trace>,
    ) -> Result<Flow, ApiError> {
        if let Some(trace) = trace.as_deref_mut() {
            trace.api = exchange.api.as_str();
            trace.requested_model.clone_from(&exchange.requested_model);
            trace.automatic = exchange.automatic;
        }
        let named = match exchange.automatic {
            true => None,
            false => Some(self.named_model(exchange)?),
        };
        exchange.inspections.expect(self.expected.iter().cloned());
        let signals = self.evaluate(exchange, trace.as_deref_mut()).await;
        let decided = self.decide(&signals, exchange.automatic);
        exchange.matched = signals.matched();
        exchange.category = category::category(exchange, &signals);
        if let Some(trace) = trace.as_deref_mut() {
            self.explain(&signals, &decided, exchange.automatic, trace);
        }
        self.choose(exchange, env, named, &decided, trace.as_deref_mut())?;
        if !decided.shadows.is_empty() {
            exchange.extensions.insert(Shadows(decided.shadows.clone()));
        }
        let chain = self.chain(exchange, &decided);
        let flow = run_plugins(&chain, exchange, trace.as_deref_mut()).await?;
        self.reroute(exchange, trace);
        Ok(flow)
    }

    /// Sends the request to the model that a guard wants, if one does.
    fn reroute(&self, exchange: &mut Exchange, trace: Option<&mut Trace>) {
        let model = exchange
            .reroute
            .as_deref()
            .and_then(|name| self.model(name));
        let (Some(model), Some(chosen)) = (model, &mut exchange.chosen) else {
            return;
        };
        chosen.model = Arc::clone(model);
        // The others are what the guard wants to keep the request from.
        chosen.fallback.clear();
        if let Some(trace) = trace {
            trace.model = Some(model.name.clone());
            trace.fallback.clear();
        }
    }

    /// The model of a request that does not leave the choice to the policy.
    fn named_model(&self, exchange: &Exchange) -> Result<Arc<ModelConfig>, ApiError> {
        let name = exchange.requested_model.as_str();
        if let Some(model) = self.model(name) {
            return Ok(Arc::clone(model));
        }
        // An API that needs no model, and none given.
        if name.is_empty()
            && let Some(model) = &self.default_model
        {
            return Ok(Arc::clone(model));
        }
        match &self.pass_through {
            Some(cluster) => Ok(Arc::new(pass_through(name, cluster))),
            None if name.is_empty() => {
                Err(ApiError::invalid_request("model", "`model` is missing"))
            }
            None => Err(ApiError::model_not_found(name)),
        }
    }

    fn choose(
        &self,
        exchange: &mut Exchange,
        env: &dyn Environment,
        named: Option<Arc<ModelConfig>>,
        decided: &Decided,
        trace: Option<&mut Trace>,
    ) -> Result<(), ApiError> {
        let winner = decided.winner().map(|w| (&self.decisions[w.index], w));
        let choice = match (&named, winner) {
            (None, Some((decision, _))) => choose::choose(decision, exchange, env),
            _ => None,
        };
        let (model, fallback, candidates) = match (named, choice) {
            (Some(model), _) => (model, Vec::new(), Vec::new()),
            (None, Some(choice)) => (choice.model, choice.fallback, choice.candidates),
            (None, None) => {
                // `compile` refuses policies where this can be missing.
                let missing = || ApiError::model_not_found(&exchange.requested_model);
                let model = self.default_model.clone().ok_or_else(missing)?;
                let only = CandidateTrace::new(&model, 1.0, None);
                (model, Vec::new(), vec![only])
            }
        };
        if let Some(trace) = trace {
            trace.candidates = candidates;
            trace.model = Some(model.name.clone());
            trace.fallback = fallback.iter().map(|model| model.name.clone()).collect();
        }
        if exchange.automatic
            && let Some((decision, _)) = winner
        {
            let candidate = decision.models.iter().find(|c| c.model.name == model.name);
            exchange.reasoning = candidate.and_then(|candidate| candidate.reasoning.clone());
        }
        exchange.chosen = Some(Chosen {
            decision: winner.map(|(decision, _)| Arc::clone(&decision.name)),
            confidence: winner.map_or(0.0, |(_, ranked)| ranked.confidence),
            model,
            fallback,
        });
        Ok(())
    }

    /// The plugins for this request: guards first, then the others, and last what judges answers; of each the policy's,
    /// then the decision's. A decision's guards take the place of the policy's of the same name.
    fn chain(&self, exchange: &Exchange, decided: &Decided) -> Vec<Arc<dyn Plugin>> {
        let own = match decided.winner() {
            Some(winner) => &self.decisions[winner.index].plugins[..],
            None => &[],
        };
        let replaced = |plugin: &Arc<dyn Plugin>| {
            (plugin.is_guard() || plugin.judges_answers())
                && own.iter().any(|other| other.name() == plugin.name())
        };
        let mut chain: Vec<Arc<dyn Plugin>> = Vec::new();
        if exchange.api.generates() || !exchange.conversation.texts.is_empty() {
            chain.extend(self.plugins.iter().filter(|p| !replaced(p)).cloned());
        }
        chain.extend(own.iter().cloned());
        // What guards replace must not have been copied elsewhere by others before. The way back is the reverse: what
        // judges answers sees them as the model wrote them, with placeholders that guards of the request put there.
        chain.sort_by_key(|plugin| (plugin.judges_answers(), !plugin.is_guard()));
        chain
    }
}

/// A model that the policy does not name, on its way to the cluster that takes such requests.
fn pass_through(name: &str, cluster: &str) -> ModelConfig {
    ModelConfig {
        name: name.to_owned(),
        cluster: cluster.to_owned(),
        upstream_name: None,
        reasoning_family: None,
        context_length: None,
        prices: None,
        aliases: Vec::new(),
    }
}

async fn run_plugins(
    chain: &[Arc<dyn Plugin>],
    exchange: &mut Exchange,
    mut trace: Option<&mut Trace>,
) -> Result<Flow, ApiError> {
    for plugin in chain {
        let called = exchange.extensions.get_or_default::<Chain>();
        called.0.push(Arc::clone(plugin));
        let before = trace.as_ref().map(|_| Before::of(exchange));
        let start = Instant::now();
        // After a panic the exchange is only used to answer the error.
        let result = AssertUnwindSafe(async { plugin.on_request(exchange).await })
            .catch_unwind()
            .await;
        let outcome = match result {
            Ok(Ok(flow)) => Ok(flow),
            Ok(Err(error)) => {
                tracing::warn!(request = %exchange.id, plugin = plugin.name(), %error, "plugin failed");
                Err(reason(&error))
            }
            Err(_) => {
                tracing::error!(request = %exchange.id, plugin = plugin.name(), "plugin panicked");
                Err("it panicked")
            }
        };
        if let (Some(trace), Some(before)) = (trace.as_deref_mut(), before) {
            trace.plugins.push(PluginTrace {
                name: plugin.name(),
                changes: before.changes(exchange),
                error: outcome.as_ref().err().map(|&why| why.to_owned()),
                micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            });
        }
        match outcome {
            Ok(Flow::Continue) => {}
            Ok(Flow::Reply(reply)) => {
                if let Some(trace) = trace {
                    trace.reply = Some(ReplyTrace::of(plugin.name(), &reply));
                }
                return Ok(Flow::Reply(reply));
            }
            Err(why) => return Err(plugin_failed(plugin.name(), why)),
        }
    }
    Ok(Flow::Continue)
}

/// What the client may know: the kind of a failure, as a plugin's own words could quote the prompt.
fn reason(error: &PluginError) -> &'static str {
    match error {
        PluginError::Edit(_) => "its change contradicts another one",
        PluginError::Unavailable(_) => "something it needs is unavailable",
        PluginError::Deadline => "it took too long",
    }
}

fn plugin_failed(plugin: &str, why: &str) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "plugin_failed",
        format!("the plugin `{plugin}` failed: {why}"),
    )
}

#[cfg(test)]
mod tests;
