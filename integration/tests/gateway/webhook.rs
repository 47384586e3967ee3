//! A guard of the operator's own, asked over HTTP.

mod failures;
mod overlap;
pub(crate) mod server;

use commutator_integration::client::{Answer, CHAT, Client, chat, full, post, streamed};
use commutator_integration::gateway::GatewayOptions;
use commutator_integration::wait::eventually;
use serde_json::{Value, json};

use crate::support::Stage;
use server::{Hook, Say};

/// Posts with this request id.
async fn ask(stage: &Stage, id: &str, path: &str, body: &Value) -> Answer {
    let mut request = post(path, full(body.to_string()));
    request
        .headers_mut()
        .insert("x-request-id", id.parse().unwrap());
    let mut client = Client::h1(stage.gateway.addr()).await;
    client.send(request).await.unwrap()
}

/// How many verdicts of the webhook ended so.
async fn verdicts(stage: &Stage, outcome: &str, shadow: &str) -> f64 {
    let labels = [
        ("guard", "webhook"),
        ("side", "request"),
        ("outcome", outcome),
        ("shadow", shadow),
    ];
    let metrics = stage.gateway.metrics().await;
    metrics.sum("guard_verdicts_total", &labels)
}

/// Waits for all requests to be counted, which happens behind their answers.
async fn counted(stage: &Stage, outcome: &str, shadow: &str, count: f64) {
    let labels = [
        ("guard", "webhook"),
        ("outcome", outcome),
        ("shadow", shadow),
    ];
    stage
        .gateway
        .metric_reaches("guard_verdicts_total", &labels, count)
        .await;
    assert_eq!(verdicts(stage, outcome, shadow).await, count);
}

