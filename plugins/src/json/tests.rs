#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Document, JsonError> {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn members_and_ranges() {
    let text = r#" { "model" : "MoM", "messages":[{"role":"user","content":"a\nb"}], "n": 1.50e2, "x":null } "#;
    let doc = parse(text).unwrap();
    let root = doc.root();
    assert_eq!(root.get("model").unwrap().as_str().unwrap(), "MoM");
    assert_eq!(root.get("n").unwrap().raw(), "1.50e2");
    assert_eq!(root.get("n").unwrap().as_f64(), Some(150.0));
    assert!(root.get("x").unwrap().is_null());
    assert!(root.get("y").is_none());
    let message = root.get("messages").unwrap().items().next().unwrap();
    let content = message.get("content").unwrap();
    assert_eq!(content.as_str().unwrap(), "a\nb");
    assert_eq!(&text[content.range()], r#""a\nb""#);
    assert_eq!(root.members().count(), 4);
}

#[test]
fn numbers_in_arrays_are_checked_but_not_kept() {
    let doc = parse(r#"{"input":[1,2,"a",3,[4]],"k":5}"#).unwrap();
    let items: Vec<_> = doc
        .root()
        .get("input")
        .unwrap()
        .items()
        .map(|v| v.kind())
        .collect();
    assert_eq!(items, [Kind::String, Kind::Array]);
    assert_eq!(doc.root().get("k").unwrap().as_u64(), Some(5));
    assert!(parse("[1,02]").is_err());
}

#[test]
fn escaped_keys_are_the_same_key() {
    let doc = parse(r#"{"mod\u0065l":"a"}"#).unwrap();
    assert!(doc.root().get("model").is_some());
    assert_eq!(
        parse(r#"{"model":"a","mod\u0065l":"b"}"#).unwrap_err().what,
        "repeated key"
    );
}

#[test]
fn repeated_keys_are_refused_in_small_and_large_objects() {
    assert_eq!(
        parse(r#"{"a":{"b":1,"b":2}}"#).unwrap_err().what,
        "repeated key"
    );
    let many: Vec<String> = (0..40).map(|i| format!("\"k{i}\":{i}")).collect();
    assert!(parse(&format!("{{{}}}", many.join(","))).is_ok());
    assert_eq!(
        parse(&format!("{{{},\"k7\":0}}", many.join(",")))
            .unwrap_err()
            .what,
        "repeated key"
    );
}

#[test]
fn refusals() {
    for (text, what) in [
        ("", "unexpected end"),
        ("{", "expected a key"),
        ("[1,]", "expected a value"),
        ("{\"a\":1,}", "expected a key"),
        ("{\"a\" 1}", "expected a colon"),
        ("[1 2]", "expected a comma or the end"),
        ("[1}", "expected a comma or the end"),
        ("\"a", "unterminated string"),
        ("\"a\nb\"", "control character in a string"),
        ("\"\\x\"", "invalid escape"),
        ("\"\\ud800\"", "unpaired surrogate"),
        ("\"\\udc00\\ud800\"", "unpaired surrogate"),
        ("{} {}", "unexpected text after the document"),
        ("tru", "expected a value"),
        ("-", "expected a digit"),
        ("1.", "expected a digit"),
    ] {
        assert_eq!(parse(text).unwrap_err().what, what, "{text}");
    }
    assert_eq!(
        Document::parse(Bytes::from_static(b"\"\xff\"")).unwrap_err(),
        JsonError {
            offset: 1,
            what: "invalid UTF-8"
        }
    );
}

#[test]
fn depth_is_bounded_where_serde_json_bounds_it() {
    for depth in [126, 127, 128, 129] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(
            parse(&text).is_ok(),
            serde_json::from_str::<serde_json::Value>(&text).is_ok(),
            "{depth}"
        );
    }
}

#[test]
fn the_tape_is_bounded() {
    let text = format!("[{}[]]", "[],".repeat(MAX_NODES));
    assert_eq!(parse(&text).unwrap_err().what, "too many values");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..5)
                .prop_map(|m| serde_json::Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever serde_json writes we read, and every string comes back.
    #[test]
    fn reads_what_serde_writes(value in json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let doc = parse(&text).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(doc.root().raw()).unwrap(), value.clone());
        if let serde_json::Value::Object(map) = &value {
            for (key, value) in map {
                let found = doc.root().get(key).unwrap();
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(found.raw()).unwrap(), value);
            }
        }
    }

    /// We never accept what serde_json refuses (the frontend would refuse it too).
    #[test]
    fn accepts_no_more_than_serde(value in json(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&value).unwrap();
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        if Document::parse(Bytes::from(bytes.clone())).is_ok() {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok());
        }
    }
}
