//! From an exchange to the bytes for a frontend.

use bytes::Bytes;
use http::StatusCode;

use crate::api::Api;
use crate::api_error::ApiError;
use crate::exchange::Exchange;
use crate::json::{Document, Kind, quote};
use crate::model::{ModelConfig, Reasoning};

use super::Policy;

const INCLUDE_USAGE_ONLY: &str = r#"{"include_usage":true}"#;

impl Policy {
    /// The final body for one attempt at `model`: the client's bytes with the plugins' edits, the name that the
    /// frontends know, the reasoning fields of the model's family, and the wish for usage.
    ///
    /// # Errors
    /// 500 `plugin_failed` where plugins' edits contradict each other.
    pub fn render(&self, exchange: &Exchange, model: &ModelConfig) -> Result<Bytes, ApiError> {
        let mut last: Vec<(&str, Option<String>)> = Vec::new();
        if let Some(name) = upstream_name(exchange, model) {
            last.push(("model", Some(name)));
        }
        // Other APIs carry reasoning in fields of their own, and Dynamo refuses fields that it does not know.
        if exchange.api == Api::ChatCompletions
            && let Some(reasoning) = self.reasoning(exchange, model)
            && let Some(family) =
                (model.reasoning_family.as_ref()).and_then(|family| self.families.get(family))
        {
            last.extend(family.fields(&exchange.body, &reasoning));
        }
        if let Some(options) = self.stream_options(exchange) {
            last.push(("stream_options", Some(options)));
        }
        exchange.body.render(&last).map_err(|error| {
            tracing::warn!(request = %exchange.id, %error, "the request's edits contradict each other");
            ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "plugin_failed",
                "plugins changed the request in contradicting ways",
            )
        })
    }

    /// How `model` is told to reason for this request; `None` leaves it as the client asked.
    ///
    /// A plugin's wish wins. Without one it is what the decision says for this very model. A model that the decision
    /// does not list (a fallback) is told the same as the chosen one, without an effort that its family does not know.
    #[must_use]
    pub fn reasoning(&self, exchange: &Exchange, model: &ModelConfig) -> Option<Reasoning> {
        let wish = exchange.reasoning.clone();
        let chosen = exchange.chosen.as_ref();
        let candidates = chosen
            .and_then(|chosen| self.decision(chosen.decision.as_deref()?))
            .map_or(&[][..], |decision| &decision.models);
        let find = |name: &str| candidates.iter().find(|c| c.model.name == name);
        let first = chosen.and_then(|chosen| find(&chosen.model.name)?.reasoning.clone());
        // `run` wrote the chosen model's reasoning into the exchange; anything else there is a plugin's.
        let untouched = exchange.automatic && wish == first;
        match find(&model.name) {
            Some(candidate) if untouched => candidate.reasoning.clone(),
            _ => wish.map(|wish| self.known_effort(wish, model)),
        }
    }

    fn known_effort(&self, mut reasoning: Reasoning, model: &ModelConfig) -> Reasoning {
        let family = model.reasoning_family.as_ref();
        let family = family.and_then(|family| self.families.get(family));
        reasoning.effort = reasoning
            .effort
            .filter(|effort| family.is_none_or(|family| family.efforts.contains(effort)));
        reasoning
    }

    fn stream_options(&self, exchange: &Exchange) -> Option<String> {
        let streams = matches!(exchange.api, Api::ChatCompletions | Api::Completions);
        if !(self.force_usage && streams && exchange.stream && !exchange.usage_wanted) {
            return None;
        }
        let doc = match exchange.body.field("stream_options").as_deref() {
            None | Some("null") => return Some(INCLUDE_USAGE_ONLY.to_owned()),
            Some(raw) => Document::parse(raw.to_owned().into()).ok()?,
        };
        if doc.root().kind() != Kind::Object {
            // The frontend tells the client so.
            return None;
        }
        let others = (doc.root().members())
            .filter(|member| !member.name_is("include_usage"))
            .map(|member| format!("{}:{},", member.key.raw(), member.value.raw()));
        Some(format!(
            "{{{}\"include_usage\":true}}",
            others.collect::<String>()
        ))
    }
}

/// The value for `model`; `None` where it stands there already, or where there is nothing to say.
fn upstream_name(exchange: &Exchange, model: &ModelConfig) -> Option<String> {
    let name = model.upstream_name();
    let current = exchange.body.field("model");
    let same = current.is_some_and(|raw| {
        serde_json::from_str::<String>(&raw).is_ok_and(|current| current == name)
    });
    (!same && !name.is_empty()).then(|| quote(name))
}

#[cfg(test)]
mod tests;
