#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::*;
use crate::api::Api;
use crate::exchange::RequestHead;
use crate::plugin::Reply;
use crate::signal::testing::policy;
use crate::signal::{Match, Signal, SignalError, SignalKind};

/// Everything is ready, and the dice always show the same.
struct Calm;

impl Environment for Calm {
    fn ready(&self, _model: &ModelConfig) -> bool {
        true
    }

    fn random(&self) -> f64 {
        0.0
    }
}

fn config() -> Value {
    json!({
        "models": [
            {"name": "small", "cluster": "main"},
            {"name": "large", "cluster": "main", "upstream_name": "org/large", "aliases": ["big"],
             "reasoning_family": "qwen3"},
        ],
        "default_model": "small",
        "signals": {
            "keywords": [{"name": "code", "any": ["rust", "python"]}, {"name": "secret", "any": ["password"]}],
            "languages": [{"name": "german", "codes": ["de"]}],
            "conversation": [{"name": "agentic", "tools": true}],
        },
        "decisions": [
            {"name": "coding", "priority": 10, "when": {"all": [{"keyword": "code"}, {"not": {"conversation": "agentic"}}]},
             "models": [{"name": "large", "reasoning": {"enabled": true}}], "fallback": ["small"],
             "plugins": [{"system_prompt": {"text": "You write code."}}]},
            {"name": "stop secrets", "priority": 20, "applies_to": "all", "when": {"keyword": "secret"},
             "plugins": [{"fixed_answer": {"text": "No."}}]},
            {"name": "try german", "priority": 30, "shadow": true, "when": {"language": "german"},
             "models": [{"name": "small"}]},
        ],
    })
}

fn begin(policy: &Policy, body: Value) -> Exchange {
    let head = RequestHead::default();
    let body = body.to_string().into();
    policy
        .begin("id".into(), head, Api::ChatCompletions, body)
        .unwrap()
}

