//! What an operator learns about a decision, and that it is no text of a prompt unless asked for.

use commutator_integration::client::{CHAT, Client, chat, full, post};
use commutator_integration::frontend::{Frontend, UNPROBED};
use commutator_integration::gateway::{Gateway, GatewayOptions, TestPolicy, Wait, binary};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Stage;
use crate::webhook::server::{Hook, Say};

/// A word that stands nowhere else.
const RARE: &str = "quokkarium";
const GUARDS: &str = "plugins: [{pii: {timeout: 60s}}, {jailbreak: {timeout: 60s}}]";

fn prompt() -> String {
    format!("\u{e9}: my {RARE} number, my SSN, is 123-45-6789")
}

#[tokio::test]
async fn a_trace_shows_places_and_scores() {
    let stage = Stage::top(GUARDS).await;
    let text = prompt();
    let body = chat(&text).to_string();
    let answer = stage.gateway.admin("POST", "/explain", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let trace = answer.json();
    let reply = json!({"plugin": "pii", "path": "blocked", "status": 200});
    assert_eq!(trace["reply"], reply, "{trace}");
    assert_eq!(trace["revision"], "1");
    let verdict = &trace["verdicts"][0];
    assert_eq!(
        (&verdict["outcome"], &verdict["labels"]),
        (&json!("blocked"), &json!(["B-US_SSN"]))
    );
    let at = text.find("123").unwrap();
    let place = json!({"start": at, "end": text.len()});
    assert_eq!(trace["findings"][0]["span"], place, "{trace}");
    let inspected = &trace["inspections"][0];
    assert_eq!(inspected["path"], "messages[0].content");
    assert_eq!(inspected["pii"][0]["label"], "US_SSN", "{trace}");
    assert_eq!(inspected["pii"][0]["span"], place, "{trace}");
    for score in [
        &inspected["pii"][0]["score"],
        &inspected["jailbreak"]["score"],
    ] {
        assert!((0.0..=1.0).contains(&score.as_f64().unwrap()), "{trace}");
    }
    assert!(inspected["windows"].as_u64().unwrap() >= 1, "{trace}");
    assert!(
        inspected["micros"]["total"].as_u64().unwrap() > 0,
        "{trace}"
    );
    for (question, name) in [("jailbreak", "bundle/multilingual"), ("pii", "bundle")] {
        let models = trace["models"].as_array().unwrap();
        let model = models
            .iter()
            .find(|model| model["question"] == question)
            .unwrap();
        assert_eq!(model["model"], name, "{trace}");
        assert!(!model["revision"].as_str().unwrap().is_empty(), "{trace}");
    }
    assert_eq!(stage.arrived(), 0, "nothing goes to a frontend");
}

/// The trace's own words are the only ones unless the operator asks for the texts.
#[tokio::test]
async fn a_trace_shows_a_text_only_where_asked() {
    let options = GatewayOptions {
        admin_token: Some("secret-of-the-operator".to_owned()),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy.top(GUARDS), options).await;
    let body = chat(&prompt()).to_string();
    for path in [
        "/explain",
        "/explain?",
        "/explain?show_text=false",
        "/explain?show_text",
        "/explain?x=show_text=true",
    ] {
        let answer = stage.gateway.admin("POST", path, &body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(!answer.text().contains(RARE), "{path}: {}", answer.text());
        assert!(!answer.text().contains("6789"), "{path}: {}", answer.text());
        assert_eq!(answer.json()["inspections"][0].get("text"), None, "{path}");
    }
    let shown = stage
        .gateway
        .admin("POST", "/explain?show_text=true", &body)
        .await;
    assert_eq!(
        shown.json()["inspections"][0]["text"],
        prompt(),
        "{}",
        shown.text()
    );

    // Not for everybody.
    let mut client = Client::h1(stage.gateway.admin_addr()).await;
    let answer = client
        .send(post("/explain?show_text=true", full(body.clone())))
        .await
        .unwrap();
    assert_eq!(answer.status, 401);
    assert!(!answer.text().contains(RARE));
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client
        .send(post("/explain?show_text=true", full(body)))
        .await
        .unwrap();
    assert_eq!(answer.status, 404, "not on the clients' listener");

    let metrics = stage.gateway.admin("GET", "/metrics", "").await;
    for seen in [
        metrics.text(),
        &stage.gateway.stdout(),
        &stage.gateway.stderr(),
    ] {
        assert!(!seen.contains(RARE), "what was explained is written");
    }
}

/// The command does the same without a running gateway.
#[tokio::test]
async fn the_command_shows_a_text_only_where_asked() {
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy.yaml");
    let text = TestPolicy::new(&["127.0.0.1:9".parse().unwrap()])
        .top(GUARDS)
        .yaml();
    std::fs::write(&policy, text).unwrap();
    let run = |args: &'static [&'static str]| {
        let mut command = std::process::Command::new(binary().unwrap());
        command
            .args(["explain", "--model", "math", "--policy"])
            .arg(&policy)
            .args(args)
            .arg(prompt());
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        async {
            let output = run.await.unwrap();
            let (out, err) = (
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(output.stderr).unwrap(),
            );
            assert!(output.status.success(), "{err}");
            assert!(!err.contains(RARE), "{err}");
            out
        }
    };
    for args in [&[][..], &["--json"]] {
        let out = run(args).await;
        assert!(out.contains("US_SSN"), "{out}");
        assert!(!out.contains(RARE) && !out.contains("6789"), "{out}");
    }
    let shown: Value = serde_json::from_str(&run(&["--json", "--show-text"]).await).unwrap();
    assert_eq!(shown["inspections"][0]["text"], prompt(), "{shown}");
    let shown = run(&["--show-text"]).await;
    assert!(shown.contains(RARE), "{shown}");
}

/// Every guard that has something to say leaves a word by which the log's line is found.
#[rstest]
#[case::blocked("{pii: {timeout: 60s}}", "pii", "blocked")]
#[case::flagged("{pii: {timeout: 60s, action: flag}}", "pii", "flagged")]
#[case::redacted("{pii: {timeout: 60s, action: redact}}", "pii", "redacted")]
#[case::denied("{pii: {timeout: 1ms}}", "pii", "denied")]
#[case::skipped("{pii: {timeout: 1ms, on_error: allow}}", "pii", "skipped")]
#[case::list(
    "{deny_list: {name: rare, words: [quokkarium]}}",
    "deny_list",
    "blocked"
)]
#[tokio::test]
async fn a_word_in_the_answer_finds_the_line(
    #[case] plugin: &str,
    #[case] guard: &str,
    #[case] outcome: &str,
) {
    let stage = Stage::top(&format!("plugins: [{plugin}]")).await;
    // Too long for a millisecond; the number stands in it for the guards that have time.
    let filler = "The committee met on a rainy morning and talked about the bridge. ".repeat(60);
    let late = matches!(outcome, "denied" | "skipped");
    let text = if late { filler } else { prompt() };
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answers = [
        client.post(CHAT, &chat(&text)).await,
        client.post(CHAT, &chat(&text)).await,
    ];
    for answer in &answers {
        let why = answer.header("x-vsr-why");
        assert!(why.starts_with(&format!("{guard}.{outcome}.")), "{why}");
        stage
            .gateway
            .access_line(answer.header("x-request-id"))
            .await;
        let log = stage.gateway.access_log();
        let found: Vec<_> = log.iter().filter(|line| line["why"] == why).collect();
        assert_eq!(found.len(), 1, "{why} finds {found:?}");
        assert_eq!(found[0]["request_id"], answer.header("x-request-id"));
        let verdicts = found[0]["verdicts"].as_array().unwrap();
        let loud = verdicts
            .iter()
            .find(|verdict| verdict["guard"] == guard)
            .unwrap();
        assert_eq!(loud["outcome"], outcome, "{found:?}");
        assert_eq!(loud.get("failure").is_some(), late, "{found:?}");
    }
}

