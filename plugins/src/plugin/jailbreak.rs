//! `jailbreak`: stops prompts that attack the model, wherever in a request they hide.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::guard::{
    Act, AttackThreshold, BlockConfig, Conduct, GuardError, Judge, Judgement, Mode, OnError,
    TIMEOUT, run, warn_of_unread,
};
use crate::passage::{Passage, Scope};
use crate::plugin::{Flow, Plugin, PluginError};
use crate::policy::compile::hint;
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};
use crate::understand::{Expectation, Inspection, Question, Understand, all, ask_each};
use crate::units::HumanDuration;

const NAME: &str = "jailbreak";

/// What `x-vsr-jailbreak-type` says.
const LABEL: &str = "jailbreak";

/// Finds attacks on the model in what a request says (jailbreaks, injected instructions, also in results and
/// descriptions of tools and in disguise) and blocks the request, sends it to another model, or reports it. It also
/// runs for requests that name a model. A `jailbreak` guard of a decision takes the place of the policy's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JailbreakConfig {
    /// From this probability on a text is an attack, 0 to 1. Default: what the model's files say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Instead of `threshold`: the share of harmless texts, 0 to 1, that may be taken for attacks, as measured when
    /// the model was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub false_positive_rate: Option<f32>,
    /// What happens to an attack.
    pub action: Action,
    /// Whose texts are looked at.
    pub scope: Scope,
    /// When: before a frontend sees the request, or beside its work. `route` needs `before`.
    pub mode: Mode,
    /// How long the guard may take.
    pub timeout: HumanDuration,
    /// What happens when it cannot tell.
    pub on_error: OnError,
    /// What a blocked client gets.
    pub block: BlockConfig,
    /// Find and count, but change nothing and delay nobody.
    pub shadow: bool,
}

impl Default for JailbreakConfig {
    fn default() -> Self {
        Self {
            threshold: None,
            false_positive_rate: None,
            action: Action::default(),
            scope: Scope::default(),
            mode: Mode::default(),
            timeout: TIMEOUT,
            on_error: OnError::default(),
            block: BlockConfig::default(),
            shadow: false,
        }
    }
}

/// What happens to an attack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The request is stopped.
    #[default]
    Block,
    /// It is reported in headers, metrics and the log.
    Flag,
    /// This model answers, whatever was asked for or decided.
    Route(String),
}

/// The built plugin.
#[derive(Debug)]
pub struct Jailbreak(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    conduct: Conduct,
    action: Action,
    threshold: AttackThreshold,
}

impl BuiltIn for Jailbreak {
    type Config = JailbreakConfig;

    fn build(
        config: &JailbreakConfig,
        context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let threshold = AttackThreshold::build(
            config.threshold,
            config.false_positive_rate,
            path,
            &mut problems,
        );
        if let Action::Route(model) = &config.action {
            let known: Vec<&str> = context
                .models
                .iter()
                .map(|model| model.name.as_str())
                .collect();
            if !known.contains(&model.as_str()) {
                let problem = problems.error(
                    format!("{path}.action.route"),
                    format!("unknown model `{model}`"),
                );
                if let Some(hint) = hint(model, &known) {
                    problem.with_hint(hint);
                }
            }
            if config.mode == Mode::Overlap {
                problems
                    .error(
                        format!("{path}.mode"),
                        "the model is chosen before a frontend works",
                    )
                    .with_hint("`action: {route: ...}` needs `mode: before`");
            }
        }
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
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self(Arc::new(Guard {
            conduct,
            action: config.action.clone(),
            threshold,
        })))
    }
}

#[async_trait]
impl Plugin for Jailbreak {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_guard(&self) -> bool {
        true
    }

    fn before(&self) -> bool {
        self.0.conduct.mode == Mode::Before
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::all_of(
            Question::Jailbreak,
            self.0.conduct.scope.clone(),
        )]
    }

    async fn prepare(&self, understand: &dyn Understand) -> Result<(), String> {
        self.0.threshold.prepare(understand)
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        run(&self.0, exchange).await
    }
}

impl Judge for Guard {
    type Found = Vec<Arc<Inspection>>;

    fn conduct(&self) -> &Conduct {
        &self.conduct
    }

    fn find(
        &self,
        exchange: &Exchange,
        passages: &[Passage],
    ) -> BoxFuture<'static, Result<Self::Found, GuardError>> {
        let asked = ask_each(exchange, passages, Question::Jailbreak);
        async move { Ok(all(asked, Question::Jailbreak).await?) }.boxed()
    }

    fn judge(
        &self,
        exchange: &mut Exchange,
        passages: &[Passage],
        found: Self::Found,
    ) -> Judgement {
        let own = || (exchange.inspections.understand()).map_or(0.5, |u| u.jailbreak_threshold());
        let threshold = self.threshold.get().unwrap_or_else(own);
        warn_of_unread(exchange, &found);
        let mut findings = Vec::new();
        for (passage, inspection) in passages.iter().zip(&found) {
            let attack = inspection.jailbreak.as_ref();
            if let Some(attack) = attack.filter(|attack| attack.score >= threshold) {
                findings.push(Finding {
                    source: NAME.to_owned(),
                    label: LABEL.to_owned(),
                    score: attack.score,
                    threshold: Some(threshold),
                    text: passage.index,
                    span: attack.range.clone(),
                });
            }
        }
        let scores = found
            .iter()
            .filter_map(|inspection| Some(inspection.jailbreak.as_ref()?.score));
        let measured = scores.reduce(f32::max).map(|best| (best, threshold));
        if findings.is_empty() {
            return Judgement {
                measured,
                ..Judgement::clean()
            };
        }
        let act = match &self.action {
            Action::Flag => Act::Flag,
            Action::Route(model) => Act::Route(model.clone()),
            Action::Block => Act::Block(
                "I cannot process this request as it appears to be an attempt to override the instructions that I \
                 have to follow."
                    .to_owned(),
            ),
        };
        Judgement {
            act,
            findings,
            labels: vec![LABEL.to_owned()],
            measured,
        }
    }
}
