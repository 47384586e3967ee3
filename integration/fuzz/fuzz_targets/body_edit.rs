//! The JSON view never accepts more than serde_json and reads the same; edited bodies stay valid JSON.
//!
//! Input: a document, and behind its first NUL byte the edits, two bytes each.
#![no_main]

use bytes::Bytes;
use commutator_plugins::api::Api;
use commutator_plugins::body::RequestBody;
use commutator_plugins::conversation::Conversation;
use commutator_plugins::json::{Document, Kind, Value, quote};
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|data: &[u8]| {
    let cut = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let (text, edits) = data.split_at(cut);
    let Ok(doc) = Document::parse(Bytes::copy_from_slice(text)) else {
        return;
    };
    serde_json::from_slice::<&RawValue>(text).expect("serde_json refuses what we accept");
    // Numbers too large for a float are no reason to refuse a body, but serde_json's Value cannot hold them.
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(text) {
        same(doc.root(), &value);
    }
    for api in [
        Api::ChatCompletions,
        Api::Messages,
        Api::Responses,
        Api::Completions,
        Api::Other,
    ] {
        if let Ok(conversation) = Conversation::read(api, &doc) {
            for index in 0..conversation.texts.len() {
                let _ = conversation.text(&doc, index);
            }
            let _ = conversation.last_user();
        }
    }
    if doc.root().kind() == Kind::Object {
        edit(doc, edits);
    }
});

fn same(ours: Value<'_>, theirs: &serde_json::Value) {
    match theirs {
        serde_json::Value::Object(map) => {
            assert_eq!(ours.members().count(), map.len());
            for (key, value) in map {
                same(ours.get(key).expect("a key is missing"), value);
            }
        }
        serde_json::Value::Array(list) => {
            let kept: Vec<_> = list.iter().filter(|v| !v.is_number()).collect();
            assert_eq!(ours.has_numbers(), kept.len() < list.len());
            assert_eq!(ours.items().count(), kept.len());
            ours.items().zip(kept).for_each(|(a, b)| same(a, b));
        }
        serde_json::Value::String(text) => {
            assert_eq!(ours.as_str().as_deref(), Some(text.as_str()))
        }
        serde_json::Value::Bool(flag) => assert_eq!(ours.as_bool(), Some(*flag)),
        serde_json::Value::Number(_) => assert_eq!(ours.kind(), Kind::Number),
        serde_json::Value::Null => assert!(ours.is_null()),
    }
}

fn edit(doc: Document, edits: &[u8]) {
    let chat = Conversation::read(Api::ChatCompletions, &doc).ok();
    let mut body = RequestBody::new(doc);
    let messages = chat.as_ref().map_or(0, |_| body.message_count());
    for pair in edits.chunks_exact(2) {
        let at = usize::from(pair[1]);
        let name = ["model", "stream", "a", "seed", "n\u{e9}\"w"][at % 5];
        match pair[0] % 7 {
            0 => body.set_field(name, ["1", "\"x\"", "{}", "[null]"][at % 4]),
            1 => body.remove_field(name),
            2 if messages > 0 => {
                body.insert_message(at % (messages + 1), r#"{"role":"system","content":"s"}"#)
            }
            3 if messages > 0 => body.remove_message(at % messages),
            4 if messages > 0 => body.set_content(at % messages, quote("new \"text\"\n")),
            5 => {
                if let Some(text) = chat.as_ref().and_then(|chat| chat.texts.get(at)) {
                    let _ = body.replace_range(text.range.clone(), quote("[redacted]"));
                }
            }
            _ => {}
        }
    }
    let last = [("model", Some("\"chosen\"".to_owned())), ("seed", None)];
    let Ok(out) = body.render(&last) else {
        return;
    };
    let out = Document::parse(out).expect("an edited body is no JSON");
    let model = out.root().get("model").and_then(|model| model.as_str());
    assert_eq!(model.as_deref(), Some("chosen"));
    assert!(out.root().get("seed").is_none());
}
