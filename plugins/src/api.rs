//! Which API a request speaks.

/// The APIs whose requests the gateway understands; everything else under `/v1/` passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/messages` (Anthropic)
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1/rerank`
    Rerank,
    /// `POST /v1/classify`
    Classify,
    /// Another `POST /v1/*` that a frontend may serve.
    Other,
}

impl Api {
    /// The API behind a path (without query); `None` where the data listener has none (404).
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v1/")?;
        Some(match rest {
            "chat/completions" => Self::ChatCompletions,
            "completions" => Self::Completions,
            "embeddings" => Self::Embeddings,
            "responses" => Self::Responses,
            "messages" => Self::Messages,
            "messages/count_tokens" => Self::CountTokens,
            "rerank" => Self::Rerank,
            "classify" => Self::Classify,
            _ if !is_plain(rest) => return None,
            _ => Self::Other,
        })
    }

    /// The name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::Responses => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Rerank => "rerank",
            Self::Classify => "classify",
            Self::Other => "other",
        }
    }

    /// Does the API answer with text that a model generates (so that a blocked or fixed answer has a shape)?
    #[must_use]
    pub fn generates(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions | Self::Completions | Self::Responses | Self::Messages
        )
    }
}

/// Is the path made of plain segments? One with `..`, an empty segment or an escape could mean another path to the
/// frontend than to the gateway.
fn is_plain(path: &str) -> bool {
    path.split('/').all(|segment| {
        !matches!(segment, "" | "." | "..")
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
    })
}
