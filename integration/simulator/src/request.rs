//! Reads a request body once: what the answer needs is kept, the rest is checked and skipped.

mod visit;

use std::borrow::Cow;

use crate::fields::Api;
use crate::prefix::PromptHasher;
use visit::{Choice, Found};

/// What is known of a request.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Messages, prompts, inputs or documents.
    pub(crate) items: usize,
    /// Bytes of system and developer text, if there was any such message.
    pub(crate) system: Option<usize>,
    pub(crate) images: usize,
    pub(crate) prompt: PromptHasher,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) min_tokens: usize,
    pub(crate) ignore_eos: bool,
    /// Fields that steer reasoning, with their values as the client spelled them.
    pub(crate) reasoning: Vec<(&'static str, &'a str)>,
    pub(crate) tools: usize,
    /// The tool that must be called.
    pub(crate) call: Option<Cow<'a, str>>,
    /// Length of an embedding.
    pub(crate) dimensions: Option<usize>,
    pub(crate) base64: bool,
    pub(crate) top_n: Option<usize>,
}

/// Parses and checks a body.
///
/// # Errors
/// The message of the 400 answer. It names fields, never their values.
pub(crate) fn parse(api: Api, body: &[u8], strict: bool) -> Result<Parsed<'_>, String> {
    let found = visit::read(api, body)
        .map_err(|error| format!("Failed to deserialize the JSON body: {error}"))?;
    check(api, &found, strict)?;
    let call = match found.choice {
        Choice::Free => None,
        Choice::Required => found.tools.first().cloned(),
        Choice::Named(ref name) => found.tools.iter().find(|tool| *tool == name).cloned(),
    };
    let seen = found.seen;
    Ok(Parsed {
        model: found.model.unwrap_or_default(),
        stream: found.stream,
        include_usage: found.include_usage,
        items: seen.items,
        system: seen.system,
        images: seen.images,
        prompt: seen.prompt,
        max_tokens: found.max_tokens,
        min_tokens: found.min_tokens,
        ignore_eos: found.ignore_eos,
        reasoning: found.reasoning,
        tools: found.tools.len(),
        call,
        dimensions: found.dimensions,
        base64: found.base64,
        top_n: found.top_n,
    })
}

fn check(api: Api, found: &Found<'_>, strict: bool) -> Result<(), String> {
    match &found.model {
        None => return Err("missing field `model`".into()),
        Some(model) if model.trim().is_empty() => return Err("Model cannot be empty".into()),
        Some(_) => {}
    }
    if !found.has_input {
        return Err(format!("missing field `{}`", api.input_field()));
    }
    if found.seen.items == 0 {
        return Err(format!("`{}` cannot be empty", api.input_field()));
    }
    if strict && !found.unsupported.is_empty() {
        let names: Vec<String> = found.unsupported.iter().map(|f| format!("`{f}`")).collect();
        return Err(format!("Unsupported parameter(s): {}", names.join(", ")));
    }
    if found.stream_options && !found.stream {
        return Err("`stream_options` is only allowed when `stream` is true".into());
    }
    if matches!(found.choice, Choice::Required) && found.tools.is_empty() {
        return Err("`tool_choice` needs `tools`".into());
    }
    if let Choice::Named(name) = &found.choice
        && !found.tools.iter().any(|tool| tool == name)
    {
        return Err("`tool_choice` names a tool that `tools` lacks".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
