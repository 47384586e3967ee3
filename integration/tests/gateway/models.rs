//! The pages that clients read, and what the gateway says about itself to them.

use commutator_integration::client::Client;
use serde_json::Value;

use crate::support::Stage;

#[tokio::test]
async fn models_are_listed_with_the_automatic_ones_first() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.get("/v1/models").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["object"], "list");
    let data = body["data"].as_array().unwrap();
    let ids: Vec<_> = data.iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["MoM", "auto", "math", "general"]);
    for model in data {
        assert_eq!(model["object"], "model", "{model}");
        assert_eq!(model["ready"], true, "{model}");
        assert!(model["created"].is_u64(), "{model}");
        let owner = match model["automatic"] == true {
            true => "commutator",
            false => "nvidia",
        };
        assert_eq!(model["owned_by"], owner, "{model}");
    }
}

#[tokio::test]
async fn one_model_by_any_of_its_names() {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    for (path, id) in [
        ("math", "math"),
        ("auto", "auto"),
        ("org/math-8b", "math"),
        ("org%2Fmath-8b", "math"),
        ("maths%2fv1", "math"),
        ("%67eneral", "general"),
    ] {
        let answer = client.get(&format!("/v1/models/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.json()["id"], id, "{path}");
    }
    for path in ["nobody", "math/", "%ff", ""] {
        let answer = client.get(&format!("/v1/models/{path}")).await;
        answer.is_error(404, "model_not_found");
    }
}

#[tokio::test]
async fn readiness_of_a_model_is_the_frontends() {
    let stage = Stage::cluster(1, "readiness: {interval: 50ms}").await;
    stage.frontend().set_ready("general", false);
    let mut ready = Value::Bool(true);
    for _ in 0..500 {
        let mut client = Client::h1(stage.gateway.addr()).await;
        ready = client.get("/v1/models/general").await.json()["ready"].clone();
        if ready == false {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ready, false);
    let mut client = Client::h1(stage.gateway.addr()).await;
    assert_eq!(client.get("/v1/models/math").await.json()["ready"], true);
    // The gateway can still serve the other one.
    assert_eq!(client.get("/health").await.status, 200);
}

#[tokio::test]
async fn health_and_live() {
    let stage = Stage::plain().await;
    for mut client in [
        Client::h1(stage.gateway.addr()).await,
        Client::h2c(stage.gateway.addr()).await,
    ] {
        for path in ["/health", "/live", "/health?verbose=1"] {
            let answer = client.get(path).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.json()["status"], "ok");
        }
    }
}