fn ask(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

async fn run(policy: &Policy, model: &str, text: &str) -> (Exchange, Result<Flow, ApiError>) {
    let mut exchange = begin(policy, ask(model, text));
    let flow = policy.run(&mut exchange, &Calm, None).await;
    (exchange, flow)
}

fn chosen(exchange: &Exchange) -> (Option<&str>, &str) {
    let chosen = exchange.chosen.as_ref().unwrap();
    (chosen.decision.as_deref(), &chosen.model.name)
}

#[tokio::test]
async fn an_automatic_request_meets_its_decision() {
    let policy = policy(config());
    let (exchange, flow) = run(&policy, "MoM", "explain rust lifetimes").await;
    assert!(matches!(flow, Ok(Flow::Continue)));
    assert_eq!(chosen(&exchange), (Some("coding"), "large"));
    assert_eq!(exchange.chosen.as_ref().unwrap().fallback[0].name, "small");
    assert_eq!(exchange.matched("keywords"), ["code".into()]);
    assert!(exchange.reasoning.as_ref().unwrap().enabled);
    assert_eq!(policy.plugins_of(&exchange).len(), 1);
}

#[tokio::test]
async fn without_a_match_the_default_model_answers() {
    let policy = policy(config());
    let (exchange, flow) = run(&policy, "auto", "hello").await;
    assert!(matches!(flow, Ok(Flow::Continue)));
    assert_eq!(chosen(&exchange), (None, "small"));
    assert!(policy.plugins_of(&exchange).is_empty());
}

#[tokio::test]
async fn a_named_model_stays() {
    let policy = policy(config());
    for name in ["large", "big", "org/large"] {
        let (exchange, _) = run(&policy, name, "explain rust").await;
        assert_eq!(chosen(&exchange), (None, "large"), "{name}");
        assert!(exchange.reasoning.is_none());
    }
    // A decision for all requests contributes its plugins.
    let (exchange, flow) = run(&policy, "large", "my password").await;
    assert_eq!(chosen(&exchange), (Some("stop secrets"), "large"));
    assert!(matches!(flow, Ok(Flow::Reply(Reply::Completion { .. }))));
}

#[tokio::test]
async fn an_unknown_model_is_refused_or_passed_through() {
    let (_, flow) = run(&policy(config()), "nobody", "hello").await;
    let error = flow.unwrap_err();
    assert_eq!(
        (error.status.as_u16(), &*error.code),
        (404, "model_not_found")
    );

    let mut open = config();
    open["pass_through_cluster"] = json!("main");
    let open = policy(open);
    let (exchange, flow) = run(&open, "nobody", "hello").await;
    assert!(matches!(flow, Ok(Flow::Continue)));
    let chosen = exchange.chosen.as_ref().unwrap();
    assert_eq!(
        (chosen.model.name.as_str(), chosen.model.cluster.as_str()),
        ("nobody", "main")
    );
    let rendered = open.render(&exchange, &chosen.model).unwrap();
    assert_eq!(rendered, exchange.body.document().bytes());
}

#[tokio::test]
async fn an_api_without_model_goes_to_the_default() {
    let policy = policy(config());
    let body = json!({"query": "q", "documents": ["d"]}).to_string().into();
    let head = RequestHead::default();
    let mut exchange = policy.begin("id".into(), head, Api::Rerank, body).unwrap();
    policy.run(&mut exchange, &Calm, None).await.unwrap();
    assert_eq!(chosen(&exchange), (None, "small"));
}

#[tokio::test]
async fn shadows_are_only_counted() {
    let policy = policy(config());
    let text = "Kannst du mir bitte erklären, wie ein Kühlschrank funktioniert?";
    let (exchange, _) = run(&policy, "MoM", text).await;
    assert_eq!(chosen(&exchange), (None, "small"));
    let shadows = &exchange.extensions.get::<Shadows>().unwrap().0;
    assert_eq!(
        (&*shadows[0].name, shadows[0].would_win),
        ("try german", true)
    );
}

#[tokio::test]
async fn the_story_for_people() {
    let policy = policy(config());
    let mut exchange = begin(&policy, ask("MoM", "explain rust lifetimes"));
    let mut trace = Trace {
        revision: Some("r1".to_owned()),
        ..Trace::default()
    };
    policy
        .run(&mut exchange, &Calm, Some(&mut trace))
        .await
        .unwrap();
    forget_times(&mut trace);
    insta::assert_snapshot!(trace, @r"
    chat_completions: MoM (automatic), policy r1
    signals:
      conversation (1 us)
        - agentic (1 user turns)
      keywords (1 us)
        + code 1.0000 (any[0])
        - secret
      languages (1 us)
        - german (et 0.1879)
    decisions:
      + coding priority 10, confidence 1.0000
        + all 1.0000
          + keyword: code 1.0000
          + not 1.0000
            - conversation: agentic
      - stop secrets priority 20
        - keyword: secret
      - try german priority 30, shadow
        - language: german
    decision: coding (the only decision that matched)
    candidates:
      large weight 1
      small fallback
    model: large, then small
    plugins:
      system_prompt (1 us)
        messages inserted: 1 at 0
    ");

    let mut exchange = begin(&policy, ask("large", "tell me the password"));
    let mut trace = Trace::default();
    policy
        .run(&mut exchange, &Calm, Some(&mut trace))
        .await
        .unwrap();
    forget_times(&mut trace);
    insta::assert_snapshot!(trace, @r"
    chat_completions: large (named)
    signals:
      keywords (1 us)
        - code
        + secret 1.0000 (any[0])
      languages: no live decision needs it
      conversation: no live decision needs it
    decisions:
      - coding priority 10, the client named a model
      + stop secrets priority 20, confidence 1.0000
        + keyword: secret 1.0000
      - try german priority 30, shadow, the client named a model
    decision: stop secrets (the only decision that matched; the client named the model, which stays)
    model: large
    plugins:
      fixed_answer (1 us)
    reply: fast_response by fixed_answer, status 200
    ");
}

#[tokio::test]
async fn the_story_never_quotes_the_prompt() {
    let policy = policy(config());
    let text = "rust xyzzy-prompt-text";
    let mut exchange = begin(&policy, ask("MoM", text));
    let mut trace = Trace::default();
    policy
        .run(&mut exchange, &Calm, Some(&mut trace))
        .await
        .unwrap();
    let all = format!("{trace}{}", serde_json::to_string(&trace).unwrap());
    assert!(!all.contains("xyzzy"), "{all}");
    assert!(!all.contains("You write code"), "{all}");
}

fn forget_times(trace: &mut Trace) {
    for signal in &mut trace.signals {
        signal.micros = signal.micros.map(|_| 1);
    }
    for plugin in &mut trace.plugins {
        plugin.micros = 1;
    }
}

/// A plugin that misbehaves.
#[derive(Debug)]
enum Broken {
    Panics,
    Fails,
}

#[async_trait]
impl Plugin for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    async fn on_request(&self, exchange: &mut Exchange) -> Result<Flow, PluginError> {
        let prompt = exchange.text(0).to_owned();
        match self {
            Self::Panics => panic!("no mercy"),
            Self::Fails => Err(PluginError::Unavailable(prompt)),
        }
    }
}

#[tokio::test]
async fn a_broken_plugin_is_an_error_without_the_prompt() {
    for broken in [Broken::Panics, Broken::Fails] {
        let mut policy = policy(config());
        policy.plugins = vec![Arc::new(broken)];
        let (exchange, flow) = run(&policy, "MoM", "xyzzy").await;
        let error = flow.unwrap_err();
        assert_eq!(
            (error.status.as_u16(), &*error.code),
            (500, "plugin_failed")
        );
        assert!(error.message.contains("`broken`") && !error.message.contains("xyzzy"));
        assert_eq!(policy.plugins_of(&exchange).len(), 1);
    }
}

#[tokio::test]
async fn plugins_of_the_policy_come_first_and_need_text() {
    let mut policy = policy(config());
    let broken: Arc<dyn Plugin> = Arc::new(Broken::Fails);
    policy.plugins = vec![broken];
    let body = json!({"model": "small", "input": [1, 2, 3]})
        .to_string()
        .into();
    let head = RequestHead::default();
    let mut exchange = policy
        .begin("id".into(), head, Api::Embeddings, body)
        .unwrap();
    policy.run(&mut exchange, &Calm, None).await.unwrap();
    assert!(policy.plugins_of(&exchange).is_empty());
    // The decision's plugin would have replied; the policy's fails before.
    let (exchange, flow) = run(&policy, "MoM", "password").await;
    assert!(flow.is_err());
    assert_eq!(policy.plugins_of(&exchange)[0].name(), "broken");
}

/// A signal that counts its calls and misbehaves.
#[derive(Debug)]
struct Counted {
    calls: Arc<AtomicUsize>,
    panics: bool,
}

#[async_trait]
impl Signal for Counted {
    fn kind(&self) -> &'static str {
        "keywords"
    }

    async fn evaluate(&self, _exchange: &Exchange) -> Result<Vec<Match>, SignalError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "no mercy");
        Err(SignalError::Deadline)
    }
}

