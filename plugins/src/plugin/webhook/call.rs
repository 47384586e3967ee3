//! The call and what it may answer.

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::{Deserialize, Serialize};

use crate::guard::GuardError;
use crate::passage::Speaker;

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// What the webhook gets.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    pub(super) request_id: String,
    pub(super) api: &'static str,
    pub(super) model: String,
    pub(super) texts: Vec<QuestionText>,
}

#[derive(Debug, Serialize)]
pub(super) struct QuestionText {
    pub(super) speaker: Speaker,
    pub(super) text: String,
}

/// What it says.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) action: Action,
    #[serde(default)]
    pub(super) label: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) score: Option<f32>,
    #[serde(default)]
    pub(super) replacements: Vec<Replacement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Pass,
    Flag,
    Block,
    Replace,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replacement {
    pub(super) text: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: String,
}

impl Answer {
    /// Is everything that it names there, and can its label stand in a header?
    pub(super) fn check(&self, question: &Question) -> Result<(), GuardError> {
        let inside = |replacement: &Replacement| {
            let text = question.texts.get(replacement.text);
            text.is_some_and(|text| text.text.get(replacement.start..replacement.end).is_some())
        };
        if !self.replacements.iter().all(inside) {
            return Err(malformed("names a place that is not there"));
        }
        let mut sorted: Vec<_> = self
            .replacements
            .iter()
            .map(|r| (r.text, r.start, r.end))
            .collect();
        sorted.sort_unstable();
        let overlap =
            |pair: &[(usize, usize, usize)]| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2;
        if sorted.windows(2).any(overlap) {
            return Err(malformed("replaces a place twice"));
        }
        // Labels become header values and metric labels.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let fits =
            |label: &String| !label.is_empty() && label.len() <= 64 && label.chars().all(plain);
        match self.label.as_ref().is_none_or(fits) {
            true => Ok(()),
            false => Err(malformed("has a label that is no plain word")),
        }
    }
}

fn malformed(what: &str) -> GuardError {
    GuardError::Unavailable(format!("the webhook's answer {what}"))
}

/// A client that keeps its connections and follows no redirects: texts go where the policy says and nowhere else.
pub(super) fn client() -> reqwest::Result<Client> {
    // Pingora installs the same one; whoever comes first wins.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(Policy::none()).build()
}

/// Asks. Errors never quote the texts, nor the URL, which may hold a key.
pub(super) async fn ask(
    request: RequestBuilder,
    question: &Question,
) -> Result<Answer, GuardError> {
    let body = serde_json::to_vec(question)
        .map_err(|_| GuardError::Unavailable("the question is no JSON".to_owned()))?;
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let unreachable = |error: reqwest::Error| {
        let what = match (error.is_connect(), error.is_timeout()) {
            (true, _) => "cannot be reached",
            (_, true) => "took too long",
            _ => "broke off",
        };
        GuardError::Unavailable(format!("the webhook {what}"))
    };
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(GuardError::Overloaded);
    }
    if status != StatusCode::OK {
        return Err(GuardError::Unavailable(format!(
            "the webhook answered {}",
            status.as_u16()
        )));
    }
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        answer.extend_from_slice(&chunk);
        if answer.len() > MAX_ANSWER {
            return Err(malformed("is too large"));
        }
    }
    // serde's sentence could quote the answer, which could quote the prompt.
    serde_json::from_slice(&answer).map_err(|_| malformed("is not what it should be"))
}
