#![allow(clippy::unwrap_used)]
use super::*;

fn chat(body: &str) -> Result<Parsed<'_>, String> {
    parse(Api::Chat, body.as_bytes(), true)
}

#[test]
fn a_chat_request_is_summed_up() {
    let parsed = chat(
        r#"{"messages":[{"content":"You are terse.","role":"system"},
            {"role":"user","content":[{"type":"text","text":"Look"},{"type":"image_url","image_url":{"url":"data:"}}]},
            {"role":"assistant","content":null,"tool_calls":[]}],
            "model":"org/m\u0061th","stream":true,"stream_options":{"include_usage":true},
            "max_tokens":9,"chat_template_kwargs":{"enable_thinking":false},"reasoning_effort":"high"}"#,
    )
    .unwrap();
    assert_eq!(parsed.model, "org/math");
    assert_eq!((parsed.items, parsed.images), (3, 1));
    assert_eq!(parsed.system, Some(14));
    assert!(parsed.stream && parsed.include_usage);
    assert_eq!(parsed.max_tokens, Some(9));
    assert_eq!(
        parsed.reasoning,
        [
            ("chat_template_kwargs", r#"{"enable_thinking":false}"#),
            ("reasoning_effort", "\"high\"")
        ]
    );
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("", "EOF"),
        ("[]", "a JSON object"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}]"#,
            "EOF",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":"x"}]} x"#,
            "trailing",
        ),
        (r#"{"messages":[{"role":"user","content":"x"}]}"#, "`model`"),
        (
            r#"{"model":" ","messages":[{"role":"user","content":"x"}]}"#,
            "Model",
        ),
        (r#"{"model":"m"}"#, "`messages`"),
        (
            r#"{"model":"m","messages":[]}"#,
            "`messages` cannot be empty",
        ),
        (r#"{"model":"m","messages":"x"}"#, "`messages`"),
        (r#"{"model":"m","messages":["x"]}"#, "a message"),
        (r#"{"model":"m","messages":[{"content":"x"}]}"#, "`role`"),
        (
            r#"{"model":"m","messages":[{"role":"king","content":"x"}]}"#,
            "`role`",
        ),
        (
            r#"{"model":"m","model":"n","messages":[{"role":"user","content":"x"}]}"#,
            "duplicate",
        ),
    ];
    for (body, part) in cases {
        let error = chat(body).unwrap_err();
        assert!(error.contains(part), "{body}: {error}");
    }
}

#[test]
fn fields_are_checked_per_api() {
    let with = |field: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{field}}}"#)
    };
    for field in [
        r#""top_k":4"#,
        r#""cache_salt":"s""#,
        r#""guided_json":{}"#,
        r#""metadata":{}"#,
        r#""nvext":{"annotations":[]}"#,
        r#""nvext":null"#,
        r#""temperature":2"#,
    ] {
        chat(&with(field)).unwrap();
    }
    for (field, part) in [
        (r#""priority":1"#, "Unsupported parameter(s): `priority`"),
        (
            r#""request_id":"a","safety_identifier":"b""#,
            "`request_id`, `safety_identifier`",
        ),
        (
            r#""nvext":{"nonsense":1}"#,
            "Unsupported parameter(s): `nvext.nonsense`",
        ),
        (
            r#""stream_options":{"include_usage":true}"#,
            "`stream_options`",
        ),
        (r#""temperature":2.5"#, "`temperature`"),
        (r#""stream":"yes""#, "boolean"),
        (r#""tool_choice":"required""#, "`tools`"),
    ] {
        let error = chat(&with(field)).unwrap_err();
        assert!(error.contains(part), "{field}: {error}");
    }
    parse(Api::Chat, with(r#""priority":1"#).as_bytes(), false).unwrap();
    let embed = br#"{"model":"m","input":"x","stream":true}"#;
    assert!(
        parse(Api::Embeddings, embed, true)
            .unwrap_err()
            .contains("`stream`")
    );
}

#[test]
fn inputs_have_many_shapes() {
    let items = |api, body: &'static str| parse(api, body.as_bytes(), true).unwrap().items;
    assert_eq!(items(Api::Completions, r#"{"model":"m","prompt":"x"}"#), 1);
    assert_eq!(
        items(Api::Completions, r#"{"model":"m","prompt":["x","y"]}"#),
        2
    );
    assert_eq!(
        items(Api::Completions, r#"{"model":"m","prompt":[[1,2],[3]]}"#),
        2
    );
    assert_eq!(
        items(Api::Embeddings, r#"{"model":"m","input":["a","b","c"]}"#),
        3
    );
    assert_eq!(
        items(
            Api::Responses,
            r#"{"model":"m","input":[{"role":"user","content":"x"}]}"#
        ),
        1
    );
    assert_eq!(
        items(
            Api::Rerank,
            r#"{"model":"m","query":"q","documents":["a",{"text":"b"}]}"#
        ),
        2
    );
}

#[test]
fn a_required_tool_is_found() {
    let tools = r#""tools":[{"type":"function","function":{"name":"add"}},{"name":"sub","input_schema":{}}]"#;
    let call = |choice: &str| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{tools},"tool_choice":{choice}}}"#
        );
        chat(&body).map(|parsed| parsed.call.map(Cow::into_owned))
    };
    assert_eq!(call(r#""auto""#), Ok(None));
    assert_eq!(call(r#""required""#), Ok(Some("add".into())));
    assert_eq!(call(r#"{"type":"any"}"#), Ok(Some("add".into())));
    assert_eq!(
        call(r#"{"type":"tool","name":"sub"}"#),
        Ok(Some("sub".into()))
    );
    assert_eq!(
        call(r#"{"type":"function","function":{"name":"sub"}}"#),
        Ok(Some("sub".into()))
    );
    assert!(call(r#"{"type":"tool","name":"div"}"#).is_err());
}