fn replace(policy: &mut Policy, kind: SignalKind, panics: bool) -> Arc<AtomicUsize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let signal = Counted {
        calls: Arc::clone(&calls),
        panics,
    };
    let slot = policy.signals.iter_mut().find(|(k, _)| *k == kind).unwrap();
    slot.1 = Arc::new(signal);
    calls
}

#[tokio::test]
async fn a_broken_signal_has_no_value() {
    for panics in [true, false] {
        let mut policy = policy(config());
        replace(&mut policy, SignalKind::Conversation, panics);
        // `not: {conversation: agentic}` must not hold because of the failure.
        let (exchange, flow) = run(&policy, "MoM", "explain rust").await;
        assert!(matches!(flow, Ok(Flow::Continue)));
        assert_eq!(chosen(&exchange), (None, "small"));
        assert_eq!(exchange.warnings, ["signal_skipped"]);
    }
}

#[tokio::test]
async fn only_needed_signals_are_evaluated() {
    let mut policy = policy(config());
    let languages = replace(&mut policy, SignalKind::Language, false);
    let keywords = replace(&mut policy, SignalKind::Keyword, false);
    run(&policy, "small", "hello").await.1.unwrap();
    // Decisions for named models look at keywords only.
    assert_eq!(languages.load(Ordering::Relaxed), 0);
    assert_eq!(keywords.load(Ordering::Relaxed), 1);
    run(&policy, "MoM", "hello").await.1.unwrap();
    assert_eq!(languages.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_dear_signal_that_cannot_change_the_decision_is_for_explanations_only() {
    let mut config = config();
    config["decisions"][2] = json!({"name": "german", "priority": 5, "when": {"language": "german"},
        "models": [{"name": "small"}]});
    let policy = policy(config);
    let german = "Erkläre bitte, wie man in rust eine Liste sortiert";
    let (exchange, _) = run(&policy, "MoM", german).await;
    assert_eq!(chosen(&exchange), (Some("coding"), "large"));
    assert!(exchange.matched("languages").is_empty() && exchange.matched("language").is_empty());
    let mut exchange = begin(&policy, ask("MoM", german));
    let mut trace = Trace::default();
    policy
        .run(&mut exchange, &Calm, Some(&mut trace))
        .await
        .unwrap();
    assert_eq!(trace.decision.as_deref(), Some("coding"));
    let deferred = trace.signals.iter().filter(|signal| signal.deferred);
    let kinds: Vec<_> = deferred
        .map(|signal| (signal.kind, signal.rules[0].matched))
        .collect();
    assert_eq!(kinds, [("languages", true)]);
    // Without the word the language decides.
    let (exchange, _) = run(&policy, "MoM", "Erkläre bitte, wie man eine Liste sortiert").await;
    assert_eq!(chosen(&exchange), (Some("german"), "small"));
}

#[test]
fn a_run_can_move_between_threads() {
    fn assert_send<T: Send>(_: T) {}
    let policy = policy(config());
    let mut exchange = begin(&policy, ask("MoM", "a"));
    assert_send(policy.run(&mut exchange, &Calm, None));
}
