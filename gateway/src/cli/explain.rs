//! `commutator explain`: the decision trace of one request.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use commutator_models::engine::EngineMetrics;
use commutator_models::source::HubOptions;
use commutator_plugins::api::Api;
use commutator_plugins::exchange::RequestHead;
use commutator_plugins::model::ModelConfig;
use commutator_plugins::plugin::Flow;
use commutator_plugins::policy::Policy;
use commutator_plugins::policy::trace::ReplyTrace;
use commutator_plugins::policy::{Environment, Trace};
use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::{Files, read_bootstrap};
use crate::snapshot::{Checked, Models};

/// Options of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    files: Files,
    /// The request's body, as JSON; `-` reads standard input.
    #[arg(short, long, value_name = "FILE", conflicts_with = "prompt")]
    request: Option<PathBuf>,
    /// A prompt, as the only user message of a chat completion.
    #[arg(value_name = "PROMPT", required_unless_present = "request")]
    prompt: Option<String>,
    /// The model that the prompt asks for.
    #[arg(short, long, default_value = "MoM")]
    model: String,
    /// The path that the request goes to.
    #[arg(long, default_value = "/v1/chat/completions")]
    path: String,
    /// A request header, `name: value`; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// Print the trace as JSON.
    #[arg(long)]
    json: bool,
    /// Show the texts that models read, too.
    #[arg(long)]
    show_text: bool,
}

/// Without a running gateway every model counts as ready, and weights decide as if the dice fell on 0.
struct Offline;

impl Environment for Offline {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

impl Explain {
    /// Runs the command.
    pub(crate) fn run(&self) -> ExitCode {
        match self.trace() {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        }
    }

    fn trace(&self) -> anyhow::Result<String> {
        let policy = match &self.files.policy {
            Some(policy) => policy.clone(),
            None => {
                read_bootstrap(&self.files)
                    .map_err(|e| anyhow::anyhow!("{e}"))?
                    .1
            }
        };
        let mut checked = Checked::read(&policy).map_err(|e| anyhow::anyhow!("{e}"))?;
        let head = RequestHead {
            path: self.path.clone(),
            headers: self.header_map()?,
            ..RequestHead::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let models = Models {
            hub: HubOptions::from_process_env(),
            metrics: EngineMetrics::unregistered(),
        };
        runtime.block_on(checked.attach(&models, None))?;
        let trace = runtime.block_on(explain(
            checked.policy(),
            head,
            self.body()?,
            &Offline,
            self.show_text,
        ));
        let trace = trace.map_err(|error| anyhow::anyhow!("{}: {}", error.code, error.message))?;
        Ok(if self.json {
            serde_json::to_string_pretty(&trace)?
        } else {
            trace.to_string()
        })
    }

    fn header_map(&self) -> anyhow::Result<http::HeaderMap> {
        let mut map = http::HeaderMap::new();
        for header in &self.headers {
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| anyhow::anyhow!("`{header}` is no header: write `name: value`"))?;
            map.append(
                name.trim().parse::<HeaderName>()?,
                value.trim().parse::<HeaderValue>()?,
            );
        }
        Ok(map)
    }

    fn body(&self) -> anyhow::Result<Bytes> {
        Ok(match (&self.request, &self.prompt) {
            (Some(path), _) if path.as_os_str() == "-" => {
                let mut body = Vec::new();
                std::io::stdin().read_to_end(&mut body)?;
                body.into()
            }
            (Some(path), _) => std::fs::read(path)?.into(),
            (None, prompt) => {
                json!({"model": self.model, "messages": [{"role": "user", "content": prompt}]})
                    .to_string()
                    .into()
            }
        })
    }
}

/// The trace of one request: also what `POST /explain` answers. With `show_text` it holds the texts that models read.
///
/// # Errors
/// What is wrong with the request before any policy looks at it.
pub(crate) async fn explain(
    policy: &Policy,
    head: RequestHead,
    body: Bytes,
    environment: &dyn Environment,
    show_text: bool,
) -> Result<Trace, commutator_plugins::api_error::ApiError> {
    let api = Api::of_path(&head.path).unwrap_or(Api::Other);
    let mut exchange = policy.begin("explain".to_owned(), head, api, body)?;
    let mut trace = Trace::default();
    let end = policy
        .run(&mut exchange, environment, Some(&mut trace))
        .await;
    if let Ok(Flow::Continue) = end
        && let Flow::Reply(reply) = exchange.conclude().await
    {
        trace.reply = Some(ReplyTrace::of("overlap", &reply));
    }
    exchange.conclude_shadows().await;
    trace.verdicts.clone_from(&exchange.verdicts);
    trace.findings.clone_from(&exchange.findings);
    trace.add_inspections(&exchange, show_text);
    match end {
        // Refused before there was anything to trace: an unknown model.
        Err(error) if trace.model.is_none() => Err(error),
        // The flow's end is in the trace, a plugin's error too.
        _ => Ok(trace),
    }
}