#[tokio::test]
async fn it_gets_what_is_said_and_lets_it_pass() {
    let hook = Hook::start(Say::pass()).await;
    let options = GatewayOptions {
        env: vec![("HOOK_KEY".to_owned(), "Bearer of-the-hook".to_owned())],
        ..GatewayOptions::default()
    };
    let settings =
        "timeout: 30s, headers: {x-tenant: abc}, secret_headers: {authorization: '${HOOK_KEY}'}";
    let stage = Stage::with(1, |policy| policy.top(&hook.policy(settings)), options).await;
    let body = json!({"model": "math", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Is \"Ana\" in?\n\u{e9}"}]},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": "{\"who\": \"Ana\"}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "She is out."},
    ]});
    let mut request = post(CHAT, full(body.to_string()));
    for (name, value) in [
        ("x-request-id", "asked"),
        ("authorization", "Bearer of-the-client"),
        ("cookie", "c=1"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = Client::h1(stage.gateway.addr())
        .await
        .send(request)
        .await
        .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-vsr-response-path"), "upstream");
    for header in ["x-vsr-guard", "x-vsr-why", "x-vsr-response-warnings"] {
        assert!(answer.headers.get(header).is_none(), "{header}");
    }
    assert_eq!(stage.only().json()["messages"], body["messages"]);

    let heard = hook.heard();
    assert_eq!(heard.len(), 1);
    let heard = &heard[0];
    assert_eq!(
        (heard.method.as_str(), heard.target.as_str()),
        ("POST", "/judge?tenant=7")
    );
    assert_eq!(heard.header("content-type"), "application/json");
    assert_eq!(heard.header("x-tenant"), "abc");
    assert_eq!(heard.header("authorization"), "Bearer of-the-hook");
    assert_eq!(heard.header("cookie"), "");
    // The application's own instructions are not in the default scope.
    assert_eq!(
        heard.body,
        json!({
            "request_id": "asked",
            "api": "chat_completions",
            "model": "math",
            "texts": [
                {"speaker": "user", "text": "Is \"Ana\" in?\n\u{e9}"},
                {"speaker": "assistant", "text": "{\"who\": \"Ana\"}"},
                {"speaker": "tool", "text": "She is out."},
            ],
        })
    );
    counted(&stage, "clean", "no", 1.0).await;
    let line = stage.gateway.access_line("asked").await;
    assert_eq!(line["verdicts"][0]["guard"], "webhook", "{line}");
    assert_eq!(line.get("why"), None, "{line}");
    let page = stage.gateway.admin("GET", "/policy", "").await;
    assert!(!page.text().contains("of-the-hook"), "a secret is shown");
}

#[tokio::test]
async fn the_scope_says_whose_texts_it_gets() {
    let hook = Hook::start(Say::pass()).await;
    let stage = Stage::top(&hook.policy("timeout: 30s, scope: [system, tools]")).await;
    let tool = json!({"type": "function", "function": {"name": "look_up", "description": "Finds people.", "parameters": {"type": "object"}}});
    let body = json!({"model": "auto", "tools": [tool], "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]});
    ask(&stage, "a", CHAT, &body).await;
    let heard = hook.heard();
    assert_eq!(heard[0].body["model"], "auto");
    let texts = heard[0].body["texts"].as_array().unwrap();
    let said = |speaker: &str| {
        let own = texts.iter().filter(|text| text["speaker"] == speaker);
        own.map(|text| text["text"].as_str().unwrap())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(
        (said("system").as_str(), said("user").as_str()),
        ("Be brief.", "")
    );
    assert!(said("tools").contains("Finds people."), "{texts:?}");

    for (path, body, api) in [
        (
            "/v1/responses",
            json!({"model": "math", "instructions": "Be brief.", "input": "Hi"}),
            "responses",
        ),
        (
            "/v1/messages",
            json!({"model": "math", "max_tokens": 9, "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]}),
            "messages",
        ),
    ] {
        ask(&stage, "b", path, &body).await;
        let heard = hook.heard().pop().unwrap();
        assert_eq!(heard.body["api"], api);
        assert_eq!(
            heard.body["texts"],
            json!([{"speaker": "system", "text": "Be brief."}])
        );
    }
}

/// CONTRACT sections 4 and 5.
#[tokio::test]
async fn its_block_looks_like_an_answer() {
    let hook = Hook::start(Say::block()).await;
    let stage = Stage::top(&hook.policy("timeout: 30s")).await;
    let mut whys = Vec::new();
    for (id, body) in [
        ("unary", chat("Is Ana in?")),
        ("stream", streamed("Is Ana in?")),
    ] {
        let answer = ask(&stage, id, CHAT, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-vsr-response-path"), "blocked");
        assert_eq!(answer.header("x-vsr-guard"), "webhook;gossip");
        assert_eq!(answer.header("x-request-id"), id);
        assert!(answer.headers.get("x-vsr-pii-violation").is_none());
        let why = answer.header("x-vsr-why");
        assert!(why.starts_with("webhook.blocked."), "{why}");
        whys.push(why.to_owned());
        let line = stage.gateway.access_line(id).await;
        assert_eq!(
            (&line["why"], &line["response_path"]),
            (&json!(why), &json!("blocked"))
        );
        let verdict = &line["verdicts"][0];
        assert_eq!(
            (&verdict["outcome"], &verdict["score"]),
            (&json!("blocked"), &json!(0.75))
        );
        assert_eq!(line["findings"][0]["label"], "gossip", "{line}");
        if id == "stream" {
            assert!(
                answer
                    .header("content-type")
                    .starts_with("text/event-stream")
            );
            let events = answer.events();
            let delta = &events[0]["choices"][0]["delta"];
            assert_eq!(
                (&delta["role"], &delta["content"]),
                (&json!("assistant"), &json!("Not here."))
            );
            assert_eq!(
                events.last().unwrap()["choices"][0]["finish_reason"],
                "content_filter"
            );
            assert_eq!(answer.data().last(), Some(&"[DONE]"));
        } else {
            let body = answer.json();
            assert_eq!(
                (&body["object"], &body["model"]),
                (&json!("chat.completion"), &json!("math"))
            );
            assert_eq!(body["choices"][0]["finish_reason"], "content_filter");
            assert_eq!(
                body["choices"][0]["message"],
                json!({"role": "assistant", "content": "Not here."})
            );
            assert_eq!(body["usage"]["total_tokens"], 0);
        }
    }
    assert_ne!(whys[0], whys[1], "a word for each request");
    assert_eq!(stage.arrived(), 0, "requests that reached a frontend");
    counted(&stage, "blocked", "no", 2.0).await;
    let labels = [("guard", "webhook"), ("label", "gossip")];
    let metrics = stage.gateway.metrics().await;
    assert_eq!(metrics.sum("guard_findings_total", &labels), 2.0);
}

#[tokio::test]
async fn the_policys_words_come_before_its_message() {
    let hook = Hook::start(Say::block()).await;
    let settings = "timeout: 30s, block: {status: 451, text: 'No {types} here.'}";
    let stage = Stage::top(&hook.policy(settings)).await;
    let answer = ask(&stage, "a", CHAT, &chat("Is Ana in?")).await;
    let error = answer.is_error(451, "content_filter");
    assert_eq!(error["message"], "No gossip here.");
    assert_eq!(answer.header("x-vsr-guard"), "webhook;gossip");

    // What generates nothing cannot say so in an answer.
    let stage = Stage::top(&hook.policy("timeout: 30s")).await;
    let body = json!({"model": "math", "input": ["Is Ana in?"]});
    let answer = ask(&stage, "b", "/v1/embeddings", &body).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(answer.header("x-vsr-guard"), "webhook;gossip");

    // A block that says nothing more is one, too.
    hook.say(Say::json(&json!({"action": "block"})));
    let answer = ask(&stage, "c", CHAT, &chat("Is Ana in?")).await;
    assert_eq!(answer.header("x-vsr-guard"), "webhook;webhook");
    assert_eq!(
        answer.json()["choices"][0]["finish_reason"],
        "content_filter"
    );
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn it_can_flag_and_replace() {
    let hook = Hook::start(Say::json(&json!({"action": "flag", "label": "gossip"}))).await;
    let stage = Stage::top(&hook.policy("timeout: 30s")).await;
    let text = "\u{e9}: is Ana in?";
    let answer = ask(&stage, "a", CHAT, &chat(text)).await;
    assert_eq!(answer.header("x-vsr-response-path"), "upstream");
    assert_eq!(answer.header("x-vsr-guard"), "webhook;gossip");
    assert!(answer.header("x-vsr-why").starts_with("webhook.flagged."));
    assert_eq!(stage.only().json()["messages"][0]["content"], text);

    // Offsets count bytes of UTF-8.
    let at = text.find("Ana").unwrap();
    let replacements = json!([{"text": 0, "start": at, "end": at + 3, "with": "\"she\""}]);
    hook.say(Say::json(
        &json!({"action": "replace", "label": "name", "replacements": replacements}),
    ));
    stage.frontend().clear_requests();
    let answer = ask(&stage, "b", CHAT, &chat(text)).await;
    assert_eq!(answer.header("x-vsr-pii-redacted"), "name");
    let seen = &stage.only().json()["messages"][0]["content"];
    assert_eq!(seen, "\u{e9}: is \"she\" in?");
    counted(&stage, "flagged", "no", 1.0).await;
    counted(&stage, "masked", "no", 1.0).await;
}

#[tokio::test]
async fn in_the_shadow_it_only_counts() {
    for mode in ["before", "overlap"] {
        let hook = Hook::start(Say::block()).await;
        let stage =
            Stage::top(&hook.policy(&format!("timeout: 30s, shadow: true, mode: {mode}"))).await;
        let replacements = json!([{"text": 0, "start": 0, "end": 2, "with": "No"}]);
        let says = [
            ("blocked", Say::block()),
            ("denied", Say::Bytes(500, String::new())),
            ("clean", Say::pass()),
        ];
        let replace = Say::json(&json!({"action": "replace", "replacements": replacements}));
        let before = [("masked", replace)]
            .into_iter()
            .filter(|_| mode == "before");
        for (outcome, say) in says.into_iter().chain(before) {
            hook.say(say);
            stage.frontend().clear_requests();
            // The answer does not wait for what is only counted.
            hook.hold();
            let answer = ask(&stage, outcome, CHAT, &chat("Is Ana in?")).await;
            eventually("the webhook thinks", || hook.thinking() == 1).await;
            hook.release();
            assert_eq!(answer.status, 200, "{mode} {outcome}: {}", answer.text());
            assert_eq!(answer.header("x-vsr-response-path"), "upstream");
            for header in [
                "x-vsr-guard",
                "x-vsr-why",
                "x-vsr-response-warnings",
                "x-vsr-pii-redacted",
            ] {
                assert!(
                    answer.headers.get(header).is_none(),
                    "{mode} {outcome}: {header}"
                );
            }
            assert_eq!(stage.only().json()["messages"][0]["content"], "Is Ana in?");
            counted(&stage, outcome, "yes", 1.0).await;
            assert_eq!(verdicts(&stage, outcome, "no").await, 0.0);
            // It spoke after the access log had its line.
            let told = |line: &str| {
                line.contains("a guard in the shadow has spoken") && line.contains(outcome)
            };
            eventually("the verdict is in the process log", || {
                stage.gateway.stderr().lines().any(told)
            })
            .await;
        }
        let metrics = stage.gateway.metrics().await;
        assert_eq!(metrics.sum("guard_wasted_upstream_total", &[]), 0.0);
    }
}

/// Nobody waits for a verdict any more: the webhook need not go on either.
#[tokio::test]
async fn a_client_that_leaves_takes_the_question_along() {
    for mode in ["before", "overlap"] {
        let hook = Hook::start(Say::pass()).await;
        hook.hold();
        let stage = Stage::top(&hook.policy(&format!("timeout: 30s, mode: {mode}"))).await;
        let hang = commutator_simulator::Fault::hang_before_headers();
        stage.frontend().set_fault(hang);
        let mut client = commutator_integration::client::Raw::connect(stage.gateway.addr()).await;
        client
            .post(CHAT, "x-request-id: gone\r\n", &chat("Hi").to_string())
            .await;
        eventually("the webhook thinks", || hook.thinking() == 1).await;
        drop(client);
        eventually("the webhook is let go", || hook.thinking() == 0).await;
        let line = stage.gateway.access_line("gone").await;
        assert_eq!(line["status"], 499, "{line}");
        stage.gateway.idle().await;
        if mode == "before" {
            assert_eq!(stage.arrived(), 0);
        }
    }
}
