//! `answers`: guards what the model says, while it says it.

mod config;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use http::StatusCode;

use crate::answer_text::{
    Chained, Channel, Echo, Kind, PersonalData, PersonalRules, RewriteError, Rewriter,
    SharedReport, StopList, StopRules, TextFilter,
};
use crate::api_error::ApiError;
use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::guard::{GuardError, OnError, Placeholders, SKIPPED, Side, Verdict, VerdictOutcome};
use crate::passage::Scope;
use crate::plugin::{Part, Parts, Plugin, PluginError, ResponseHead};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};
use crate::understand::{Expectation, Question};

pub use config::{AnswerBlock, AnswersConfig, PiiAction, PiiAnswers, StopAction, StopConfig};

const NAME: &str = "answers";

/// What personal data in answers is reported as: the client knows the word from requests.
const PII: &str = "pii";

/// The built plugin.
#[derive(Debug)]
pub struct Answers {
    personal: Option<Arc<PersonalRules>>,
    allow_echo: bool,
    stop: Option<Arc<StopRules>>,
    channels: Vec<Kind>,
    on_error: OnError,
    block_text: Option<String>,
    shadow: bool,
}

/// The answers under guard in one exchange, by plugin.
#[derive(Default)]
struct Watches(HashMap<usize, Watch>);

/// One answer under guard.
struct Watch {
    rewriter: Rewriter,
    reports: Vec<Reported>,
    /// The frontend answered an error: nothing a model said.
    passes: bool,
    /// Nothing more may pass.
    over: bool,
}

/// A report and where its verdict stands in the exchange.
struct Reported {
    guard: &'static str,
    report: SharedReport,
    verdict: Option<usize>,
    findings: usize,
}

impl BuiltIn for Answers {
    type Config = AnswersConfig;

    fn build(
        config: &AnswersConfig,
        context: &BuildContext<'_>,
        path: &str,
    ) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let built = config.answers(context, path, &mut problems);
        match problems.has_errors() {
            true => Err(problems),
            false => Ok(built),
        }
    }
}

#[async_trait]
impl Plugin for Answers {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judges_answers(&self) -> bool {
        true
    }

    /// Nothing is asked about a request; the models are needed all the same.
    fn expects(&self) -> Vec<Expectation> {
        let nobody = Scope(Vec::new());
        let personal = self.personal.iter();
        personal
            .map(|_| Expectation::all_of(Question::Pii, nobody.clone()))
            .collect()
    }

    async fn on_response_head(
        &self,
        exchange: &mut Exchange,
        head: &ResponseHead<'_>,
    ) -> Result<(), PluginError> {
        if exchange.api.generates() {
            let mut watch = self.watch(exchange);
            watch.passes = !head.status.is_success();
            self.put(exchange, watch);
        }
        Ok(())
    }

    fn wants_parts(&self, exchange: &Exchange) -> bool {
        exchange.api.generates()
    }

    async fn on_part(&self, exchange: &mut Exchange, part: Part) -> Result<Parts, PluginError> {
        let mut watch = self.take(exchange);
        if watch.passes {
            self.put(exchange, watch);
            return Ok(part.into());
        }
        if watch.over {
            self.put(exchange, watch);
            return Ok(Parts::last(Vec::new()));
        }
        let done = match part {
            Part::Event(bytes) => {
                let done = watch.rewriter.event(bytes.clone()).await;
                done.map(|done| (done.events, done.stopped))
                    .map(events)
                    .map_err(|error| (Part::Event(bytes), error))
            }
            Part::Body(bytes) => {
                let done = watch.rewriter.body(bytes.clone()).await;
                done.map(|(body, _)| Part::Body(body).into())
                    .map_err(|error| (Part::Body(bytes), error))
            }
        };
        let parts = match done {
            Ok(parts) => parts,
            Err((part, error)) => self.failed(exchange, &mut watch, Some(part), &error),
        };
        watch.over = parts.end;
        watch.report(exchange, self.shadow);
        self.put(exchange, watch);
        Ok(parts)
    }

    async fn on_end(&self, exchange: &mut Exchange) -> Result<Parts, PluginError> {
        let mut watch = self.take(exchange);
        let mut parts = Parts::none();
        if !watch.passes && !watch.over {
            parts = match watch.rewriter.end().await {
                Ok(done) => events((done.events, done.stopped)),
                Err(error) => self.failed(exchange, &mut watch, None, &error),
            };
            watch.over = parts.end;
            watch.report(exchange, self.shadow);
        }
        self.put(exchange, watch);
        Ok(parts)
    }
}

fn events((events, stopped): (Vec<bytes::Bytes>, bool)) -> Parts {
    let list = events.into_iter().map(Part::Event).collect();
    match stopped {
        true => Parts::last(list),
        false => Parts {
            list,
            ..Parts::none()
        },
    }
}

