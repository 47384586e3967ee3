//! The answer's way back: where the model says a placeholder, the client reads what it had sent.

use crate::answer_text::{Restore, RewriteError, Rewriter};
use crate::exchange::Exchange;
use crate::guard::Placeholders;
use crate::plugin::{Part, Parts, PluginError};

use super::Pii;

/// The answer of one exchange. Placeholders are those of all `pii` guards, so one of them does the work.
#[derive(Default)]
struct Restoring {
    /// The plugin that does it, and how far it is.
    by: Option<(usize, Rewriter)>,
}

fn identity(plugin: &Pii) -> usize {
    std::ptr::from_ref(plugin).addr()
}

pub(super) fn is_wanted(exchange: &Exchange) -> bool {
    let replaced = exchange.extensions.get::<Placeholders>();
    exchange.api.generates() && replaced.is_some_and(|names| !names.is_empty())
}

/// The state of this plugin; `None` where another one does the work.
fn take(plugin: &Pii, exchange: &mut Exchange) -> Option<Rewriter> {
    let names = exchange.extensions.get::<Placeholders>()?;
    let names = Restore::names(names);
    let api = exchange.api;
    let state = exchange.extensions.get_or_default::<Restoring>();
    match state.by.take() {
        None => {
            let make = move |channel: &crate::answer_text::Channel| {
                let filter = Restore::new(names.clone(), channel.is_json());
                Some(Box::new(filter) as Box<dyn crate::answer_text::TextFilter>)
            };
            Some(Rewriter::new(api, Box::new(make)))
        }
        Some((by, rewriter)) if by == identity(plugin) => Some(rewriter),
        other => {
            state.by = other;
            None
        }
    }
}

fn put(plugin: &Pii, exchange: &mut Exchange, rewriter: Rewriter) {
    let state = exchange.extensions.get_or_default::<Restoring>();
    state.by = Some((identity(plugin), rewriter));
}

pub(super) async fn part(
    plugin: &Pii,
    exchange: &mut Exchange,
    part: Part,
) -> Result<Parts, PluginError> {
    let Some(mut rewriter) = take(plugin, exchange) else {
        return Ok(part.into());
    };
    let parts = match part {
        Part::Event(bytes) => match rewriter.event(bytes.clone()).await {
            Ok(done) => done
                .events
                .into_iter()
                .map(Part::Event)
                .collect::<Vec<_>>()
                .into(),
            Err(error) => as_it_is(exchange, Part::Event(bytes), &error),
        },
        Part::Body(bytes) => match rewriter.body(bytes.clone()).await {
            Ok((body, _)) => Part::Body(body).into(),
            Err(error) => as_it_is(exchange, Part::Body(bytes), &error),
        },
    };
    put(plugin, exchange, rewriter);
    Ok(parts)
}

pub(super) async fn end(plugin: &Pii, exchange: &mut Exchange) -> Result<Parts, PluginError> {
    let Some(mut rewriter) = take(plugin, exchange) else {
        return Ok(Parts::none());
    };
    let rest = rewriter
        .end()
        .await
        .map(|done| done.events)
        .unwrap_or_default();
    put(plugin, exchange, rewriter);
    Ok(rest.into_iter().map(Part::Event).collect::<Vec<_>>().into())
}

/// What cannot be read holds no placeholder that could be put right.
fn as_it_is(exchange: &Exchange, part: Part, error: &RewriteError) -> Parts {
    tracing::debug!(request = %exchange.id, %error, "an answer passes as it is");
    part.into()
}
