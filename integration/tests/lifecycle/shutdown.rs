//! The end of the process.

use std::time::{Duration, Instant};

use commutator_integration::client::{CHAT, Client, Raw, chat};
use commutator_integration::gateway::Gateway;
use commutator_integration::wait::{eventually, soon};
use commutator_simulator::Pace;
use tokio::net::{TcpListener, TcpStream};

use super::support::{assert_good, open_stream, options, pace, policy, simulators};

/// Far longer than what runs.
const GRACE: &str = "shutdown: {grace: 200s}";

async fn is_draining(gateway: &Gateway) {
    eventually("the gateway drains", || {
        gateway.stderr().contains("draining")
    })
    .await;
}

#[tokio::test]
async fn what_runs_is_finished_and_nothing_new_is_taken() {
    let frontends = simulators(1, pace(Duration::from_millis(40), 60)).await;
    let text = policy(&frontends).yaml();
    let mut gateway = Gateway::start(text, options(GRACE)).await.unwrap();
    let mut probe = Client::h1(gateway.admin_addr()).await;
    assert_eq!(probe.get("/readyz").await.status, 200);
    let mut idle = Raw::connect(gateway.addr()).await;
    idle.send("GET /live HTTP/1.1\r\nhost: gateway\r\n\r\n")
        .await;
    assert_ne!(idle.answer().await.header("connection"), "close");
    let stream = open_stream(&gateway).await;
    // Its head comes after the signal.
    frontends[0].set_pace(Pace {
        ttft: Duration::from_millis(800),
        ..Pace::default()
    });
    let mut slow = Raw::connect(gateway.addr()).await;
    slow.post(CHAT, "", &chat("Hello").to_string()).await;
    eventually("both are at the frontend", || frontends[0].active() == 2).await;

    let began = Instant::now();
    gateway.signal(libc::SIGTERM);
    is_draining(&gateway).await;
    assert_eq!(probe.get("/readyz").await.status, 503);
    // The listener closes; a connection in between is answered or closed, never left to hang.
    let mut tries = 0;
    while let Ok(stream) = TcpStream::connect(gateway.addr()).await {
        let mut raw = Raw::over(stream);
        raw.send("GET /health HTTP/1.1\r\nhost: gateway\r\n\r\n")
            .await;
        if let Some(head) = raw.try_head().await {
            assert_eq!((head.status, head.header("connection")), (503, "close"));
        }
        tries += 1;
        assert!(tries < 1000, "the listener never closes");
    }
    assert!(
        idle.try_head().await.is_none(),
        "an idle connection is closed"
    );
    let answer = slow.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("connection"), "close");
    assert_good(&stream.collect().await);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(100),
        "it waited for the grace period"
    );
    assert_eq!(
        gateway.access_log().len(),
        3,
        "the access log is complete: {}",
        gateway.stdout()
    );
}

#[tokio::test]
async fn after_the_grace_period_streams_end_in_good_order() {
    let frontends = simulators(1, pace(Duration::from_millis(100), 1000)).await;
    let text = policy(&frontends).yaml();
    let mut gateway = Gateway::start(text, options("shutdown: {grace: 1s}"))
        .await
        .unwrap();
    let stream = open_stream(&gateway).await;
    gateway.signal(libc::SIGTERM);
    stream.collect().await.ends_with_error("shutting_down");
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    let log = gateway.access_log();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["code"], "shutting_down");
}

#[tokio::test]
async fn the_second_interrupt_ends_at_once() {
    let frontends = simulators(1, pace(Duration::from_millis(100), 1000)).await;
    let text = policy(&frontends).yaml();
    let mut gateway = Gateway::start(text, options(GRACE)).await.unwrap();
    let _stream = open_stream(&gateway).await;
    gateway.signal(libc::SIGINT);
    is_draining(&gateway).await;
    gateway.signal(libc::SIGINT);
    assert_eq!(gateway.wait_exit().await.code(), Some(130));
}

#[tokio::test]
async fn a_reload_does_not_hold_up_the_end() {
    let frontends = simulators(1, Pace::default()).await;
    let text = policy(&frontends).yaml();
    let mut gateway = Gateway::start(&text, options(GRACE)).await.unwrap();
    // A frontend that accepts and says nothing: the reload waits for its first probe.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = frontends[0].addr().to_string();
    let new = text.replace(&addr, &silent.local_addr().unwrap().to_string());
    std::fs::write(gateway.directory().join("policy.yaml"), new).unwrap();
    gateway.signal(libc::SIGHUP);
    let _probe = soon("the reload's probe", silent.accept()).await;
    gateway.signal(libc::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
}
