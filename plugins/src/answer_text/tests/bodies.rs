//! Answers that are no streams.

use serde_json::json;

use super::*;

fn body(api: Api, outcome: VerdictOutcome, body: &str) -> (String, bool) {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let (out, stopped) = block_on(rewriter(api, outcome).body(bytes)).unwrap();
    (String::from_utf8(out.to_vec()).unwrap(), stopped)
}

#[test]
fn texts_of_all_apis_are_masked_in_place() {
    for (api, text) in [
        (
            Api::ChatCompletions,
            r#"{"id": "c", "choices":[{"index":0,"message":{"content":"a secret","reasoning_content":"secret","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{\"a\":\"secret\"}"}}]},"finish_reason":"stop"},{"index":1,"message":{"content":[{"type":"text","text":"secret"}],"refusal":"no secret"}}],"usage":{"prompt_tokens":1.0}}"#,
        ),
        (
            Api::Completions,
            r#"{"choices":[{"text":"secret "},{"text":" secret","logprobs":null}], "usage":{}}"#,
        ),
        (
            Api::Responses,
            r#"{"status":"completed","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"secret"}]},{"type":"message","content":[{"type":"output_text","text":"a secret","annotations":[]},{"type":"refusal","refusal":"secret"}]},{"type":"function_call","arguments":"{\"a\":\"secret\"}"}]}"#,
        ),
        (
            Api::Messages,
            r#"{"content":[{"type":"thinking","thinking":"secret"},{"type":"text","text":"a secret"},{"type":"tool_use","input":{"a":["secret"]}}],"stop_reason":"end_turn"}"#,
        ),
    ] {
        let (out, stopped) = body(api, VerdictOutcome::Masked, text);
        assert_eq!(
            (out.as_str(), stopped),
            (text.replace("secret", "[WORD]").as_str(), false)
        );
        let harmless = text.replace("secret", "public");
        assert_eq!(body(api, VerdictOutcome::Masked, &harmless).0, harmless);
    }
}

#[test]
fn a_stopped_chat_says_so_in_that_choice_and_keeps_its_usage() {
    let text = r#"{"choices":[{"index":0,"message":{"content":"It is the secret.","tool_calls":[{"function":{"arguments":"{\"a\":1}"}}]},"logprobs":{"content":[{"token":"secret"}]},"finish_reason":"stop"},{"index":1,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":9}}"#;
    let (out, stopped) = body(Api::ChatCompletions, VerdictOutcome::Blocked, text);
    assert!(stopped && !out.contains("secret"), "{out}");
    let out: Value = serde_json::from_str(&out).unwrap();
    let [first, second] = out["choices"].as_array().unwrap().as_slice() else {
        panic!("{out}");
    };
    assert_eq!(first["message"]["content"], "It is the ");
    assert_eq!(
        first["message"]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
    assert_eq!(
        (&first["finish_reason"], &first["logprobs"]),
        (&json!("content_filter"), &Value::Null)
    );
    assert_eq!(
        (&second["message"]["content"], &second["finish_reason"]),
        (&json!("Hi"), &json!("stop"))
    );
    assert_eq!(out["usage"]["completion_tokens"], 9);
}

#[test]
fn the_other_apis_say_it_in_their_way() {
    let text = r#"{"status":"completed","incomplete_details":null,"output":[{"type":"message","content":[{"type":"output_text","text":"a secret"}]},{"type":"message","content":[{"type":"output_text","text":"more"}]}],"usage":{"output_tokens":2}}"#;
    let (out, _) = body(Api::Responses, VerdictOutcome::Blocked, text);
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&out["status"], &out["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("content_filter"))
    );
    assert_eq!(out["output"][0]["content"][0]["text"], "a ");
    assert_eq!(out["output"][1]["content"][0]["text"], "");

    let text = r#"{"content":[{"type":"tool_use","input":{"a":"secret"}},{"type":"text","text":"x"}],"stop_reason":"end_turn"}"#;
    let (out, _) = body(Api::Messages, VerdictOutcome::Blocked, text);
    assert_eq!(
        out,
        r#"{"content":[{"type":"tool_use","input":{}},{"type":"text","text":""}],"stop_reason":"refusal"}"#
    );
}

#[test]
fn a_body_that_is_no_json_is_an_error() {
    let rewritten =
        block_on(rewriter(Api::Messages, VerdictOutcome::Masked).body(Bytes::from_static(b"oops")));
    assert!(matches!(rewritten, Err(RewriteError::Unreadable(_))));
}
