//! A webhook that thinks while the frontend works.

use std::time::Duration;

use commutator_integration::client::{Answer, CHAT, Raw, chat, streamed};
use commutator_integration::wait::eventually;
use commutator_simulator::{Fault, Outcome, Pace};
use rstest::rstest;
use serde_json::{Value, json};

use super::server::{Hook, Say};
use super::{ask, counted};
use crate::support::Stage;

async fn stage(hook: &Hook, protocol: &str, settings: &str) -> Stage {
    let top = hook.policy(&format!("mode: overlap, {settings}"));
    Stage::with(
        1,
        |policy| policy.cluster(&format!("protocol: {protocol}")).top(&top),
        commutator_integration::gateway::GatewayOptions::default(),
    )
    .await
}

/// What the assistant says, in a stream or not.
fn said(answer: &Answer) -> String {
    let text = |value: &Value| value["content"].as_str().unwrap_or_default().to_owned();
    if answer
        .header("content-type")
        .starts_with("text/event-stream")
    {
        let events = answer.events();
        let pieces = events
            .iter()
            .map(|event| text(&event["choices"][0]["delta"]));
        return pieces.collect();
    }
    text(&answer.json()["choices"][0]["message"])
}

fn is_blocked(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-vsr-response-path"), "blocked");
    assert_eq!(answer.header("x-vsr-guard"), "webhook;gossip");
    assert!(answer.header("x-vsr-why").starts_with("webhook.blocked."));
    assert!(answer.whole && answer.text().contains("content_filter"));
    // Nothing of what the frontend says is in it.
    assert_eq!(said(answer), "Not here.");
}

/// The frontend is in the middle of its answer when the verdict comes.
#[rstest]
#[case::h1("h1")]
#[case::h2c("h2c")]
#[tokio::test]
async fn a_block_stops_an_answer_under_way(#[case] protocol: &str) {
    let hook = Hook::start(Say::block()).await;
    let stage = stage(&hook, protocol, "timeout: 30s").await;
    stage.frontend().set_pace(Pace {
        inter_token: Duration::from_millis(5),
        tokens: 100_000,
        ..Pace::default()
    });
    hook.hold();
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = streamed("Is Ana in?").to_string();
    client.post(CHAT, "x-request-id: blocked\r\n", &body).await;
    eventually("both are at work", || {
        let requests = stage.frontend().requests();
        hook.thinking() == 1
            && requests
                .first()
                .is_some_and(|request| request.status == Some(200))
    })
    .await;
    let early = client.within(Duration::from_millis(100)).await;
    assert!(early.is_empty(), "before the verdict: {early:?}");
    hook.release();
    is_blocked(&client.answer().await);
    eventually("the frontend is let go", || stage.frontend().active() == 0).await;
    assert_eq!(stage.only().outcome, Outcome::ClientLeft);
    counted(&stage, "blocked", "no", 1.0).await;
    let metrics = stage.gateway.metrics().await;
    assert_eq!(
        metrics.sum("guard_wasted_upstream_total", &[("guard", "webhook")]),
        1.0
    );
    assert_eq!(metrics.sum("ejections_total", &[]), 0.0);
    assert_eq!(metrics.sum("upstream_retries_total", &[]), 0.0);
    let line = stage.gateway.access_line("blocked").await;
    assert_eq!(line["verdicts"][0]["overlapped"], true, "{line}");
    assert_eq!(line["response_path"], "blocked", "{line}");
}

