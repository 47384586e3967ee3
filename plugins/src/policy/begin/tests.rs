#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::signal::testing::policy;

fn begin(api: Api, body: &'static str) -> Result<Exchange, ApiError> {
    let policy = policy(json!({
        "models": [{"name": "m", "cluster": "main"}],
        "default_model": "m",
    }));
    let body = Bytes::from_static(body.as_bytes());
    policy.begin("id".into(), RequestHead::default(), api, body)
}

#[rstest]
#[case(Api::ChatCompletions, "{", "invalid_json", None)]
#[case(Api::ChatCompletions, "[]", "invalid_request", None)]
#[case(
    Api::ChatCompletions,
    r#"{"messages":[]}"#,
    "invalid_request",
    Some("model")
)]
#[case(
    Api::ChatCompletions,
    r#"{"model":"","messages":[]}"#,
    "invalid_request",
    Some("model")
)]
#[case(Api::Embeddings, r#"{"model":7}"#, "invalid_request", Some("model"))]
#[case(Api::Rerank, r#"{"model":null}"#, "invalid_request", Some("model"))]
#[case(
    Api::ChatCompletions,
    r#"{"model":"m"}"#,
    "invalid_request",
    Some("messages")
)]
#[case(
    Api::Completions,
    r#"{"model":"m","prompt":"a","stream":1}"#,
    "invalid_request",
    Some("stream")
)]
fn refused(
    #[case] api: Api,
    #[case] body: &'static str,
    #[case] code: &str,
    #[case] param: Option<&str>,
) {
    let error = begin(api, body).unwrap_err();
    assert_eq!(error.status.as_u16(), 400);
    assert_eq!(
        (&*error.code, error.param.as_deref()),
        (code, param),
        "{error:?}"
    );
}

#[test]
fn read() {
    let body =
        r#"{"model":"auto","prompt":"a","stream":true,"stream_options":{"include_usage":true}}"#;
    let exchange = begin(Api::Completions, body).unwrap();
    assert!(exchange.automatic && exchange.stream && exchange.usage_wanted);
    let body = r#"{"model":"m","prompt":"a","stream":null,"stream_options":null}"#;
    let exchange = begin(Api::Completions, body).unwrap();
    assert!(!exchange.automatic && !exchange.stream && !exchange.usage_wanted);
    assert_eq!(begin(Api::Rerank, "{}").unwrap().requested_model, "");
}
