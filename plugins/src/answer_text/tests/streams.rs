//! What exactly a client gets, event by event.

use super::*;

fn chat(delta: &str) -> String {
    chunk(&format!(
        r#"[{{"index":0,"delta":{delta},"finish_reason":null}}]"#
    ))
}

fn chunk(choices: &str) -> String {
    format!("data: {{\"id\":\"c-1\", \"choices\":{choices},\"model\":\"m\",\"x\":1.50}}\n\n")
}

fn masked(stream: &str) -> String {
    run(
        &mut rewriter(Api::ChatCompletions, VerdictOutcome::Masked),
        stream.as_bytes(),
        7,
    )
    .0
}

#[test]
fn a_word_in_two_events_is_masked_and_all_other_bytes_stay() {
    let stream = chat(r#"{"role":"assistant","content":"the sec"}"#)
        + &chat(r#"{"content":"ret is out, as it always was"}"#)
        + &chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#)
        + "data: [DONE]\n\n";
    // Twelve bytes wait: eight for the longest match, four for the border of a word.
    let expected = chat(r#"{"role":"assistant","content":""}"#)
        + &chat(r#"{"content":"the [WORD] is out, as it a"}"#)
        + &chunk(
            r#"[{"index":0,"delta":{"content":"lways was"},"finish_reason":null,"logprobs":null}]"#,
        )
        + &chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#)
        + "data: [DONE]\n\n";
    let out = masked(&stream);
    assert_eq!(out.replace("lways was", "X").len() + 8, out.len());
    let said = super::said::read(Api::ChatCompletions, &out);
    assert_eq!(
        said[&(0, "content".to_owned())],
        "the [WORD] is out, as it always was"
    );
    let (ours, theirs): (Vec<_>, Vec<_>) = (events(&out), events(&expected));
    assert_eq!(ours.len(), theirs.len());
    assert!(out.contains("\"model\":\"m\",\"x\":1.50}"), "{out}");
    assert!(
        out.contains(r#"{"role":"assistant","content":""}"#),
        "{out}"
    );
    assert!(out.ends_with(&expected[expected.len() - 110..]), "{out}");
}

#[test]
fn what_is_held_comes_before_the_end_whatever_ends_it() {
    let said = chat(r#"{"content":"short"}"#);
    let finish = chunk(r#"[{"index":0,"delta":{},"finish_reason":"stop"}]"#);
    let both = chunk(r#"[{"index":0,"delta":{"content":" text"},"finish_reason":"stop"}]"#);
    let error = "data: {\"error\":{\"message\":\"gone\"}}\n\n".to_owned();
    for (ending, text) in [
        (finish, "short"),
        (both, "short text"),
        ("data: [DONE]\n\n".to_owned(), "short"),
        (error, "short"),
        (String::new(), "short"),
    ] {
        let out = masked(&(said.clone() + &ending));
        let read = super::said::read(Api::ChatCompletions, &out);
        assert_eq!(read[&(0, "content".to_owned())], text);
        assert!(
            ending.is_empty()
                || out.rfind("short").unwrap() < out.rfind(&ending[..8]).unwrap() + 90
        );
        let last = events(&out).pop().unwrap().1;
        let expected = events(&(said.clone() + &ending)).pop().unwrap().1;
        if !ending.is_empty() && text == "short" {
            assert_eq!(last, expected);
        }
    }
}

#[test]
fn reasoning_ends_where_the_content_begins() {
    let stream = chat(r#"{"reasoning_content":"hm, a secret"}"#)
        + &chat(r#"{"content":"Hello"}"#)
        + "data: [DONE]\n\n";
    let out = masked(&stream);
    let at = |text: &str| {
        out.find(text)
            .unwrap_or_else(|| panic!("no {text} in {out}"))
    };
    assert!(at("[WORD]") < at(r#"{"content":""}"#));
    assert!(at(r#"{"content":""}"#) < at("Hello"));
}

#[test]
fn log_probabilities_of_a_changed_text_are_gone() {
    let one = |text: &str| {
        chunk(&format!(
            r#"[{{"index":0,"delta":{{"content":{text:?}}},"logprobs":{{"content":[{{"token":{text:?}}}]}},"finish_reason":null}}]"#
        ))
    };
    let stream = one("the secret") + "data: [DONE]\n\n";
    let out = masked(&stream);
    assert!(!out.contains("secret") && !out.contains("token"), "{out}");
    assert_eq!(events(&out)[0].1["choices"][0]["logprobs"], Value::Null);
    let kept = run(&mut idle(Api::ChatCompletions), stream.as_bytes(), 9).0;
    assert_eq!(kept, stream);
}

#[test]
fn arguments_of_tools_stay_json() {
    let call = |arguments: &str| {
        let arguments = serde_json::to_string(arguments).unwrap();
        chat(&format!(
            r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":{arguments}}}}}]}}"#
        ))
    };
    let stream = call("{\"to\":\"my\\nsec\\u00")
        + &call("72et\",\"id\":\"\\u0045-12")
        + &call("3456\"}")
        + "data: [DONE]\n\n";
    let out = masked(&stream);
    let said = super::said::read(Api::ChatCompletions, &out);
    let arguments: Value = serde_json::from_str(&said[&(0, "tool".to_owned())]).unwrap();
    assert_eq!(
        arguments,
        serde_json::json!({"to": "my\n[WORD]", "id": "[ID]"})
    );
}

#[test]
fn a_repetition_that_says_something_else_is_filtered_too() {
    let stream = "event: response.output_text.done\ndata: {\"type\":\"response.output_text.done\",\"output_index\":0,\
                  \"content_index\":0,\"text\":\"a secret\"}\n\n";
    let mut rewriter = rewriter(Api::Responses, VerdictOutcome::Masked);
    let (out, _) = run(&mut rewriter, stream.as_bytes(), 1000);
    assert_eq!(out, stream.replace("secret", "[WORD]"));
}

#[test]
fn what_is_no_json_is_an_error_and_changes_nothing() {
    let mut rewriter = rewriter(Api::ChatCompletions, VerdictOutcome::Masked);
    let bad = Bytes::from_static(b"data: {\"choices\":\n\n");
    let error = block_on(rewriter.event(bad)).unwrap_err();
    assert!(matches!(error, RewriteError::Unreadable(_)));
    let (out, _) = run(
        &mut rewriter,
        chat(r#"{"content":"a secret"}"#).as_bytes(),
        50,
    );
    assert!(out.contains("a [WORD]"), "{out}");
}

#[test]
fn what_follows_an_event_in_halves_is_an_event_of_its_own() {
    let cut = chat(r#"{"content":"It was"}"#);
    let out = masked(cut.trim_end());
    let said = super::said::read(Api::ChatCompletions, &out);
    assert_eq!(said[&(0, "content".to_owned())], "It was");
    let long = chat(r#"{"content":"a secret, and a lot that comes behind it, and more"}"#);
    let mut stops = rewriter(Api::ChatCompletions, VerdictOutcome::Blocked);
    let (out, stopped) = run(&mut stops, long.trim_end().as_bytes(), 9);
    assert!(stopped && events(&out).len() == 3, "{out}");
}