/// The frontend has said everything when the verdict comes, or has said nothing yet.
#[tokio::test]
async fn a_block_comes_before_a_whole_answer_too() {
    let hook = Hook::start(Say::block()).await;
    let stage = stage(&hook, "h1", "timeout: 30s").await;
    for (id, silent) in [("done", false), ("silent", true)] {
        stage.frontend().clear_requests();
        if silent {
            stage.frontend().set_fault(Fault::hang_before_headers());
        }
        hook.hold();
        let verdict = async {
            eventually("both are at work", || {
                let requests = stage.frontend().requests();
                let done = requests
                    .first()
                    .is_some_and(|request| request.outcome == Outcome::Complete);
                hook.thinking() == 1 && (done || silent && stage.frontend().active() == 1)
            })
            .await;
            hook.release();
        };
        let body = chat("Is Ana in?");
        let (answer, ()) = tokio::join!(ask(&stage, id, CHAT, &body), verdict);
        is_blocked(&answer);
        assert_eq!(answer.json()["usage"]["total_tokens"], 0);
        eventually("the frontend is let go", || stage.frontend().active() == 0).await;
    }
    counted(&stage, "blocked", "no", 2.0).await;
}

#[tokio::test]
async fn a_pass_lets_all_of_the_answer_through() {
    let hook = Hook::start(Say::pass()).await;
    let stage = stage(&hook, "h1", "timeout: 30s").await;
    for (id, body) in [
        ("unary", chat("Is Ana in?")),
        ("stream", streamed("Is Ana in?")),
    ] {
        hook.hold();
        let verdict = async {
            eventually("both are at work", || {
                hook.thinking() == 1 && !stage.frontend().requests().is_empty()
            })
            .await;
            hook.release();
        };
        let (answer, ()) = tokio::join!(ask(&stage, id, CHAT, &body), verdict);
        assert_eq!(answer.header("x-vsr-response-path"), "upstream");
        assert!(answer.headers.get("x-vsr-why").is_none());
        assert!(
            answer.whole && said(&answer).starts_with("[simulated by"),
            "{}",
            answer.text()
        );
        if id == "stream" {
            assert_eq!(answer.data().last(), Some(&"[DONE]"));
        }
        stage.frontend().clear_requests();
    }
    counted(&stage, "clean", "no", 2.0).await;
    let metrics = stage.gateway.metrics().await;
    assert_eq!(metrics.sum("guard_wasted_upstream_total", &[]), 0.0);
}

/// An error, a deadline, and a change that comes too late.
#[tokio::test]
async fn no_verdict_stops_the_answer_or_warns() {
    let replacements = json!([{"text": 0, "start": 0, "end": 2, "with": "No"}]);
    let replace = json!({"action": "replace", "replacements": replacements});
    let failures = [
        (
            "error",
            Some(Say::Bytes(500, r#"{"action":"pass"}"#.to_owned())),
            "unavailable",
        ),
        ("replace", Some(Say::json(&replace)), "unavailable"),
        ("late", None, "deadline"),
    ];
    for on_error in ["deny", "allow"] {
        let hook = Hook::start(Say::block()).await;
        for (id, say, failure) in failures.clone() {
            let timeout = if say.is_some() { "30s" } else { "300ms" };
            let settings = format!("timeout: {timeout}, on_error: {on_error}");
            let stage = stage(&hook, "h1", &settings).await;
            if on_error == "deny" {
                // Only the verdict can end this.
                stage.frontend().set_fault(Fault::hang_before_headers());
            }
            match say {
                Some(say) => hook.say(say),
                None => hook.hold(),
            }
            let answer = ask(&stage, id, CHAT, &chat("Is Ana in?")).await;
            hook.release();
            if on_error == "deny" {
                answer.is_error(503, "guard_unavailable");
                eventually("the frontend is let go", || stage.frontend().active() == 0).await;
                counted(&stage, "denied", "no", 1.0).await;
            } else {
                assert_eq!(answer.status, 200, "{id}: {}", answer.text());
                assert_eq!(
                    answer.header("x-vsr-response-warnings"),
                    "guard_skipped",
                    "{id}"
                );
                assert!(
                    said(&answer).starts_with("[simulated by"),
                    "{id}: {}",
                    answer.text()
                );
                counted(&stage, "skipped", "no", 1.0).await;
            }
            let line = stage.gateway.access_line(id).await;
            assert_eq!(line["verdicts"][0]["failure"], failure, "{line}");
            assert_eq!(line["why"], answer.header("x-vsr-why"), "{line}");
        }
    }
}
