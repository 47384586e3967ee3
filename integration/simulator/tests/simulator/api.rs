//! What each route answers.

use serde_json::{Value, json};

use crate::client::*;

#[tokio::test]
async fn a_chat_answer_names_the_simulator_and_tells_what_came() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "n": 3, "reasoning_effort": "high",
        "chat_template_kwargs": {"enable_thinking": false},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "my secret"}]});
    let answer = post(&simulator, CHAT, &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "application/json");
    let answer = answer.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "math");
    assert_eq!(
        answer["choices"].as_array().unwrap().len(),
        1,
        "n is ignored"
    );
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(choice["message"]["role"], "assistant");
    let text = choice["message"]["content"].as_str().unwrap();
    assert!(
        text.starts_with(
            "[simulated by frontend-a] model=math, messages=2, system prompt=yes (9 bytes)"
        ),
        "{text}"
    );
    assert!(text.contains(r#"reasoning_effort:"high""#), "{text}");
    assert!(
        text.contains(r#"chat_template_kwargs:{"enable_thinking":false}"#),
        "{text}"
    );
    assert!(!text.contains("secret"), "the prompt is not repeated");
    assert_eq!(answer["usage"]["completion_tokens"], 16);
}

#[tokio::test]
async fn token_limits_are_obeyed() {
    let simulator = simulator().await;
    let ask = async |more: Value| {
        let mut body = chat("x");
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = post(&simulator, CHAT, &body).await.json();
        let tokens = answer["usage"]["completion_tokens"].as_u64().unwrap();
        (
            tokens,
            answer["choices"][0]["finish_reason"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    };
    assert_eq!(ask(json!({"max_tokens": 100})).await, (16, "stop".into()));
    assert_eq!(ask(json!({"max_tokens": 3})).await, (3, "length".into()));
    assert_eq!(
        ask(json!({"max_completion_tokens": 1})).await,
        (1, "length".into())
    );
    assert_eq!(
        ask(json!({"max_tokens": 100, "ignore_eos": true})).await,
        (100, "length".into())
    );
    assert_eq!(ask(json!({"min_tokens": 40})).await, (40, "stop".into()));
}

#[tokio::test]
async fn cached_tokens_count_whole_blocks_of_an_equal_prefix() {
    let simulator = simulator().await;
    let cached = async |body: &Value| {
        let answer = post(&simulator, CHAT, body).await.json();
        let usage = &answer["usage"];
        let cached = usage["prompt_tokens_details"]["cached_tokens"]
            .as_u64()
            .unwrap();
        assert!(cached <= usage["prompt_tokens"].as_u64().unwrap());
        assert_eq!(cached % 16, 0);
        cached
    };
    let long = "word ".repeat(100);
    assert_eq!(cached(&chat(&long)).await, 0);
    assert_eq!(cached(&chat(&long)).await, 112, "7 blocks of 64 bytes");
    assert_eq!(cached(&chat(&format!("{long}{long}"))).await, 112);
    assert_eq!(cached(&chat(&format!("x{long}"))).await, 0);
    let mut other = chat(&long);
    other["model"] = json!("org/general");
    assert_eq!(cached(&other).await, 0, "each model has its own cache");
}

#[tokio::test]
async fn completions_answer_every_prompt() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "prompt": ["a", "b"]});
    let answer = post(&simulator, "/v1/completions", &body).await.json();
    assert_eq!(answer["object"], "text_completion");
    assert_eq!(answer["choices"].as_array().unwrap().len(), 2);
    assert_eq!(answer["choices"][1]["index"], 1);
    assert!(
        answer["choices"][1]["text"]
            .as_str()
            .unwrap()
            .contains("simulated by frontend-a")
    );
}

#[tokio::test]
async fn embeddings_come_as_floats_and_as_base64() {
    let simulator = simulator().await;
    let mut body = json!({"model": "math", "input": ["a", "b"], "dimensions": 4});
    let answer = post(&simulator, "/v1/embeddings", &body).await.json();
    assert_eq!(answer["data"][1]["embedding"], json!([0.0, 1.0, 0.0, 0.0]));
    body["encoding_format"] = json!("base64");
    let answer = post(&simulator, "/v1/embeddings", &body).await.json();
    assert_eq!(answer["data"][0]["embedding"], "AACAPwAAAAAAAAAAAAAAAA==");
}

#[tokio::test]
async fn responses_and_messages_have_their_own_forms() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "input": "hello", "instructions": "Be brief."});
    let answer = post(&simulator, "/v1/responses", &body).await.json();
    assert_eq!(answer["object"], "response");
    assert_eq!(answer["status"], "completed");
    let text = answer["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("system prompt=yes"), "{text}");
    assert!(answer["usage"]["input_tokens_details"]["cached_tokens"].is_u64());

    let mut body = chat("hello");
    body["max_tokens"] = json!(5);
    body["system"] = json!([{"type": "text", "text": "Be brief."}]);
    let answer = post(&simulator, "/v1/messages", &body).await.json();
    assert_eq!(answer["type"], "message");
    assert_eq!(answer["stop_reason"], "max_tokens");
    assert_eq!(answer["usage"]["output_tokens"], 5);
    let text = answer["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("[simulated by frontend-a]"), "{text}");

    let answer = post(&simulator, "/v1/messages/count_tokens", &chat("12345678"))
        .await
        .json();
    assert_eq!(answer, json!({"input_tokens": 3}), "8 bytes and a boundary");
}

#[tokio::test]
async fn rerank_and_classify_answer_each_input() {
    let simulator = simulator().await;
    let body = json!({"model": "math", "query": "q", "documents": ["a", "b", "c"], "top_n": 2});
    let answer = post(&simulator, "/v1/rerank", &body).await.json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(
        answer["results"][1],
        json!({"index": 1, "relevance_score": 0.5})
    );
    let body = json!({"model": "math", "input": ["a", "b"]});
    let answer = post(&simulator, "/v1/classify", &body).await.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_required_tool_is_called() {
    let simulator = simulator().await;
    let mut body = chat("add");
    body["tools"] = json!([{"type": "function", "function": {"name": "add", "parameters": {}}}]);
    let text = post(&simulator, CHAT, &body).await.json();
    assert_eq!(
        text["choices"][0]["finish_reason"], "stop",
        "not unless required"
    );
    body["tool_choice"] = json!("required");
    let answer = post(&simulator, CHAT, &body).await.json();
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], Value::Null);
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(call["function"], json!({"name": "add", "arguments": "{}"}));

    body["stream"] = json!(true);
    let events = post(&simulator, CHAT, &body).await.events();
    let delta = &events[0]["choices"][0]["delta"];
    assert_eq!(delta["tool_calls"][0]["index"], 0);
    assert_eq!(delta["tool_calls"][0]["function"]["name"], "add");
    assert_eq!(
        events.last().unwrap()["choices"][0]["finish_reason"],
        "tool_calls"
    );

    let mut body = chat("add");
    body["tools"] = json!([{"name": "add", "input_schema": {}}]);
    body["tool_choice"] = json!({"type": "any"});
    let answer = post(&simulator, "/v1/messages", &body).await.json();
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(answer["content"][0]["name"], "add");
    let body = json!({"model": "math", "input": "x", "tool_choice": "required",
        "tools": [{"type": "function", "name": "add"}]});
    let answer = post(&simulator, "/v1/responses", &body).await.json();
    assert_eq!(answer["output"][0]["type"], "function_call");
}

