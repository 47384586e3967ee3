//! Recording, draining, stopping, restarting.

use commutator_simulator::{Fault, Outcome, Pace, Simulator, SimulatorConfig};
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::*;

#[tokio::test]
async fn requests_are_recorded_byte_for_byte() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.addr()).await;
    let odd =
        r#"{ "messages":[{"role":"user","content":"x"}], "model" : "math","temperature":1.50}"#;
    let mut first = request("/v1/chat/completions?a=b", odd);
    first
        .headers_mut()
        .insert("x-own", "value".parse().unwrap());
    client.send(first).await.unwrap();
    client.post("/v1/nothing", &chat("x")).await;
    post(&simulator, CHAT, &chat("y")).await;
    client.get("/v1/models").await;
    let records = simulator.requests();
    assert_eq!(records.len(), 3, "GETs are not recorded");
    assert_eq!(records[0].path, CHAT);
    assert_eq!(records[0].query.as_deref(), Some("a=b"));
    assert_eq!(records[0].body, odd);
    assert_eq!(records[0].header("x-own"), Some("value"));
    assert_eq!(records[0].status, Some(200));
    assert_eq!(records[0].outcome, Outcome::Complete);
    assert_eq!(records[1].status, Some(404));
    assert_eq!(records[0].connection, records[1].connection);
    assert_ne!(records[0].connection, records[2].connection);
    assert!(records[0].at <= records[1].at);
    assert_eq!(
        (simulator.total(), simulator.probes(), simulator.active()),
        (3, 1, 0)
    );
    simulator.clear_requests();
    assert!(simulator.requests().is_empty());
}

/// A proxy that drops a request while it sends it leaves as one that waits for the answer does.
#[tokio::test]
async fn a_body_that_breaks_off_is_a_client_that_left() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_before_headers());
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: frontend\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{\"model\""
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    eventually("it is read", || simulator.active() == 1).await;
    drop(stream);
    eventually("it is over", || simulator.active() == 0).await;
    assert!(simulator.requests()[0].client_left());
    assert!(simulator.requests()[0].body.is_empty());
}

#[tokio::test]
async fn only_the_last_requests_are_kept() {
    for (record, kept) in [(2, vec!["c", "d"]), (0, vec![])] {
        let simulator = Simulator::start(SimulatorConfig { record, ..config() })
            .await
            .unwrap();
        for text in ["a", "b", "c", "d"] {
            post(&simulator, CHAT, &chat(text)).await;
        }
        let records = simulator.requests();
        let texts: Vec<_> = records
            .iter()
            .map(|r| r.json()["messages"][0]["content"].clone())
            .collect();
        assert_eq!(texts, kept);
        assert_eq!(simulator.total(), 4);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let simulator = simulator().await;
    simulator.set_pace(Pace {
        inter_token: PATIENCE,
        ..Pace::default()
    });
    // In mid-stream, and while a unary answer is being made.
    for body in [streamed("x"), chat("x")] {
        simulator.clear_requests();
        let mut client = Client::connect(simulator.addr()).await;
        let sent = client.0.send_request(request(CHAT, body.to_string()));
        let sent = tokio::time::timeout(std::time::Duration::from_millis(50), sent).await;
        eventually("the request came", || simulator.active() == 1).await;
        drop((sent, client));
        eventually("the client is gone", || simulator.active() == 0).await;
        assert!(simulator.requests()[0].client_left());
    }
}

#[tokio::test]
async fn a_half_close_cancels_as_in_dynamo() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_before_headers());
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let body = chat("x").to_string();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    eventually("the request came", || simulator.active() == 1).await;
    stream.shutdown().await.unwrap();
    eventually("it is cancelled", || simulator.active() == 0).await;
    assert!(simulator.requests()[0].client_left());
}

#[tokio::test]
async fn draining_answers_503_everywhere_and_lets_streams_run() {
    let simulator = simulator().await;
    simulator.set_pace(Pace {
        ttft: std::time::Duration::from_millis(100),
        ..Pace::default()
    });
    let mut client = Client::connect(simulator.addr()).await;
    let running = client
        .0
        .send_request(request(CHAT, streamed("x").to_string()));
    let running = running.await.unwrap();
    simulator.drain();
    post(&simulator, CHAT, &chat("x"))
        .await
        .is_flat_error(503, "Service is not ready");
    for path in ["/live", "/health", "/v1/models", "/v1/models/math/ready"] {
        get(&simulator, path)
            .await
            .is_flat_error(503, "Service is not ready");
    }
    assert_eq!(collect(running).await.data().last(), Some(&"[DONE]"));
    simulator.restart().await.unwrap();
    assert_eq!(get(&simulator, "/live").await.status, 200);
}

#[tokio::test]
async fn stop_breaks_connections_and_restart_takes_the_same_port() {
    let simulator = simulator().await;
    let addr = simulator.addr();
    simulator.set_fault(Fault::hang_mid_stream(2).times(1));
    let mut client = Client::connect(addr).await;
    let response = client
        .0
        .send_request(request(CHAT, streamed("x").to_string()))
        .await;
    let mut body = response.unwrap().into_body();
    for _ in 0..2 {
        body.frame().await.unwrap().unwrap();
    }
    let idle = Client::connect(addr).await;
    eventually("both are accepted", || simulator.connections() == 2).await;
    simulator.stop().await;
    assert!(
        body.frame().await.unwrap().is_err(),
        "end of file without a terminator"
    );
    assert_eq!(simulator.requests()[0].outcome, Outcome::Broken);
    assert_eq!((simulator.connections(), simulator.active()), (0, 0));
    eventually("the idle connection is closed", || idle.0.is_closed()).await;
    TcpStream::connect(addr).await.unwrap_err();
    for _ in 0..3 {
        simulator.restart().await.unwrap();
        assert_eq!(simulator.addr(), addr);
        assert_eq!(post(&simulator, CHAT, &chat("x")).await.status, 200);
    }
    drop(simulator);
    eventually("dropping the handle stops it", || {
        std::net::TcpStream::connect(addr).is_err()
    })
    .await;
}

#[tokio::test]
async fn http2_streams_end_with_the_simulator_too() {
    let simulator = simulator().await;
    simulator.set_fault(Fault::hang_before_headers());
    let mut sender = h2(simulator.addr()).await;
    let mut asked = request(CHAT, chat("x").to_string());
    *asked.uri_mut() = format!("http://{}{CHAT}", simulator.addr())
        .parse()
        .unwrap();
    asked.headers_mut().remove("host");
    let asked = tokio::spawn(sender.send_request(asked));
    eventually("the request came", || simulator.active() == 1).await;
    simulator.stop().await;
    asked.await.unwrap().unwrap_err();
    assert_eq!(simulator.active(), 0);
    assert_eq!(simulator.requests()[0].outcome, Outcome::Broken);
}
