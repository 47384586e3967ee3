//! The APIs and the top-level fields that each accepts.
//!
//! Dynamo answers 400 to any other field of chat and text completions. The simulator is as strict with
//! every API, so that a gateway which adds fields of its own is caught wherever it does so.

/// One POST API of a frontend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    Completions,
    Embeddings,
    Responses,
    Messages,
    CountTokens,
    Rerank,
    Classify,
}

impl Api {
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/v1/chat/completions" => Self::Chat,
            "/v1/completions" => Self::Completions,
            "/v1/embeddings" => Self::Embeddings,
            "/v1/responses" => Self::Responses,
            "/v1/messages" => Self::Messages,
            "/v1/messages/count_tokens" => Self::CountTokens,
            "/v1/rerank" => Self::Rerank,
            "/v1/classify" => Self::Classify,
            _ => return None,
        })
    }

    /// The field that must be there beside `model`.
    pub(crate) fn input_field(self) -> &'static str {
        match self {
            Self::Chat | Self::Messages | Self::CountTokens => "messages",
            Self::Completions => "prompt",
            Self::Embeddings | Self::Responses | Self::Classify => "input",
            Self::Rerank => "documents",
        }
    }

    /// Whether the API can answer with a stream.
    pub(crate) fn streams(self) -> bool {
        matches!(
            self,
            Self::Chat | Self::Completions | Self::Responses | Self::Messages
        )
    }

    /// Whether a top-level field is accepted. Fields that the parser understands itself need not be
    /// looked up here, but are listed all the same.
    pub(crate) fn accepts(self, field: &str) -> bool {
        let (own, extended) = match self {
            Self::Chat => (CHAT, true),
            Self::Completions => (COMPLETIONS, true),
            Self::Embeddings => (EMBEDDINGS, false),
            Self::Responses => (RESPONSES, false),
            Self::Messages | Self::CountTokens => (MESSAGES, false),
            Self::Rerank => (RERANK, false),
            Self::Classify => (CLASSIFY, false),
        };
        own.contains(&field) || (extended && EXTENSIONS.contains(&field))
    }
}

/// Sampling and engine fields beyond OpenAI's that chat and text completions take.
const EXTENSIONS: &[&str] = &[
    "allowed_token_ids",
    "bad_words_token_ids",
    "cache_salt",
    "detokenize",
    "guided_choice",
    "guided_decoding_backend",
    "guided_grammar",
    "guided_json",
    "guided_regex",
    "guided_whitespace_pattern",
    "ignore_eos",
    "include_stop_str_in_output",
    "length_penalty",
    "metadata",
    "min_p",
    "min_tokens",
    "nvext",
    "prompt_cache_key",
    "prompt_logprobs",
    "repetition_penalty",
    "skip_special_tokens",
    "stop_token_ids",
    "structured_outputs",
    "top_k",
];

const CHAT: &[&str] = &[
    "audio",
    "chat_template",
    "chat_template_args",
    "chat_template_kwargs",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "media_io_kwargs",
    "messages",
    "mm_processor_kwargs",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
];

const COMPLETIONS: &[&str] = &[
    "best_of",
    "echo",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "model",
    "n",
    "presence_penalty",
    "prompt",
    "prompt_embeds",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "temperature",
    "top_p",
    "user",
];

const EMBEDDINGS: &[&str] = &[
    "dimensions",
    "encoding_format",
    "input",
    "input_type",
    "model",
    "nvext",
    "truncate",
    "user",
];

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
    "output_config",
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

const RERANK: &[&str] = &[
    "documents",
    "max_tokens_per_doc",
    "model",
    "nvext",
    "query",
    "return_documents",
    "top_n",
    "user",
];

const CLASSIFY: &[&str] = &["input", "model", "nvext", "user"];

/// Keys that `nvext` may hold.
pub(crate) const NVEXT: &[&str] = &[
    "agent_hints",
    "annotations",
    "backend_instance_id",
    "cache_salt",
    "decode_worker_id",
    "dp_rank",
    "extra_fields",
    "greed_sampling",
    "max_thinking_tokens",
    "metadata_upload",
    "prefill_dp_rank",
    "prefill_worker_id",
    "request_timestamp_ms",
    "router",
    "routing_constraints",
    "token_data",
    "use_raw_prompt",
];
