//! The operator's listener.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use commutator_integration::client::{CHAT, Client, Raw, chat, full};
use commutator_integration::gateway::{Gateway, GatewayOptions};
use commutator_integration::wait::{eventually, find};
use commutator_simulator::Pace;
use http::Request;
use serde_json::json;

use crate::support::{Stage, policy, simulators};

#[tokio::test]
async fn pages_and_methods() {
    let stage = Stage::plain().await;
    let admin = |method, path| stage.gateway.admin(method, path, "");
    for path in ["/livez", "/readyz"] {
        let answer = admin("GET", path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "ok\n"));
        assert_eq!(admin("HEAD", path).await.status, 200);
    }
    let metrics = admin("GET", "/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    assert!(
        metrics
            .text()
            .contains("# TYPE commutator_requests_in_flight gauge")
    );
    let status = admin("GET", "/status").await.json();
    assert_eq!(status["policy"]["revision"], 1);
    assert_eq!(status["draining"], false);
    let endpoint = &status["clusters"][0]["endpoints"][0];
    assert_eq!(endpoint["addr"], stage.frontend().addr().to_string());
    assert_eq!(endpoint["state"], "ready");
    for (method, path, status) in [
        ("POST", "/status", 405),
        ("GET", "/reload", 405),
        ("GET", "/explain", 405),
        ("GET", "/nothing", 404),
        ("POST", CHAT, 404),
        ("GET", "/v1/models", 404),
    ] {
        assert_eq!(admin(method, path).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    client.post(CHAT, &chat("hello")).await;
    client.post_bytes(CHAT, "{").await;
    client.get("/unknown").await;
    let labels = [
        ("api", "chat_completions"),
        ("model", "math"),
        ("path", "upstream"),
        ("status", "200"),
    ];
    let gateway = &stage.gateway;
    gateway.metric_reaches("requests_total", &labels, 1.0).await;
    gateway
        .metric_reaches("requests_total", &[("path", "error")], 2.0)
        .await;
    let metrics = gateway.metrics().await;
    for code in ["invalid_json", "not_found"] {
        assert_eq!(
            metrics.sum("errors_total", &[("code", code)]),
            1.0,
            "{code}"
        );
    }
    assert_eq!(
        metrics.sum("upstream_attempts_total", &[("outcome", "ok")]),
        1.0
    );
    gateway.idle().await;
}

#[tokio::test]
async fn the_policy_page_masks_secrets_and_reload_swaps() {
    let stage = Stage::plain().await;
    let before = stage.gateway.admin("GET", "/policy", "").await.json();
    assert_eq!(before["revision"], 1);
    assert_eq!(before["policy"]["default_model"], "general");
    assert_eq!(before["last_reload"]["trigger"], "start");

    let mut client = Client::h1(stage.gateway.addr()).await;
    assert_eq!(
        client.post(CHAT, &chat("forbidden")).await.json()["model"],
        "org/math-8b"
    );
    let new = policy(&stage.frontends)
        .top(crate::support::REFUSING)
        .yaml();
    let report = stage.gateway.reload(new).await;
    assert_eq!(report.status, 200, "{}", report.text());
    assert_eq!(report.json()["revision"], 2);
    // On the connection that was there before.
    let answer = client.post(CHAT, &chat("forbidden")).await;
    assert_eq!(answer.header("x-vsr-response-path"), "fast_response");

    // A bad file changes nothing and says where it is wrong.
    let bad = policy(&stage.frontends).top("decsions: []").yaml();
    let report = stage.gateway.reload(bad).await;
    assert_eq!(report.status, 422);
    let error = report.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("decsions") && error.contains("decisions"),
        "{error}"
    );
    let answer = client.post(CHAT, &chat("forbidden")).await;
    assert_eq!(answer.header("x-vsr-response-path"), "fast_response");
    let page = stage.gateway.admin("GET", "/policy", "").await.json();
    assert_eq!(page["revision"], 2);
    assert_eq!(page["last_reload"]["ok"], false);
    let metrics = stage.gateway.metrics().await;
    let failed = [("trigger", "admin"), ("result", "error")];
    // The watcher may have seen the same file.
    assert_eq!(metrics.sum("reloads_total", &failed), 1.0);
    assert_eq!(metrics.sum("policy_revision", &[]), 2.0);
}

