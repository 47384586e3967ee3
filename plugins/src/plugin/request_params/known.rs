//! The top-level fields that Dynamo's frontends take, by API.
//!
//! Sources: OpenAI's and Anthropic's API references, and what Dynamo 1.6 adds (`CommonExt`, `nvext`, its
//! pass-through fields). A frontend answers 400 to fields of OpenAI's API that it does not implement, such as
//! `safety_identifier`; those are not here.

use crate::api::Api;

/// Fields of chat completions and completions alike.
const SAMPLING: &[&str] = &[
    "allowed_token_ids",
    "bad_words_token_ids",
    "cache_salt",
    "detokenize",
    "frequency_penalty",
    "guided_choice",
    "guided_decoding_backend",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "guided_whitespace_pattern",
    "ignore_eos",
    "include_stop_str_in_output",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "metadata",
    "min_p",
    "min_tokens",
    "model",
    "n",
    "nvext",
    "presence_penalty",
    "repetition_penalty",
    "return_tokens_as_token_ids",
    "seed",
    "skip_special_tokens",
    "stop",
    "stop_token_ids",
    "stream",
    "stream_options",
    "temperature",
    "top_k",
    "top_p",
    "user",
];

const CHAT: &[&str] = &[
    "audio",
    "chat_template_args",
    "chat_template_kwargs",
    "function_call",
    "functions",
    "max_completion_tokens",
    "media_io_kwargs",
    "messages",
    "modalities",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "service_tier",
    "store",
    "thinking",
    "tool_choice",
    "tools",
    "top_logprobs",
    "web_search_options",
];

const COMPLETIONS: &[&str] = &["best_of", "echo", "prompt", "suffix"];

const RESPONSES: &[&str] = &[
    "background",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "nvext",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "reasoning",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

const MESSAGES: &[&str] = &[
    "cache_control",
    "container",
    "context_management",
    "max_tokens",
    "mcp_servers",
    "messages",
    "metadata",
    "model",
    "nvext",
    "output_config",
    "output_format",
    "service_tier",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

const EMBEDDINGS: &[&str] = &[
    "dimensions",
    "encoding_format",
    "input",
    "model",
    "nvext",
    "user",
];

/// Does the API take this field? `None` for APIs whose fields are not listed.
pub(super) fn takes(api: Api, field: &str) -> Option<bool> {
    let lists: &[&[&str]] = match api {
        Api::ChatCompletions => &[SAMPLING, CHAT],
        Api::Completions => &[SAMPLING, COMPLETIONS],
        Api::Responses => &[RESPONSES],
        Api::Messages | Api::CountTokens => &[MESSAGES],
        Api::Embeddings => &[EMBEDDINGS],
        _ => return None,
    };
    Some(lists.iter().any(|list| list.contains(&field)))
}

/// Does any listed API take this field?
pub(super) fn is_listed(field: &str) -> bool {
    [SAMPLING, CHAT, COMPLETIONS, RESPONSES, MESSAGES, EMBEDDINGS]
        .iter()
        .any(|list| list.contains(&field))
}
