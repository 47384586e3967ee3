//! `pii`: keeps personal data and secrets away from the model, or at least knows of them.

mod config;
mod restoring;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::exchange::Exchange;
use crate::finding::Finding;
use crate::guard::{
    Act, Conduct, GuardError, Judge, Judgement, Placeholders, Types, run, warn_of_unread,
};
use crate::passage::Passage;
use crate::plugin::{Flow, Part, Parts, Plugin, PluginError};
use crate::problem::Problems;
use crate::registry::{BuildContext, BuiltIn};
use crate::understand::{Expectation, Inspection, Piece, Question, all, ask_each};

use config::Patterns;
pub use config::{Action, PatternConfig, PiiConfig};

const NAME: &str = "pii";

/// The built plugin.
#[derive(Debug)]
pub struct Pii(Arc<Guard>);

#[derive(Debug)]
struct Guard {
    conduct: Conduct,
    types: Types,
    action: Action,
    actions: BTreeMap<String, Action>,
    patterns: Patterns,
}

impl BuiltIn for Pii {
    type Config = PiiConfig;

    fn build(config: &PiiConfig, context: &BuildContext<'_>, path: &str) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let guard = config.guard(context, path, &mut problems);
        match problems.has_errors() {
            true => Err(problems),
            false => Ok(Self(Arc::new(guard))),
        }
    }
}

#[async_trait]
impl Plugin for Pii {
    fn name(&self) -> &'static str {
        NAME
    }

    fn is_guard(&self) -> bool {
        true
    }

    fn expects(&self) -> Vec<Expectation> {
        vec![Expectation::all_of(
            Question::Pii,
            self.0.conduct.scope.clone(),
        )]
    }

    fn before(&self) -> bool {
        self.0.conduct.mode == crate::guard::Mode::Before
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        run(&self.0, exchange).await
    }

    fn wants_parts(&self, exchange: &Exchange) -> bool {
        restoring::is_wanted(exchange)
    }

    async fn on_part(&self, exchange: &mut Exchange, part: Part) -> Result<Parts, PluginError> {
        restoring::part(self, exchange, part).await
    }

    async fn on_end(&self, exchange: &mut Exchange) -> Result<Parts, PluginError> {
        restoring::end(self, exchange).await
    }
}

/// One piece that counts.
struct Hit {
    passage: usize,
    kind: String,
    span: Range<usize>,
    score: f32,
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
        let asked = ask_each(exchange, passages, Question::Pii);
        let first = self.rules_first(exchange, passages);
        async move {
            if let Some(found) = first.await? {
                return Ok(found);
            }
            Ok(all(asked, Question::Pii).await?)
        }
        .boxed()
    }

    fn judge(
        &self,
        exchange: &mut Exchange,
        passages: &[Passage],
        found: Self::Found,
    ) -> Judgement {
        warn_of_unread(exchange, &found);
        let hits = self.hits(exchange, passages, &found);
        if hits.is_empty() {
            return Judgement::clean();
        }
        let mut labels = Vec::new();
        for hit in &hits {
            let label = format!("B-{}", hit.kind);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let findings = hits.iter().map(|hit| Finding {
            source: NAME.to_owned(),
            label: hit.kind.clone(),
            score: hit.score,
            threshold: Some(self.types.least(&hit.kind)),
            text: passages[hit.passage].index,
            span: Some(hit.span.clone()),
        });
        let findings = findings.collect();
        Judgement {
            act: self.act(exchange, passages, &hits),
            findings,
            labels,
            measured: None,
        }
    }
}

/// From so many bytes on rules look at a request before any model does.
const RULES_FIRST_OVER: usize = 2 << 10;

impl Guard {
    /// In long requests, what rules find may already be enough to stop them: nobody waits for a model then. `None`
    /// where it is not.
    fn rules_first(
        &self,
        exchange: &Exchange,
        passages: &[Passage],
    ) -> impl Future<Output = Result<Option<Vec<Arc<Inspection>>>, GuardError>> + Send + 'static
    {
        let size: usize = passages.iter().flat_map(|p| &p.parts).map(Range::len).sum();
        let understand = exchange.inspections.understand().cloned();
        let understand = understand.filter(|_| size > RULES_FIRST_OVER);
        let texts: Vec<String> = match understand {
            Some(_) => passages
                .iter()
                .map(|p| p.text(exchange).into_owned())
                .collect(),
            None => Vec::new(),
        };
        let (types, actions, action) = (self.types.clone(), self.actions.clone(), self.action);
        async move {
            let Some(understand) = understand else {
                return Ok(None);
            };
            let stops = |piece: &Piece| {
                let action = actions.get(&piece.label).copied().unwrap_or(action);
                action == Action::Block && types.count(&piece.label, piece.score)
            };
            let (mut all, mut stopped) = (Vec::with_capacity(texts.len()), false);
            for text in &texts {
                let found = understand.find_by_rules(text).await?;
                stopped |= found.iter().any(stops);
                all.push(Arc::new(Inspection {
                    pii: Some(found),
                    ..Inspection::default()
                }));
            }
            Ok(stopped.then_some(all))
        }
    }

