//! CONTRACT section 7: the client's bytes with only the edited ranges changed.

use commutator_integration::client::{CHAT, Client};
use rstest::rstest;

use crate::support::Stage;

/// Sends `body` and returns what reached the frontend (which may refuse it: its taste is not the point).
async fn upstream(stage: &Stage, path: &str, body: &str) -> String {
    stage.frontend().clear_requests();
    let mut client = Client::h1(stage.gateway.addr()).await;
    let answer = client.post_bytes(path, body.to_owned()).await;
    let records = stage.frontend().requests();
    assert_eq!(records.len(), 1, "{} {}", answer.status, answer.text());
    String::from_utf8(records[0].body.to_vec()).unwrap()
}

#[tokio::test]
async fn bytes_are_kept() {
    let stage = Stage::plain().await;
    for body in [
        // Unknown fields, and keys in an odd order.
        r#"{"zzz":{"b":1,"a":[]},"messages":[{"content":"x","role":"user","name":"n"}],"model":"general","aaa":null}"#,
        // Spellings of numbers.
        r#"{"model":"general","temperature":1.50e2,"top_p":1E-2,"seed":123456789012345678901234567890,"x":-0.0,"y":1.0,"messages":[{"role":"user","content":"x"}]}"#,
        // Escapes, needless ones too, and surrogate pairs.
        r#"{"model":"general","messages":[{"role":"user","content":"\u0041\/\u00e9\ud83d\ude00 \"é😀\" \b\f"}],"\u0061\/":"\u0062"}"#,
        // White space.
        "\r\n { \"model\" :\t\"general\" ,\n\n \"messages\" : [ { \"role\":\"user\" , \"content\" : \"x\" } ] } \n ",
        // Empty things.
        r#"{"model":"general","messages":[{"role":"user","content":[]}],"":{},"metadata":{"":""}}"#,
    ] {
        let got = upstream(&stage, CHAT, body).await;
        assert_eq!(got, body);
    }
}

#[rstest]
#[case::plain(
    r#"{ "model" : "math" , "x":1.50e2,"#,
    r#"{ "model" : "org/math-8b" , "x":1.50e2,"#
)]
#[case::an_escaped_key(r#"{"mod\u0065l":"math","#, r#"{"mod\u0065l":"org/math-8b","#)]
#[case::an_escaped_value(r#"{"model":"m\u0061th","#, r#"{"model":"org/math-8b","#)]
#[case::an_alias(r#"{"model":"maths\/v1","#, r#"{"model":"org/math-8b","#)]
#[case::automatic(r#"{"model":"auto","#, r#"{"model":"general","#)]
#[case::the_frontends_own_name(r#"{"model":"org\/math-8b","#, r#"{"model":"org\/math-8b","#)]
#[tokio::test]
async fn only_the_models_name_changes(#[case] sent: &str, #[case] expected: &str) {
    let stage = Stage::plain().await;
    let rest =
        r#""unknown":[1e5, "model"], "messages":[{"role":"user","content":"\u0041 model math"}]}"#;
    let got = upstream(&stage, CHAT, &format!("{sent}{rest}")).await;
    assert_eq!(got, format!("{expected}{rest}"));
}

#[tokio::test]
async fn a_stream_is_asked_for_its_usage() {
    let stage = Stage::plain().await;
    let rest = r#""messages":[{"role":"user","content":"x"}]}"#;
    for (sent, expected) in [
        (
            r#"{"model":"general","stream":true,"#,
            r#"{"stream_options":{"include_usage":true},"model":"general","stream":true,"#,
        ),
        (
            r#"{"model":"general","stream":true,"stream_options":null,"#,
            r#"{"model":"general","stream":true,"stream_options":{"include_usage":true},"#,
        ),
        (
            r#"{"model":"general","stream":true,"stream_options":{"include_usage": true },"#,
            r#"{"model":"general","stream":true,"stream_options":{"include_usage": true },"#,
        ),
        (
            r#"{"model":"general","stream":false,"#,
            r#"{"model":"general","stream":false,"#,
        ),
    ] {
        let got = upstream(&stage, CHAT, &format!("{sent}{rest}")).await;
        assert_eq!(got, format!("{expected}{rest}"));
    }
}

#[tokio::test]
async fn steering_is_cut_out_and_nothing_else() {
    let stage = Stage::plain().await;
    let rest = r#""messages":[{"role":"user","content":"\"nvext\":1"}]"#;
    for (sent, expected) in [
        (
            format!(r#"{{"nvext":{{"a":[1,{{}}]}},"model":"general",{rest}}}"#),
            format!(r#"{{"model":"general",{rest}}}"#),
        ),
        (
            format!(r#"{{"model":"general",{rest},"nvext":1}}"#),
            format!(r#"{{"model":"general",{rest}}}"#),
        ),
        (
            format!(r#"{{"model":"general","nv\u0065xt":"x",{rest}}}"#),
            format!(r#"{{"model":"general",{rest}}}"#),
        ),
    ] {
        assert_eq!(upstream(&stage, CHAT, &sent).await, expected);
    }
}

#[rstest]
#[case(r#"{"model":"math","model":"general","#)]
#[case(r#"{"model":"math","mod\u0065l":"general","#)]
#[case(r#"{"model":"math","x":{"a":1,"a":2},"#)]
#[case(r#"{"model":"math","x":"\ud800","#)]
#[case(r#"{"model":"math","x":01,"#)]
#[case(r#"{"model":"math","x":NaN,"#)]
#[case("{\"model\":\"math\",\"x\":\"\n\",")]
#[tokio::test]
async fn what_two_parsers_may_read_differently_is_refused(#[case] start: &str) {
    let stage = Stage::plain().await;
    let mut client = Client::h1(stage.gateway.addr()).await;
    let body = format!(r#"{start}"messages":[{{"role":"user","content":"x"}}]}}"#);
    let answer = client.post_bytes(CHAT, body).await;
    answer.is_error(400, "invalid_json");
    assert_eq!(stage.arrived(), 0);
}

#[tokio::test]
async fn other_apis_pass_through() {
    let stage = Stage::plain().await;
    for (path, body) in [
        (
            "/v1/completions",
            r#"{"model":"general", "prompt":"x", "echo":true }"#,
        ),
        (
            "/v1/completions",
            r#"{"model":"general", "prompt":[[1,2],[3]] }"#,
        ),
        (
            "/v1/embeddings",
            r#"{"model":"general", "input":["a","b"] }"#,
        ),
        ("/v1/responses", r#"{"model":"general", "input":"x" }"#),
        (
            "/v1/messages",
            r#"{"model":"general","max_tokens":5,"system":"s","messages":[{"role":"user","content":"x"}] }"#,
        ),
        (
            "/v1/messages/count_tokens",
            r#"{"model":"general","messages":[{"role":"user","content":"x"}] }"#,
        ),
        (
            "/v1/rerank",
            r#"{"model":"general","query":"x","documents":["a"] }"#,
        ),
        ("/v1/classify", r#"{"model":"general","input":"x" }"#),
    ] {
        assert_eq!(upstream(&stage, path, body).await, body, "{path}");
    }
}
