#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn body(text: &str) -> RequestBody {
    RequestBody::new(Document::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap())
}

fn render(body: &RequestBody) -> String {
    String::from_utf8(body.render(&[]).unwrap().to_vec()).unwrap()
}

#[test]
fn without_changes_the_buffer_itself_comes_back() {
    let bytes = Bytes::from_static(b"{ \"model\" :\"a\" }");
    let body = RequestBody::new(Document::parse(bytes.clone()).unwrap());
    assert!(!body.is_changed());
    assert_eq!(body.render(&[]).unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn only_the_changed_ranges_change() {
    let mut b =
        body(r#"{ "model" : "MoM", "odd":1.50,  "messages": [ {"role":"user","content":"hi"} ] }"#);
    b.insert_message(0, r#"{"role":"system","content":"s"}"#);
    let out = b.render(&[("model", Some("\"q\"".into()))]).unwrap();
    assert_eq!(
        out,
        r#"{ "model" : "q", "odd":1.50,  "messages": [ {"role":"system","content":"s"},{"role":"user","content":"hi"} ] }"#
    );
}

#[test]
fn fields_are_added_changed_and_removed() {
    let mut b = body(r#"{"a":1, "b":2 ,"c":3}"#);
    b.set_field("d", "4");
    b.set_field("b", "[]");
    assert_eq!(render(&b), r#"{"d":4,"a":1, "b":[] ,"c":3}"#);
    b.remove_field("c");
    b.remove_field("a");
    b.remove_field("zz");
    assert_eq!(b.field("a"), None);
    assert_eq!(b.field("b").as_deref(), Some("[]"));
    assert_eq!(render(&b), r#"{"d":4,"b":[]}"#);
    b.remove_field("d");
    b.remove_field("b");
    assert_eq!(render(&b), "{}");
    let mut empty = body("{ }");
    empty.set_field("x", "1");
    empty.set_field("y", "2");
    assert_eq!(render(&empty), r#"{"x":1,"y":2 }"#);
}

#[test]
fn messages_are_inserted_removed_and_rewritten() {
    let mut b = body(r#"{"messages":[{"content":"0"}, {"content":"1"},{"content":"2"}]}"#);
    b.remove_message(0);
    b.remove_message(2);
    b.insert_message(0, r#"{"n":1}"#);
    b.insert_message(0, r#"{"n":2}"#);
    b.insert_message(3, r#"{"n":3}"#);
    b.set_content(1, r#""one""#);
    b.set_content(2, r#""gone""#);
    assert_eq!(b.content(1).as_deref(), Some(r#""one""#));
    assert_eq!(
        render(&b),
        r#"{"messages":[{"n":1},{"n":2},{"content":"one"},{"n":3}]}"#
    );
}

#[test]
fn overlapping_ranges_are_a_conflict_equal_ones_are_not() {
    let mut edits = Edits::default();
    edits.replace(2..5, "x").unwrap();
    assert!(edits.replace(4..6, "y").is_err());
    assert!(edits.replace(0..3, "y").is_err());
    edits.replace(2..5, "z").unwrap();
    edits.replace(5..5, "!").unwrap();
    edits.replace(2..2, "?").unwrap();
    assert_eq!(edits.apply(&Bytes::from_static(b"0123456")), "01?z!56");
}

/// Redaction first, then a prompt that takes the content over: both are there.
#[test]
fn a_content_that_is_replaced_was_seen_with_its_ranges() {
    let text = r#"{"user":"Ana","messages":[{"role":"system","content":"call Ana at 5"},{"role":"user","content":"Ana"}]}"#;
    let mut b = body(text);
    let at = |nth: usize| {
        let start = text.match_indices("Ana").nth(nth).unwrap().0;
        start..start + 3
    };
    for nth in 0..3 {
        b.replace_range(at(nth), "<1>").unwrap();
    }
    assert_eq!(b.content(0).as_deref(), Some(r#""call <1> at 5""#));
    assert_eq!(b.content(1).as_deref(), Some(r#""<1>""#));
    assert_eq!(b.field("user").as_deref(), Some(r#""<1>""#));
    b.set_content(0, r#""Hi. call <1> at 5""#);
    assert_eq!(
        render(&b),
        r#"{"user":"<1>","messages":[{"role":"system","content":"Hi. call <1> at 5"},{"role":"user","content":"<1>"}]}"#
    );
    b.remove_message(1);
    b.set_field("user", "1");
    assert_eq!(
        render(&b),
        r#"{"user":1,"messages":[{"role":"system","content":"Hi. call <1> at 5"}]}"#
    );
}

/// What took a content over holds a copy of it, so a range that comes too late must not be lost silently.
#[test]
fn a_range_in_something_replaced_is_a_conflict() {
    let text = r#"{"user":"Ana","messages":[{"content":"Ana"},{"content":"Ana"}]}"#;
    let mut b = body(text);
    b.set_content(0, r#""Hi Ana""#);
    b.set_field("user", r#""Ana!""#);
    let starts: Vec<usize> = text.match_indices("Ana").map(|(at, _)| at).collect();
    let mut replace = |nth: usize| b.replace_range(starts[nth]..starts[nth] + 3, "x");
    assert!(replace(0).is_err() && replace(1).is_err());
    replace(2).unwrap();
}

proptest! {
    /// Any mix of changes gives valid JSON that holds what was asked for.
    #[test]
    fn edits_keep_the_document_valid(
        count in 0usize..6,
        removed in prop::collection::vec(0usize..6, 0..4),
        inserted in prop::collection::vec(0usize..8, 0..4),
        rewritten in prop::collection::vec(0usize..6, 0..3),
        drop_model in any::<bool>(),
        space in "[ \n]{0,2}",
    ) {
        let items: Vec<String> = (0..count).map(|i| format!("{{\"content\":{space}\"{i}\"}}")).collect();
        let text = format!("{{{space}\"model\":\"m\",{space}\"messages\":[{space}{}{space}]}}", items.join(&format!("{space},{space}")));
        let mut b = body(&text);
        for &i in &removed { b.remove_message(i); }
        for (n, &i) in inserted.iter().enumerate() { b.insert_message(i.min(count), format!("{{\"content\":\"new{n}\"}}")); }
        for &i in rewritten.iter().filter(|&&i| i < count) { b.set_content(i, format!("\"again{i}\"")); }
        if drop_model { b.remove_field("model"); }
        let out: serde_json::Value = serde_json::from_str(&render(&b)).unwrap();
        prop_assert_eq!(out.get("model").is_none(), drop_model);
        let mut expected = Vec::new();
        for i in 0..=count {
            for (n, _) in inserted.iter().enumerate().filter(|&(_, &at)| at.min(count) == i) {
                expected.push(format!("new{n}"));
            }
            if i < count && !removed.contains(&i) {
                expected.push(if rewritten.contains(&i) { format!("again{i}") } else { i.to_string() });
            }
        }
        let got: Vec<String> = out["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect();
        prop_assert_eq!(got, expected);
    }
}
