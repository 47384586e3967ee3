//! The one error that becomes an answer (CONTRACT section 6).

use std::borrow::Cow;

use http::StatusCode;
use serde_json::json;

/// An error as the client sees it. Never holds text of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// Machine-readable `code`, a name from CONTRACT section 6, or what the policy says.
    pub code: Cow<'static, str>,
    /// Human-readable text.
    pub message: String,
    /// The request field at fault.
    pub param: Option<String>,
    /// Value of `retry-after`, in seconds.
    pub retry_after: Option<u32>,
    /// Value of `allow`, for 405.
    pub allow: Option<&'static str>,
}

impl ApiError {
    /// An error with this status, code and message.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            param: None,
            retry_after: None,
            allow: None,
        }
    }

    /// 400 `invalid_json`.
    #[must_use]
    pub fn invalid_json(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_json", message)
    }

    /// 400 `invalid_request`, naming the field.
    #[must_use]
    pub fn invalid_request(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message).param(param)
    }

    /// 404 `model_not_found`.
    #[must_use]
    pub fn model_not_found(model: &str) -> Self {
        let shown: String = model.chars().take(128).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "model_not_found",
            format!("the model `{shown}` does not exist or is not served here"),
        )
        .param("model")
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Asks the client to come back in `seconds`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// OpenAI's `type` for the status.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            503 | 529 => "service_unavailable_error",
            400..=499 => "invalid_request_error",
            504 => "timeout_error",
            _ => "server_error",
        }
    }

    /// The body: `{"error":{"message","type","param","code"}}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({"error": {
            "message": self.message,
            "type": self.kind(),
            "param": self.param,
            "code": self.code,
        }})
        .to_string()
    }

    /// The error as an event of a stream that has begun, followed by the stream's end marker.
    #[must_use]
    pub fn to_sse(&self) -> String {
        format!("data: {}\n\ndata: [DONE]\n\n", self.to_json())
    }
}