#[tokio::test]
async fn probes_tell_models_and_readiness() {
    let simulator = simulator().await;
    assert_eq!(get(&simulator, "/health").await.json()["status"], "healthy");
    assert_eq!(get(&simulator, "/live").await.json()["status"], "live");
    let list = get(&simulator, "/v1/models").await.json();
    assert_eq!(list["data"][1]["id"], "org/general");
    assert_eq!(list["data"][1]["object"], "model");
    for path in [
        "/v1/models/org/general",
        "/v1/models/org%2Fgeneral",
        "/v1/models/math",
    ] {
        assert_eq!(get(&simulator, path).await.status, 200, "{path}");
    }
    assert_eq!(
        get(&simulator, "/v1/models/org/general/ready").await.json()["ready"],
        true
    );
    get(&simulator, "/v1/models/other")
        .await
        .is_flat_error(404, "Model not found");
    get(&simulator, "/v1/models/other/ready")
        .await
        .is_flat_error(404, "Model not found");

    assert!(simulator.set_ready("org/general", false));
    assert!(!simulator.set_ready("other", false));
    let answer = get(&simulator, "/v1/models/org/general/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["missing_worker_types"], json!(["decode"]));
    assert_eq!(get(&simulator, "/v1/models/math/ready").await.status, 200);
    let list = get(&simulator, "/v1/models").await.json();
    assert_eq!(
        list["data"].as_array().unwrap().len(),
        1,
        "only ready models"
    );
    let mut body = chat("x");
    body["model"] = json!("org/general");
    post(&simulator, CHAT, &body)
        .await
        .is_flat_error(503, "Model org/general is not ready");
    assert_eq!(post(&simulator, CHAT, &chat("x")).await.status, 200);

    let metrics = get(&simulator, "/metrics").await;
    assert!(
        metrics
            .text()
            .contains("dynamo_frontend_model_ready{model=\"org/general\"} 0\n")
    );
    assert!(
        metrics
            .text()
            .contains("dynamo_frontend_requests_total 2\n")
    );
}
