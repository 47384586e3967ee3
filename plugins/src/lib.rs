//! What Commutator does to a request and its answer: signals, policy, plugins. Knows HTTP types, not the proxy.
//!
//! Start at [`exchange::Exchange`], then [`plugin::Plugin`] and [`signal::Signal`].

pub mod answer;
pub mod answer_text;
pub mod api;
pub mod api_error;
pub(crate) mod ascii;
pub mod body;
pub mod conversation;
pub mod exchange;
pub mod finding;
pub mod guard;
pub mod json;
pub mod model;
pub mod passage;
pub mod pipeline;
pub mod plugin;
pub mod policy;
pub mod problem;
pub mod registry;
pub mod secret;
pub mod signal;
pub mod sse;
pub mod testing;
pub mod tokens;
pub mod understand;
pub mod units;

/// The examples of the guide are tested like those of the code.
#[cfg(doctest)]
#[doc = include_str!("../WRITING_PLUGINS.md")]
pub struct WritingPlugins;