    fn hits(
        &self,
        exchange: &Exchange,
        passages: &[Passage],
        found: &[Arc<Inspection>],
    ) -> Vec<Hit> {
        let mut hits = Vec::new();
        for (index, (passage, inspection)) in passages.iter().zip(found).enumerate() {
            let own = match self.patterns.is_empty() {
                true => Vec::new(),
                false => self.patterns.find(&passage.text(exchange)),
            };
            let pieces = inspection.pii.iter().flatten();
            // What the operator's own patterns name, nobody else names otherwise.
            let free = |span: &Range<usize>| {
                !own.iter()
                    .any(|(_, taken)| taken.start < span.end && span.start < taken.end)
            };
            let pieces = pieces
                .filter(|piece| self.types.count(&piece.label, piece.score) && free(&piece.range))
                .map(|piece| (piece.label.clone(), piece.range.clone(), piece.score));
            let own_hits = own
                .iter()
                .map(|(name, span)| (name.clone(), span.clone(), 1.0));
            let mut all: Vec<_> = pieces.chain(own_hits).collect();
            all.sort_by_key(|(_, span, _)| span.start);
            hits.extend(all.into_iter().map(|(kind, span, score)| Hit {
                passage: index,
                kind,
                span,
                score,
            }));
        }
        hits
    }

    fn action(&self, kind: &str) -> Action {
        self.actions.get(kind).copied().unwrap_or(self.action)
    }

    /// The strictest of what the pieces' types ask for.
    fn act(&self, exchange: &mut Exchange, passages: &[Passage], hits: &[Hit]) -> Act {
        let strictest = hits.iter().map(|hit| self.action(&hit.kind)).max();
        match strictest {
            None => Act::Pass,
            Some(Action::Flag) => Act::Flag,
            Some(Action::Block) => {
                Act::Block(blocked(hits, |hit| self.action(&hit.kind) == Action::Block))
            }
            Some(Action::Mask | Action::Redact) => self.replace(exchange, passages, hits),
        }
    }

    /// Replaces the pieces; what cannot be replaced (it lies across two strings) stops the request instead.
    fn replace(&self, exchange: &mut Exchange, passages: &[Passage], hits: &[Hit]) -> Act {
        let mut names = match self.conduct.shadow {
            true => Placeholders::default(),
            false => std::mem::take(exchange.extensions.get_or_default::<Placeholders>()),
        };
        let body = exchange.body.document().bytes().clone();
        let taken = |name: &str| memchr::memmem::find(&body, name.as_bytes()).is_some();
        let (mut edits, mut reversible, mut failed) = (Vec::new(), false, false);
        for hit in hits {
            let action = self.action(&hit.kind);
            if action == Action::Flag {
                continue;
            }
            let passage = &passages[hit.passage];
            let Some(raw) = passage.raw(exchange, &hit.span) else {
                failed = true;
                continue;
            };
            let text = passage.text(exchange);
            let value = text.get(hit.span.clone()).unwrap_or_default();
            let with = match action {
                Action::Redact => names.name(&hit.kind, value, taken),
                _ => format!("[{}]", hit.kind),
            };
            reversible |= action == Action::Redact;
            edits.push((raw, with));
        }
        if !self.conduct.shadow {
            exchange.extensions.insert(names);
        }
        match failed {
            true => Act::Block(blocked(hits, |_| true)),
            false => Act::Edit { edits, reversible },
        }
    }
}

/// What the assistant says instead.
fn blocked(hits: &[Hit], counts: impl Fn(&Hit) -> bool) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for hit in hits.iter().filter(|hit| counts(hit)) {
        if !kinds.contains(&hit.kind.as_str()) {
            kinds.push(&hit.kind);
        }
    }
    format!(
        "I cannot process this request as it contains personally identifiable information ({}). Please remove it \
         and try again.",
        kinds.join(", ")
    )
}
