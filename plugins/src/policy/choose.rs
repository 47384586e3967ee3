//! Which of a decision's models answers a request.

use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

use crate::conversation::Role;
use crate::exchange::Exchange;
use crate::model::ModelConfig;
use crate::tokens;

use super::trace::CandidateTrace;
use super::{Candidate, Decision, Sticky};

/// What the policy asks the world about.
pub trait Environment: Sync {
    /// Can a frontend serve the model now?
    fn ready(&self, model: &ModelConfig) -> bool;

    /// A number from 0 (inclusive) to 1 (exclusive), new each time.
    fn random(&self) -> f64;
}

/// A model, and what to try when it cannot be served.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) model: Arc<ModelConfig>,
    pub(crate) fallback: Vec<Arc<ModelConfig>>,
    pub(crate) candidates: Vec<CandidateTrace>,
}

/// Chooses among the decision's models: those that are long enough and ready, by weight; then the fallbacks. Where
/// nothing is ready, the first one is kept and the proxy says so. `None` where the decision has no models.
pub(crate) fn choose(
    decision: &Decision,
    exchange: &Exchange,
    env: &dyn Environment,
) -> Option<Choice> {
    let needed = needed_tokens(decision, exchange);
    let mut traces = Vec::new();
    let mut open: Vec<&Candidate> = Vec::new();
    for candidate in &decision.models {
        let why = match too_short(&candidate.model, needed) {
            Some(why) => Some(why),
            None if candidate.weight <= 0.0 => Some("weight 0".to_owned()),
            None => None,
        };
        if why.is_none() {
            open.push(candidate);
        }
        traces.push(CandidateTrace::new(&candidate.model, candidate.weight, why));
    }
    let mut spare: Vec<&Arc<ModelConfig>> = Vec::new();
    for model in &decision.fallback {
        let why = too_short(model, needed);
        if why.is_none() {
            spare.push(model);
        }
        traces.push(CandidateTrace::fallback(model, why));
    }
    if open.is_empty() && spare.is_empty() {
        // The length is an estimate: better let a frontend judge than refuse by a guess.
        let last = decision.models.iter().filter(|c| c.weight > 0.0);
        open.extend(last.max_by_key(|c| c.model.context_length));
    }
    let ready: Vec<&Candidate> = (open.iter().copied())
        .filter(|candidate| env.ready(&candidate.model))
        .collect();
    for trace in &mut traces {
        let not_ready = |c: &&&Candidate| c.model.name == trace.name;
        if trace.dropped.is_none()
            && open.iter().any(|c| not_ready(&c))
            && !ready.iter().any(|c| not_ready(&c))
        {
            trace.dropped = Some("not ready".to_owned());
        }
    }
    let model = draw(decision, &ready, exchange, env)
        .or_else(|| spare.iter().copied().find(|model| env.ready(model)))
        .or_else(|| open.first().map(|candidate| &candidate.model))
        .or_else(|| spare.first().copied())?;
    open.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut fallback: Vec<Arc<ModelConfig>> = Vec::new();
    for other in open.iter().map(|c| &c.model).chain(spare) {
        if other.name != model.name && fallback.iter().all(|m| m.name != other.name) {
            fallback.push(Arc::clone(other));
        }
    }
    Some(Choice {
        model: Arc::clone(model),
        fallback,
        candidates: traces,
    })
}

/// Prompt plus answer; 0 where no model of the decision has a limit, as counting takes time.
fn needed_tokens(decision: &Decision, exchange: &Exchange) -> usize {
    let models = decision.models.iter().map(|c| &c.model);
    if !(models.chain(&decision.fallback)).any(|model| model.context_length.is_some()) {
        return 0;
    }
    let wanted = ["max_completion_tokens", "max_tokens", "max_output_tokens"]
        .iter()
        .find_map(|name| exchange.body.document().root().get(name)?.as_u64())
        .and_then(|tokens| usize::try_from(tokens).ok());
    tokens::of_request(exchange).saturating_add(wanted.unwrap_or(0))
}

fn too_short(model: &ModelConfig, needed: usize) -> Option<String> {
    let limit = model.context_length? as usize;
    (needed > limit).then(|| format!("too short: about {needed} tokens, takes {limit}"))
}

/// One of `candidates` by weight.
fn draw<'a>(
    decision: &Decision,
    candidates: &[&'a Candidate],
    exchange: &Exchange,
    env: &dyn Environment,
) -> Option<&'a Arc<ModelConfig>> {
    if candidates.len() < 2 {
        return candidates.first().map(|candidate| &candidate.model);
    }
    if let Some(key) = (decision.sticky.as_ref()).and_then(|sticky| sticky_key(sticky, exchange)) {
        return rendezvous(&decision.name, key, candidates);
    }
    let total: f64 = candidates.iter().map(|c| c.weight).sum();
    let mut left = env.random() * total;
    for candidate in candidates {
        left -= candidate.weight;
        if left < 0.0 {
            return Some(&candidate.model);
        }
    }
    candidates.last().map(|candidate| &candidate.model)
}

/// Weighted rendezvous hashing (score = -weight / ln(hash)): a model that is not ready moves only its own sessions.
fn rendezvous<'a>(
    decision: &str,
    key: u64,
    candidates: &[&'a Candidate],
) -> Option<&'a Arc<ModelConfig>> {
    let score = |candidate: &Candidate| {
        let mut hash = Xxh3::with_seed(key);
        hash.update(decision.as_bytes());
        hash.update(&[0]);
        hash.update(candidate.model.name.as_bytes());
        // 53 bits, the precision of a double, in the open interval from 0 to 1.
        let unit = ((hash.digest() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -candidate.weight / unit.ln()
    };
    (candidates.iter().copied())
        .max_by(|a, b| score(a).total_cmp(&score(b)))
        .map(|candidate| &candidate.model)
}

/// What the requests of one session have in common, hashed; `None` where this one has nothing to hold on to.
fn sticky_key(sticky: &Sticky, exchange: &Exchange) -> Option<u64> {
    let mut hash = Xxh3::new();
    match sticky {
        Sticky::Header(name) => {
            hash.update(exchange.head.headers.get(name)?.as_bytes());
        }
        Sticky::Session => {
            let conversation = &exchange.conversation;
            let doc = exchange.body.document();
            for role in [Role::System, Role::Developer] {
                for text in conversation.said_by(doc, role) {
                    hash.update(text.as_bytes());
                    hash.update(&[0]);
                }
            }
            let first = conversation
                .texts
                .iter()
                .position(|t| t.role == Role::User)?;
            hash.update(exchange.text(first).as_bytes());
        }
    }
    Some(hash.digest())
}

#[cfg(test)]
mod tests;
