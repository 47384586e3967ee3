#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::guard::VerdictOutcome;
use crate::plugin::Reply;
use crate::signal::testing::user;
use crate::testing::rendered;

fn build(config: Value) -> Result<Webhook, Problems> {
    let config: WebhookConfig = serde_json::from_value(config).unwrap();
    let context = BuildContext {
        families: &BTreeMap::new(),
        models: &[],
        foreign_pii: false,
    };
    Webhook::build(&config, &context, "plugins[0].webhook")
}

/// A webhook that answers one call with these bytes; returns its address and what it was asked.
async fn answers(bytes: String) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/guard?key=hidden", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&seen).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|l| {
                    l.to_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                });
                if body.len() >= length.unwrap().parse::<usize>().unwrap() {
                    stream.write_all(bytes.as_bytes()).await.unwrap();
                    return text;
                }
            }
        }
    });
    (url, served)
}

fn ok(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn judge(bytes: String, more: Value) -> (Exchange, Flow, String) {
    let (url, served) = answers(bytes).await;
    let mut config = json!({"url": url, "headers": {"x-tenant": "abc"}});
    config
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut exchange = user("Is Ana in?");
    let flow = build(config)
        .unwrap()
        .on_request(&mut exchange)
        .await
        .unwrap();
    (exchange, flow, served.await.unwrap())
}

#[tokio::test]
async fn it_gets_the_texts_and_its_word_counts() {
    let block = json!({"action": "block", "label": "gossip", "message": "Not here.", "score": 0.8});
    let (exchange, flow, asked) = judge(ok(&block), json!({})).await;
    assert!(matches!(&flow, Flow::Reply(Reply::Completion { text, .. }) if text == "Not here."));
    assert_eq!(exchange.verdicts[0].labels, ["gossip"]);
    assert_eq!(exchange.verdicts[0].score, Some(0.8));
    assert!(asked.contains("x-tenant: abc"), "{asked}");
    let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        body["texts"],
        json!([{"speaker": "user", "text": "Is Ana in?"}])
    );
}

#[tokio::test]
async fn it_may_pass_flag_and_replace() {
    let (exchange, flow, _) = judge(ok(&json!({"action": "pass"})), json!({})).await;
    assert!(matches!(flow, Flow::Continue));
    assert_eq!(exchange.verdicts[0].outcome, VerdictOutcome::Clean);
    let (exchange, _, _) = judge(ok(&json!({"action": "flag"})), json!({})).await;
    assert_eq!(exchange.verdicts[0].outcome, VerdictOutcome::Flagged);
    let replace = json!({"action": "replace", "replacements": [{"text": 0, "start": 3, "end": 6, "with": "\"she\""}]});
    let (exchange, _, _) = judge(ok(&replace), json!({})).await;
    assert!(rendered(&exchange).contains(r#"Is \"she\" in?"#));
}

#[tokio::test]
async fn whatever_else_it_says_is_no_verdict() {
    let place = json!({"action": "replace", "replacements": [{"text": 0, "start": 3, "end": 99, "with": ""}]});
    let twice = json!({"action": "replace", "replacements": [
        {"text": 0, "start": 3, "end": 6, "with": ""}, {"text": 0, "start": 5, "end": 7, "with": ""}]});
    let moved = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
        .to_owned();
    for bytes in [
        ok(&json!({"action": "perhaps"})),
        ok(&json!({})),
        ok(&json!({"action": "block", "label": "a\nb"})),
        ok(&place),
        ok(&twice),
        moved,
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "nonsense".to_owned(),
    ] {
        let (exchange, flow, _) = judge(bytes.clone(), json!({})).await;
        assert!(
            matches!(&flow, Flow::Reply(Reply::Error(e)) if e.code == "guard_unavailable"),
            "{bytes}"
        );
        assert_eq!(exchange.verdicts[0].outcome, VerdictOutcome::Denied);
    }
    let oops = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_owned();
    let (exchange, flow, _) = judge(oops, json!({"on_error": "allow"})).await;
    assert!(matches!(flow, Flow::Continue));
    assert_eq!(exchange.warnings, ["guard_skipped"]);
}

#[tokio::test]
async fn one_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut exchange = user("Hi");
    let guard = build(json!({"url": url, "timeout": "50ms"})).unwrap();
    let flow = guard.on_request(&mut exchange).await.unwrap();
    assert!(matches!(flow, Flow::Reply(Reply::Error(_))));
    assert_eq!(exchange.verdicts[0].failure, Some("deadline"));
}

#[test]
fn mistakes_are_named() {
    for (config, path) in [
        (json!({"url": "ftp://x"}), "plugins[0].webhook.url"),
        (json!({"url": "nowhere"}), "plugins[0].webhook.url"),
        (
            json!({"url": "http://x", "headers": {"a b": "c"}}),
            "plugins[0].webhook.headers.a b",
        ),
        (
            json!({"url": "http://x", "timeout": "0s"}),
            "plugins[0].webhook.timeout",
        ),
    ] {
        let text = build(config).unwrap_err().to_string();
        assert!(text.contains(path), "{text}");
    }
}