/// The same for a guard on the answer, whose head waits for it where it is no stream.
#[tokio::test]
async fn a_word_finds_what_a_guard_did_to_an_answer() {
    let frontend = Frontend::start().await;
    let top = format!("plugins: [{{answers: {{stop: {{words: [{RARE}]}}}}}}]");
    let policy = TestPolicy::new(&[frontend.addr()])
        .cluster(UNPROBED)
        .top(&top);
    let options = GatewayOptions {
        wait: Wait::Live,
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(policy.yaml(), options).await.unwrap();
    let mut client = Client::h1(gateway.addr()).await;
    let message = json!({"role": "assistant", "content": format!("It is the {RARE}.")});
    let body = json!({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
    let serve = async {
        let mut exchange = frontend.request().await;
        exchange.json(&body.to_string()).await;
    };
    let question = chat("hello");
    let (answer, ()) = tokio::join!(client.post(CHAT, &question), serve);
    let why = answer.header("x-vsr-why");
    assert!(why.starts_with("answers.blocked."), "{why}");
    let line = gateway.access_line(answer.header("x-request-id")).await;
    assert_eq!(line["why"], why, "{line}");
    assert_eq!(line["verdicts"][0]["side"], "answer", "{line}");
    let metrics = gateway.admin("GET", "/metrics", "").await;
    for seen in [metrics.text(), &gateway.stdout(), &gateway.stderr()] {
        assert!(!seen.contains(RARE), "what the model said is written");
    }
}

/// Whatever a guard does with a prompt, its words are in no log, no metric and no header.
#[rstest]
#[case::model_blocks("{pii: {timeout: 60s}}", Say::pass())]
#[case::attack_blocks("{jailbreak: {timeout: 60s, threshold: 0.0}}", Say::pass())]
#[case::list_blocks(
    "{deny_list: {name: rare, words: [quokkarium], patterns: ['quokka\\w+']}}",
    Say::pass()
)]
#[case::own_pattern(
    "{pii: {timeout: 60s, action: mask, patterns: [{name: RARE, regex: 'quokka\\w+'}]}}",
    Say::pass()
)]
#[case::late("{pii: {timeout: 1ms}}", Say::pass())]
#[case::late_passes("{jailbreak: {timeout: 1ms, on_error: allow}}", Say::pass())]
#[case::shadow(
    "{pii: {timeout: 60s, shadow: true}}, {jailbreak: {timeout: 60s, threshold: 0.0, shadow: true}}",
    Say::pass()
)]
#[case::shadow_list(
    "{deny_list: {name: rare, words: [quokkarium], shadow: true}}",
    Say::pass()
)]
#[case::hook_blocks("{webhook: {url: HOOK, timeout: 60s}}", Say::json(&json!({"action": "block", "message": format!("No {RARE}.")})))]
#[case::hook_shadow("{webhook: {url: HOOK, timeout: 60s, shadow: true}}", Say::json(&json!({"action": "block", "message": format!("No {RARE}.")})))]
#[case::hook_fails("{webhook: {url: HOOK, timeout: 60s}}", Say::Bytes(500, format!("{{\"error\": \"{RARE}\"}}")))]
#[case::hook_quotes("{webhook: {url: HOOK, timeout: 60s}}", Say::Bytes(200, format!("{{\"action\": \"{RARE}\"}}")))]
#[case::hook_label("{webhook: {url: HOOK, timeout: 60s}}", Say::json(&json!({"action": "block", "label": format!("the {RARE}")})))]
#[case::hook_breaks_off("{webhook: {url: HOOK, timeout: 60s, on_error: allow}}", Say::Half(format!("{{\"message\": \"{RARE}")))]
#[tokio::test]
async fn no_word_of_a_prompt_is_written(
    #[case] plugins: &str,
    #[case] say: Say,
    #[values("before", "overlap")] mode: &str,
) {
    if mode == "overlap" && (plugins.contains("deny_list") || plugins.contains("mask")) {
        return; // These cannot.
    }
    let hook = Hook::start(say).await;
    let plugins = plugins
        .replace("HOOK", &format!("'{}'", hook.url()))
        .replace("{timeout", &format!("{{mode: {mode}, timeout"))
        .replace("', timeout", &format!("', mode: {mode}, timeout"));
    let options = GatewayOptions {
        bootstrap: "log: {level: trace}".to_owned(),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(
        1,
        |policy| policy.top(&format!("plugins: [{plugins}]")),
        options,
    )
    .await;
    let filler = "The committee met on a rainy morning and talked about the bridge. ".repeat(40);
    let text = format!("{}. {filler}", prompt());
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post(CHAT, &chat(&text)).await;
    for (name, value) in &answer.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        assert!(!value.contains(RARE), "{name}: {value}");
    }
    let line = stage
        .gateway
        .access_line(answer.header("x-request-id"))
        .await;
    // Without a verdict there would be nothing to look at.
    assert_ne!(line["verdicts"][0]["outcome"], "clean", "{line}");
    let labels: &[_] = &[];
    stage
        .gateway
        .metric_reaches("guard_verdicts_total", labels, 1.0)
        .await;
    for page in ["/metrics", "/status"] {
        let page = stage.gateway.admin("GET", page, "").await;
        assert!(!page.text().contains(RARE), "{}", page.text());
    }
    let logs = [stage.gateway.stdout(), stage.gateway.stderr()];
    for secret in [RARE, "123-45-6789", "rainy morning"] {
        let mut lines = logs.iter().flat_map(|log| log.lines());
        assert_eq!(lines.find(|line| line.contains(secret)), None);
    }
    assert!(
        logs[1].contains("TRACE") || logs[1].contains("DEBUG"),
        "{}",
        logs[1]
    );
}
