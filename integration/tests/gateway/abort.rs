//! Clients that leave: the frontend's work ends with them.

use std::time::Duration;

use commutator_integration::client::{CHAT, Client, Raw, chat, streamed};
use commutator_integration::wait::eventually;
use commutator_simulator::{Fault, Outcome, Pace};
use rstest::rstest;

use crate::support::Stage;

fn slow() -> Pace {
    Pace {
        inter_token: Duration::from_millis(20),
        tokens: 100_000,
        ..Pace::default()
    }
}

async fn gone(stage: &Stage) {
    eventually("the frontend sees that the client left", || {
        stage.frontend().active() == 0
    })
    .await;
    assert_eq!(stage.only().outcome, Outcome::ClientLeft);
}

#[rstest]
#[case("h1")]
#[case("h2c")]
#[tokio::test]
async fn a_client_that_leaves_before_the_head(#[case] protocol: &str) {
    let stage = Stage::cluster(1, &format!("protocol: {protocol}")).await;
    stage.frontend().set_fault(Fault::hang_before_headers());
    for reset in [false, true] {
        stage.frontend().clear_requests();
        let mut client = Raw::connect(stage.gateway.addr()).await;
        let id = format!("gone-{reset}");
        let header = format!("x-request-id: {id}\r\n");
        client.post(CHAT, &header, &chat("hello").to_string()).await;
        eventually("it waits", || stage.frontend().active() == 1).await;
        match reset {
            true => client.reset(),
            false => drop(client),
        }
        gone(&stage).await;
        let line = stage.gateway.access_line(&id).await;
        assert_eq!(line["status"], 499, "{line}");
        assert_eq!(line["complete"], false, "{line}");
    }
}

#[rstest]
#[case("h1")]
#[case("h2c")]
#[tokio::test]
async fn a_client_that_leaves_in_mid_stream(#[case] protocol: &str) {
    let stage = Stage::cluster(1, &format!("protocol: {protocol}")).await;
    stage.frontend().set_pace(slow());
    let mut client = Raw::connect(stage.gateway.addr()).await;
    let body = streamed("hello").to_string();
    client.post(CHAT, "x-request-id: gone\r\n", &body).await;
    client.until("token").await;
    drop(client);
    gone(&stage).await;
    let line = stage.gateway.access_line("gone").await;
    assert_eq!(line["complete"], false, "{line}");
    stage.gateway.idle().await;
}

/// A silent stream: nothing is being written, so only watching the client tells.
#[tokio::test]
async fn a_client_that_leaves_while_the_stream_is_silent() {
    let stage = Stage::plain().await;
    stage.frontend().set_fault(Fault::hang_mid_stream(2));
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &streamed("hello").to_string()).await;
    client.until("data: ").await;
    drop(client);
    gone(&stage).await;
}

/// As nginx does: who closes its sending side has left.
#[tokio::test]
async fn a_half_closed_client_has_left() {
    let stage = Stage::plain().await;
    stage.frontend().set_fault(Fault::hang_before_headers());
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &chat("hello").to_string()).await;
    eventually("it waits", || stage.frontend().active() == 1).await;
    client.half_close().await;
    gone(&stage).await;
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_the_queue_frees_its_place() {
    let stage = Stage::cluster(
        1,
        "limits: {max_in_flight: 1, queue: {max: 8, deadline: 20s}}",
    )
    .await;
    stage
        .frontend()
        .set_fault(Fault::hang_before_headers().times(1));
    let body = chat("hello").to_string();
    let mut first = Raw::connect(stage.gateway.addr()).await;
    first.post(CHAT, "", &body).await;
    stage.arrive(1).await;
    let mut waiting = Raw::connect(stage.gateway.addr()).await;
    waiting.post(CHAT, "x-request-id: left\r\n", &body).await;
    stage
        .gateway
        .metric_reaches("queue_waiting", &[], 1.0)
        .await;
    drop(waiting);
    let line = stage.gateway.access_line("left").await;
    assert_eq!(line["status"], 499, "{line}");
    let metrics = stage.gateway.metrics().await;
    assert_eq!(metrics.sum("queue_waiting", &[]), 0.0);
    // The place of the first frees, and the one who left does not come up.
    drop(first);
    let mut last = Raw::connect(stage.gateway.addr()).await;
    last.post(CHAT, "", &body).await;
    assert_eq!(last.answer().await.status, 200);
    assert_eq!(stage.arrived(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body_reaches_no_frontend() {
    let stage = Stage::plain().await;
    for reset in [false, true] {
        let mut client = Raw::connect(stage.gateway.addr()).await;
        let id = format!("half-{reset}");
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n\
                 x-request-id: {id}\r\ncontent-length: 100\r\n\r\n{{\"model\":"
            ))
            .await;
        match reset {
            true => client.reset(),
            false => drop(client),
        }
        let line = stage.gateway.access_line(&id).await;
        assert_eq!(line["status"], 499, "{line}");
    }
    assert_eq!(stage.arrived(), 0);
}

/// A slow reader is no reason to end its stream, and it holds the frontend back instead of filling memory.
#[tokio::test]
async fn a_client_that_reads_slowly_gets_everything() {
    let stage = Stage::cluster(1, "timeouts: {idle: 300ms}").await;
    stage.frontend().set_pace(Pace {
        tokens: 30_000,
        ..Pace::default()
    });
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &streamed("hello").to_string()).await;
    // Longer than the idle timeout, which is about frontends.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let answer = client.answer().await;
    assert!(answer.whole);
    assert_eq!(answer.data().last(), Some(&"[DONE]"));
}

#[rstest]
#[case::before_the_head(Fault::hang_before_headers())]
#[case::in_silence(Fault::hang_mid_stream(2))]
#[tokio::test]
async fn a_client_that_leaves_over_h2c(#[case] fault: Fault) {
    let stage = Stage::plain().await;
    stage.frontend().set_fault(fault);
    let client = Client::h2c(stage.gateway.addr()).await;
    let mut again = client.again();
    let asking = tokio::spawn(async move { again.post(CHAT, &streamed("hello")).await });
    eventually("it waits", || stage.frontend().active() == 1).await;
    // Resets the stream; the connection stays.
    asking.abort();
    gone(&stage).await;
    stage.frontend().set_fault(Fault::none());
    let answer = client.again().post(CHAT, &chat("hello")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_client_that_half_closes_in_mid_stream() {
    let stage = Stage::plain().await;
    stage.frontend().set_pace(slow());
    let mut client = Raw::connect(stage.gateway.addr()).await;
    client.post(CHAT, "", &streamed("hello").to_string()).await;
    client.until("data: ").await;
    client.half_close().await;
    gone(&stage).await;
    client.rest().await;
}
