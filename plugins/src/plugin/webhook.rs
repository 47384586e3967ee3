//! `webhook`: asks a guard that runs elsewhere.

mod call;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::guard::{Act, BlockConfig, Conduct, GuardError, Judge, Judgement, Mode, OnError, run};
use crate::passage::{Passage, Scope};
use crate::plugin::{Flow, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};
use crate::secret::Secret;
use crate::units::HumanDuration;

use call::{Action, Answer, Question, QuestionText};

const NAME: &str = "webhook";

/// Sends what a request says to a guard of your own by `POST` and does what it answers.
///
/// It gets `{"request_id", "api", "model", "texts": [{"speaker", "text"}]}` and answers with status 200 and
/// `{"action": "pass" | "flag" | "block" | "replace", "label": "...", "message": "...", "score": 0.9,
/// "replacements": [{"text": 0, "start": 3, "end": 8, "with": "..."}]}`; all but `action` may be missing. `start` and
/// `end` count bytes of that text in UTF-8. Anything else is a failure: see `on_error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it is: `http://` or `https://`.
    pub url: String,
    /// Headers of the call.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Headers with secrets, such as `authorization`, by reference.
    #[serde(default)]
    pub secret_headers: BTreeMap<String, Secret>,
    /// Whose texts it gets.
    #[serde(default)]
    pub scope: Scope,
    /// When: before a frontend sees the request, or beside its work. `replace` is a failure beside it.
    #[serde(default)]
    pub mode: Mode,
    /// How long it may take.
    #[serde(default = "timeout")]
    pub timeout: HumanDuration,
    /// What happens when it does not answer.
    #[serde(default)]
    pub on_error: OnError,
    /// What a blocked client gets; without a text, the `message` of the webhook.
    #[serde(default)]
    pub block: BlockConfig,
    /// Ask and count, but change nothing and delay nobody.
    #[serde(default)]
    pub shadow: bool,
}

fn timeout() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(1))
}

/// The built plugin.
#[derive(Debug)]
pub struct Webhook(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    conduct: Conduct,
    url: Url,
    headers: HeaderMap,
    client: reqwest::Client,
}

impl BuiltIn for Webhook {
    type Config = WebhookConfig;

    fn build(
        config: &WebhookConfig,
        _context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let url = Url::parse(&config.url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if url.is_none() {
            problems
                .error(format!("{path}.url"), "this is no address of a webhook")
                .with_hint("write `https://HOST/PATH`");
        }
        let headers = headers(config, path, &mut problems);
        let conduct = Conduct::build(
            NAME,
            &config.scope,
            config.mode,
            config.timeout,
            config.on_error,
            config.shadow,
            &config.block,
            path,
            &mut problems,
        );
        let client = match call::client() {
            Ok(client) => Some(client),
            Err(error) => {
                problems.error(path, format!("no HTTP client: {error}"));
                None
            }
        };
        match (url, client) {
            (Some(url), Some(client)) if !problems.has_errors() => Ok(Self(Arc::new(Guard {
                conduct,
                url,
                headers,
                client,
            }))),
            _ => Err(problems),
        }
    }
}

fn headers(config: &WebhookConfig, path: &str, problems: &mut Problems) -> HeaderMap {
    let plain = config
        .headers
        .iter()
        .map(|(name, value)| (name, value.as_str(), "headers"));
    let secret = config.secret_headers.iter();
    let secret = secret.map(|(name, value)| (name, value.expose(), "secret_headers"));
    let mut headers = HeaderMap::new();
    for (name, value, field) in plain.chain(secret) {
        let parsed = HeaderName::try_from(name).ok();
        match (parsed, HeaderValue::from_str(value).ok()) {
            (Some(name), Some(mut value)) => {
                value.set_sensitive(field == "secret_headers");
                headers.insert(name, value);
            }
            // The value may be a secret: it is not shown.
            _ => {
                problems.error(format!("{path}.{field}.{name}"), "no valid header");
            }
        }
    }
    headers
}

#[async_trait]
impl Plugin for Webhook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_guard(&self) -> bool {
        true
    }

    fn before(&self) -> bool {
        self.0.conduct.mode == Mode::Before
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        run(&self.0, exchange).await
    }
}

impl Judge for Guard {
    type Found = Answer;

    fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    fn find(
        &self,
        exchange: &Exchange,
        passages: &[Passage],
    ) -> BoxFuture<'static, Result<Answer, GuardError>> {
        let question = Question {
            request_id: exchange.id.clone(),
            api: exchange.api.as_str(),
            model: exchange.requested_model.clone(),
            texts: passages
                .iter()
                .map(|passage| QuestionText {
                    speaker: passage.speaker,
                    text: passage.text(exchange).into_owned(),
                })
                .collect(),
        };
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone());
        let overlaps = self.conduct.mode == Mode::Overlap;
        async move {
            let answer = call::ask(request, &question).await?;
            if overlaps && answer.action == Action::Replace {
                let why = "the webhook wants texts replaced that a frontend has seen already";
                return Err(GuardError::Unavailable(why.to_owned()));
            }
            answer.check(&question)?;
            Ok(answer)
        }
        .boxed()
    }

    fn judge(&self, exchange: &mut Exchange, passages: &[Passage], found: Answer) -> Judgement {
        if found.action == Action::Pass {
            return Judgement::clean();
        }
        let label = found.label.unwrap_or_else(|| NAME.to_owned());
        let finding = |text: Option<usize>, span| Finding {
            source: NAME.to_owned(),
            label: label.clone(),
            score: found.score.unwrap_or(1.0).clamp(0.0, 1.0),
            threshold: None,
            text,
            span,
        };
        let refused = || {
            let message = found.message.clone();
            message.unwrap_or_else(|| "I cannot process this request.".to_owned())
        };
        let mut findings = Vec::new();
        let act = match found.action {
            Action::Pass | Action::Flag => Act::Flag,
            Action::Block => Act::Block(refused()),
            Action::Replace => {
                let mut edits = Vec::new();
                for replacement in &found.replacements {
                    let passage = &passages[replacement.text];
                    let span = replacement.start..replacement.end;
                    if let Some(raw) = passage.raw(exchange, &span) {
                        edits.push((raw, replacement.with.clone()));
                    }
                    findings.push(finding(passage.index, Some(span)));
                }
                match edits.len() == found.replacements.len() {
                    true => Act::Edit {
                        edits,
                        reversible: false,
                    },
                    false => Act::Block(refused()),
                }
            }
        };
        if findings.is_empty() {
            findings.push(finding(None, None));
        }
        Judgement {
            act,
            findings,
            labels: vec![label.clone()],
            measured: None,
        }
    }
}
