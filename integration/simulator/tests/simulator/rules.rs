//! What is refused, and how.

use bytes::Bytes;
use commutator_simulator::{Simulator, SimulatorConfig};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::*;

#[tokio::test]
async fn bad_requests_get_flat_errors_and_the_connection_lives_on() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.addr()).await;
    let cases = [
        (
            json!({"messages": [{"role": "user", "content": "x"}]}),
            400,
            "`model`",
        ),
        (json!({"model": "math"}), 400, "`messages`"),
        (json!({"model": "math", "messages": []}), 400, "empty"),
        (
            json!({"model": "other", "messages": [{"role": "user", "content": "x"}]}),
            404,
            "Model not found",
        ),
        (
            json!({"model": "math", "messages": [{"role": "user", "content": "x"}], "priority": 1}),
            400,
            "Unsupported parameter(s): `priority`",
        ),
        (
            json!({"model": "math", "messages": [{"role": "user", "content": "x"}], "nvext": {"a": 1}}),
            400,
            "Unsupported parameter(s): `nvext.a`",
        ),
        (
            json!({"model": "math", "messages": [{"role": "user", "content": "x"}],
            "stream_options": {"include_usage": true}}),
            400,
            "stream_options",
        ),
    ];
    for (body, status, part) in cases {
        client.post(CHAT, &body).await.is_flat_error(status, part);
    }
    let answer = client.send(request(CHAT, "{nonsense")).await.unwrap();
    answer.is_flat_error(400, "JSON");
    assert_eq!(client.post(CHAT, &chat("x")).await.status, 200);
    assert_eq!(simulator.accepted(), 1);
}

#[tokio::test]
async fn unknown_fields_pass_where_the_frontend_is_lenient() {
    let config = SimulatorConfig {
        strict: false,
        ..config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let mut body = chat("x");
    body["priority"] = json!(1);
    assert_eq!(post(&simulator, CHAT, &body).await.status, 200);
}

#[tokio::test]
async fn the_content_type_must_be_json() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.addr()).await;
    let with = |kind: Option<&str>| {
        let mut request = request(CHAT, chat("x").to_string());
        request.headers_mut().remove("content-type");
        if let Some(kind) = kind {
            request
                .headers_mut()
                .insert("content-type", kind.parse().unwrap());
        }
        request
    };
    for kind in [None, Some("text/plain")] {
        client
            .send(with(kind))
            .await
            .unwrap()
            .is_flat_error(415, "application/json");
    }
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/ld+json",
    ] {
        assert_eq!(
            client.send(with(Some(kind))).await.unwrap().status,
            200,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn without_any_worker_the_routes_are_gone() {
    let config = SimulatorConfig {
        models: Vec::new(),
        ..config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let answer = post(&simulator, CHAT, &chat("x")).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.is_empty());
    assert!(!answer.headers.contains_key("content-type"));
    assert_eq!(get(&simulator, "/health").await.status, 200);
    assert_eq!(
        get(&simulator, "/v1/models").await.json()["data"],
        json!([])
    );
    simulator.set_models(&["math"]);
    assert_eq!(post(&simulator, CHAT, &chat("x")).await.status, 200);
}

#[tokio::test]
async fn other_paths_and_methods_do_not_exist() {
    let simulator = simulator().await;
    assert_eq!(
        post(&simulator, "/v1/nothing", &chat("x")).await.status,
        404
    );
    assert_eq!(get(&simulator, "/nothing").await.status, 404);
    let answer = get(&simulator, CHAT).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test]
async fn a_body_may_be_45_mib_and_no_more() {
    let simulator = simulator().await;
    let limit = SimulatorConfig::default().body_limit;
    let body = |length: usize| {
        let mut body = chat("").to_string().into_bytes();
        body.resize(length, b' ');
        request(CHAT, body)
    };
    let mut client = Client::connect(simulator.addr()).await;
    let answer = client.send(body(limit)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(simulator.requests()[0].body.len(), limit);

    // By its declared length, before any of it is sent.
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        limit + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_chunked_body_is_counted_as_it_comes() {
    let config = SimulatorConfig {
        body_limit: 1000,
        ..config()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let mut stream = TcpStream::connect(simulator.addr()).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("258\r\n{}\r\n", " ".repeat(600));
    stream.write_all(chunk.as_bytes()).await.unwrap();
    stream.write_all(chunk.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_hundred_headers_are_too_many() {
    let simulator = simulator().await;
    let with = |count: usize| {
        let mut request = request(CHAT, chat("x").to_string());
        // Content length comes on top.
        for index in request.headers().len() + 1..count {
            let name: http::HeaderName = format!("x-filler-{index}").parse().unwrap();
            request.headers_mut().insert(name, "x".parse().unwrap());
        }
        request
    };
    for (count, status) in [(99, 200), (100, 431), (150, 431)] {
        let mut client = Client::connect(simulator.addr()).await;
        let answer = client.send(with(count)).await.unwrap();
        assert_eq!(answer.status, status, "{count} headers");
    }
    let mut large = request(CHAT, chat("x").to_string());
    let value = "x".repeat(200_000).parse().unwrap();
    large.headers_mut().insert("x-large", value);
    let mut client = Client::connect(simulator.addr()).await;
    assert_eq!(
        client.send(large).await.unwrap().status,
        200,
        "one large header is fine"
    );
}

#[tokio::test]
async fn the_request_id_is_echoed() {
    let simulator = simulator().await;
    let mut client = Client::connect(simulator.addr()).await;
    let answer = client.post(CHAT, &chat("x")).await;
    assert!(!answer.headers.contains_key("x-request-id"));
    for body in [chat("x"), streamed("x"), json!({})] {
        let mut request = request(CHAT, body.to_string());
        request
            .headers_mut()
            .insert("x-request-id", "abc".parse().unwrap());
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.headers["x-request-id"], "abc");
    }
}

#[tokio::test]
async fn http2_is_served_on_the_same_port() {
    let simulator = simulator().await;
    let mut sender = h2(simulator.addr()).await;
    let request = |body: String| {
        Request::post(format!("http://{}{CHAT}", simulator.addr()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    };
    let (one, two) = tokio::join!(
        sender.clone().send_request(request(chat("x").to_string())),
        sender.send_request(request(streamed("x").to_string())),
    );
    assert_eq!(collect(one.unwrap()).await.json()["model"], "math");
    assert_eq!(collect(two.unwrap()).await.data().last(), Some(&"[DONE]"));
    assert_eq!(simulator.accepted(), 1);
    assert_eq!(simulator.requests()[0].version, http::Version::HTTP_2);
}