#[tokio::test]
async fn sighup_and_a_changed_file_reload() {
    let stage = Stage::bootstrap("reload: {watch: true, settle: 50ms}").await;
    let path = stage.gateway.directory().join("policy.yaml");
    std::fs::write(
        &path,
        policy(&stage.frontends).top("headers: minimal").yaml(),
    )
    .unwrap();
    let gateway = &stage.gateway;
    let ok = |trigger| [("trigger", trigger), ("result", "ok")];
    gateway
        .metric_reaches("reloads_total", &ok("file"), 1.0)
        .await;
    gateway.signal(libc::SIGHUP);
    gateway
        .metric_reaches("reloads_total", &ok("sighup"), 1.0)
        .await;
    let page = gateway.admin("GET", "/policy", "").await.json();
    assert_eq!(page["policy"]["headers"], "minimal");
    assert_eq!(page["revision"], 3);
}

#[tokio::test]
async fn explain_traces_and_sends_nothing() {
    let stage = Stage::top(crate::support::REFUSING).await;
    let body = chat("forbidden").to_string();
    let answer = stage.gateway.admin("POST", "/explain", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("refuse"), "{}", answer.text());
    let answer = stage.gateway.admin("POST", "/explain", "{").await;
    answer.is_error(400, "invalid_json");
    let answer = stage
        .gateway
        .admin(
            "POST",
            "/explain",
            r#"{"model":"nobody","messages":[{"role":"user","content":"x"}]}"#,
        )
        .await;
    answer.is_error(404, "model_not_found");
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn an_operator_takes_a_frontend_out() {
    let stage = Stage::cluster(2, "").await;
    let drained = &stage.frontends[0];
    let path = |verb: &str| format!("/{verb}?cluster=dynamo&endpoint={}", drained.addr());
    let answer = stage.gateway.admin("POST", &path("drain"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut client = Client::h1(stage.gateway.addr()).await;
    for _ in 0..20 {
        assert_eq!(client.post(CHAT, &chat("hello")).await.status, 200);
    }
    assert_eq!(drained.total(), 0);
    assert_eq!(
        stage
            .gateway
            .admin("POST", &path("undrain"), "")
            .await
            .status,
        200
    );
    find("it is used again", || async {
        let mut client = Client::h1(stage.gateway.addr()).await;
        client.post(CHAT, &chat("hello")).await;
        (drained.total() > 0).then_some(())
    })
    .await;
    for query in [
        "",
        "?cluster=x&endpoint=1.2.3.4:5",
        "?cluster=dynamo&endpoint=x",
    ] {
        let answer = stage
            .gateway
            .admin("POST", &format!("/drain{query}"), "")
            .await;
        assert!(answer.status.is_client_error(), "{query}");
    }
}

const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[tokio::test]
async fn a_public_admin_address_needs_a_token() {
    let frontends = simulators(1).await;
    let options = GatewayOptions {
        admin_ip: ANYWHERE,
        ..GatewayOptions::default()
    };
    let ended = Gateway::refuse(policy(&frontends).yaml(), options)
        .await
        .unwrap();
    assert_eq!(ended.status.code(), Some(78), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("a token is needed"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_token_guards_all_but_the_probes() {
    let options = GatewayOptions {
        admin_ip: ANYWHERE,
        admin_token: Some("s3cret-token".into()),
        ..GatewayOptions::default()
    };
    let stage = Stage::with(1, |policy| policy, options).await;
    // The harness sends it.
    assert_eq!(stage.gateway.admin("GET", "/status", "").await.status, 200);
    for (authorization, allowed) in [
        (None, false),
        (Some("Bearer wrong"), false),
        (Some("Bearer s3cret-toke"), false),
        (Some("Bearer s3cret-token2"), false),
        (Some("Basic s3cret-token"), false),
        (Some("Bearer "), false),
        (Some("Bearer s3cret-token"), true),
    ] {
        for (method, path, open) in [
            ("GET", "/metrics", true),
            ("GET", "/livez", true),
            ("GET", "/readyz", true),
            ("GET", "/status", false),
            ("GET", "/policy", false),
            ("POST", "/explain", false),
            ("GET", "/nothing", false),
        ] {
            let mut client = Client::h1(stage.gateway.admin_addr()).await;
            let mut request = Request::builder().method(method).uri(path);
            request = request.header("host", "admin");
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let request = request.body(full(chat("x").to_string())).unwrap();
            let answer = client.send(request).await.unwrap();
            let refused = answer.status == 401;
            assert_eq!(refused, !(allowed || open), "{authorization:?} {path}");
        }
    }
    let page = stage.gateway.admin("GET", "/policy", "").await;
    assert!(!page.text().contains("s3cret"));
}

#[tokio::test]
async fn a_policy_with_mistakes_keeps_it_from_starting() {
    let frontends = simulators(1).await;
    let mistaken = policy(&frontends).top("default_modl: x").yaml();
    let ended = Gateway::refuse(mistaken, GatewayOptions::default())
        .await
        .unwrap();
    assert_eq!(ended.status.code(), Some(78));
    assert!(ended.stderr.contains("default_modl"), "{}", ended.stderr);
    assert!(ended.stderr.contains("policy.yaml:"), "{}", ended.stderr);
}

#[tokio::test]
async fn sigterm_lets_streams_end_and_refuses_new_ones() {
    let mut stage = Stage::plain().await;
    stage.frontend().set_pace(Pace {
        inter_token: Duration::from_millis(30),
        tokens: 30,
        ..Pace::default()
    });
    let mut running = Raw::connect(stage.gateway.addr()).await;
    let mut body = chat("hello");
    body["stream"] = json!(true);
    running.post(CHAT, "", &body.to_string()).await;
    running.until("data: ").await;
    stage.gateway.signal(libc::SIGTERM);
    eventually("it listens no more", || {
        std::net::TcpStream::connect(stage.gateway.addr()).is_err()
    })
    .await;
    let rest = running.rest().await;
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("data: [DONE]"), "{rest}");
    let status = stage.gateway.wait_exit().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(stage.gateway.access_log().len(), 1);
}

#[tokio::test]
async fn clients_cannot_make_new_series() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let mut counts = Vec::new();
    for round in 0..3 {
        for index in 0..10 {
            let name = format!("nobody-{round}-{index}");
            let mut body = chat("hello");
            body["model"] = json!(name);
            client
                .post(CHAT, &body)
                .await
                .is_error(404, "model_not_found");
            client.post(&format!("/v1/{name}"), &body).await;
            client.get(&format!("/{name}")).await;
        }
        let total = f64::from(round + 1) * 30.0;
        let gateway = &stage.gateway;
        gateway.metric_reaches("requests_total", &[], total).await;
        let metrics = gateway.metrics().await;
        assert!(!metrics.text().contains("nobody"));
        counts.push(metrics.text().lines().count());
    }
    assert_eq!(counts[1], counts[2]);
}

#[tokio::test]
async fn long_names_are_not_repeated_whole() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let mut body = chat("hello");
    body["model"] = json!("m".repeat(100_000));
    let answer = client.post(CHAT, &body).await;
    answer.is_error(404, "model_not_found");
    assert!(answer.body.len() < 1024);
    let long = format!("/v1/{}?{}", "p".repeat(50_000), "q".repeat(10_000));
    let unknown = client.post(&long, &chat("hello")).await;
    for answer in [answer, unknown] {
        let id = answer.header("x-request-id").to_owned();
        let line = stage.gateway.access_line(&id).await;
        assert!(line.to_string().len() < 2048, "{line}");
    }
}