impl Answers {
    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn take(&self, exchange: &mut Exchange) -> Watch {
        let all = exchange.extensions.get_or_default::<Watches>();
        match all.0.remove(&self.identity()) {
            Some(watch) => watch,
            None => self.watch(exchange),
        }
    }

    fn put(&self, exchange: &mut Exchange, watch: Watch) {
        let all = exchange.extensions.get_or_default::<Watches>();
        all.0.insert(self.identity(), watch);
    }

    /// Begins to watch an exchange's answer.
    fn watch(&self, exchange: &Exchange) -> Watch {
        let echo = Arc::new(self.echo(exchange));
        let understand = exchange.inspections.understand().cloned();
        let (personal, stop) = (self.personal.clone(), self.stop.clone());
        let (found, said) = (SharedReport::default(), SharedReport::default());
        let reported = |guard, report: &SharedReport| Reported {
            guard,
            report: Arc::clone(report),
            verdict: None,
            findings: 0,
        };
        let personal_report = personal.is_some().then(|| reported(PII, &found));
        let stop_report = stop.is_some().then(|| reported(NAME, &said));
        let reports = personal_report.into_iter().chain(stop_report).collect();
        let channels = self.channels.clone();
        let make = move |channel: &Channel| -> Option<Box<dyn TextFilter>> {
            if !channels.contains(&channel.kind()) {
                return None;
            }
            let json = channel.is_json();
            let mut filters: Vec<Box<dyn TextFilter>> = Vec::new();
            if let Some(rules) = &stop {
                let filter = StopList::new(Arc::clone(rules), Arc::clone(&said), json);
                filters.push(Box::new(filter));
            }
            if let Some(rules) = &personal {
                filters.push(Box::new(PersonalData::new(
                    Arc::clone(rules),
                    understand.clone(),
                    Arc::clone(&echo),
                    Arc::clone(&found),
                    json,
                )));
            }
            match filters.len() {
                1 => filters.pop(),
                _ => Some(Box::new(Chained(filters))),
            }
        };
        let rewriter = Rewriter::new(exchange.api, Box::new(make));
        Watch {
            rewriter: rewriter.with_farewell(self.block_text.clone()),
            reports,
            passes: false,
            over: false,
        }
    }

    fn echo(&self, exchange: &Exchange) -> Echo {
        let names = exchange.extensions.get::<Placeholders>();
        let placeholders = names.map_or_else(Vec::new, |names| {
            names.iter().map(|(name, _)| name.to_owned()).collect()
        });
        let texts = match self.allow_echo {
            true => 0..exchange.conversation.texts.len(),
            false => 0..0,
        };
        Echo {
            placeholders,
            texts: texts.map(|index| exchange.text(index).to_owned()).collect(),
        }
    }

    /// Nobody can tell what a part says.
    fn failed(
        &self,
        exchange: &Exchange,
        watch: &mut Watch,
        part: Option<Part>,
        error: &RewriteError,
    ) -> Parts {
        tracing::warn!(request = %exchange.id, guard = NAME, %error, "guard could not tell");
        let deny = self.on_error == OnError::Deny;
        // A filter has noted its own failures.
        if !matches!(error, RewriteError::Guard(_)) {
            let outcome = match deny {
                true => VerdictOutcome::Denied,
                false => VerdictOutcome::Skipped,
            };
            let unreadable = GuardError::Unavailable(String::new());
            for reported in &watch.reports {
                reported.report.lock().failed(&unreadable, outcome);
            }
        }
        match deny && !self.shadow {
            true => Parts::failed(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "guard_unavailable",
                format!("the guard `{NAME}` could not check the answer"),
            )),
            false => part.into(),
        }
    }
}

impl Watch {
    /// Brings the exchange's verdicts up to date.
    fn report(&mut self, exchange: &mut Exchange, shadow: bool) {
        for reported in &mut self.reports {
            let report = reported.report.lock();
            let index = *reported.verdict.get_or_insert(exchange.verdicts.len());
            let verdict = Verdict {
                guard: reported.guard,
                side: Side::Answer,
                outcome: report.outcome,
                shadow,
                labels: report.labels.clone(),
                score: report.score,
                threshold: None,
                failure: report.failure,
                overlapped: false,
                took: report.took,
            };
            match exchange.verdicts.get_mut(index) {
                Some(old) => *old = verdict,
                None => exchange.verdicts.push(verdict),
            }
            for (label, score) in report.findings.iter().skip(reported.findings) {
                exchange.findings.push(Finding {
                    source: reported.guard.to_owned(),
                    label: label.clone(),
                    score: *score,
                    threshold: None,
                    text: None,
                    span: None,
                });
            }
            reported.findings = report.findings.len();
            let skipped = report.outcome == VerdictOutcome::Skipped && !shadow;
            if skipped && !exchange.warnings.contains(&SKIPPED) {
                exchange.warnings.push(SKIPPED);
            }
        }
    }
}
