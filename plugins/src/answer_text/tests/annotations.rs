//! What points into a text follows it, or goes.

use serde_json::json;

use super::*;

fn sse(data: &Value) -> String {
    match data["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

fn chat(choice: Value) -> String {
    let mut choice = choice;
    choice["index"] = json!(0);
    sse(&json!({"id": "c", "choices": [choice]}))
}

/// A citation of `piece`, which stands in `text`.
fn cites(text: &str, piece: &str) -> Value {
    let at = text.find(piece).unwrap();
    let start = text[..at].chars().count();
    json!({"type": "url_citation", "start_index": start, "end_index": start + piece.chars().count(), "url": "u"})
}

fn nested(citation: Value) -> Value {
    json!({"type": "url_citation", "url_citation": citation})
}

/// What the citations of a text point to.
fn cited(text: &str, citations: &[Value]) -> Vec<String> {
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let one = |citation: &Value| {
        let inner = citation.get("url_citation").unwrap_or(citation);
        let (start, end) = (number(&inner["start_index"]), number(&inner["end_index"]));
        text.chars().skip(start).take(end - start).collect()
    };
    citations.iter().map(one).collect()
}

const TEXT: &str = "\u{e9}\u{1f600} secret: the first source, E-123456 and the last one";
const PIECES: [&str; 6] = [
    "\u{e9}",
    "secret",
    "first source",
    "source, E-1",
    "source, E-123456 and",
    "last one",
];
const LEFT: [&str; 4] = ["\u{e9}", "first source", "source, [ID] and", "last one"];

fn citations() -> Vec<Value> {
    PIECES.map(|piece| cites(TEXT, piece)).to_vec()
}

#[test]
fn a_body_s_annotations_follow_its_text() {
    let other = json!([{"type": "file_path", "index": 1, "file_id": "f"}, {"type": "file_path", "index": 30, "file_id": "f"}, {"type": "x"}]);
    let mut all = citations();
    all.extend(other.as_array().unwrap().clone());
    let part = json!({"type": "output_text", "text": TEXT, "annotations": all});
    let body = json!({"output": [{"type": "message", "content": [part]}]});
    let run = |outcome, body: &Value| {
        let bytes = Bytes::from(body.to_string());
        let api = if body.get("choices").is_some() {
            Api::ChatCompletions
        } else {
            Api::Responses
        };
        let (out, _) = block_on(rewriter(api, outcome).body(bytes)).unwrap();
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let out = run(VerdictOutcome::Masked, &body);
    let part = &out["output"][0]["content"][0];
    let (spans, rest) = part["annotations"].as_array().unwrap().split_at(LEFT.len());
    assert_eq!(cited(part["text"].as_str().unwrap(), spans), LEFT);
    // One position may be a number of something else: it stays only where nothing moved.
    assert_eq!(
        rest,
        [
            json!({"type": "file_path", "index": 1, "file_id": "f"}),
            json!({"type": "x"})
        ]
    );

    let all: Vec<Value> = citations().into_iter().map(nested).collect();
    let body = json!({"choices": [{"index": 0, "message": {"content": TEXT, "annotations": all}}]});
    let out = run(VerdictOutcome::Masked, &body);
    let message = &out["choices"][0]["message"];
    let left = message["annotations"].as_array().unwrap();
    assert_eq!(cited(message["content"].as_str().unwrap(), left), LEFT);
    assert_eq!(run(VerdictOutcome::Flagged, &body), body);
    // Where the answer was stopped, what lies behind is gone.
    let out = run(VerdictOutcome::Blocked, &body);
    let message = &out["choices"][0]["message"];
    let left = message["annotations"].as_array().unwrap();
    assert_eq!(
        cited(message["content"].as_str().unwrap(), left),
        ["\u{e9}"]
    );
}

#[test]
fn a_stream_s_annotations_follow_its_text_and_wait_for_it() {
    for (size, at_end) in [(3, false), (7, true), (100, false), (100, true)] {
        let pieces: Vec<char> = TEXT.chars().collect();
        let mut stream = String::new();
        for piece in pieces.chunks(size) {
            let piece: String = piece.iter().collect();
            stream += &chat(json!({"delta": {"content": piece}, "finish_reason": null}));
        }
        let all: Vec<Value> = citations().into_iter().map(nested).collect();
        let delta = json!({"annotations": all});
        match at_end {
            true => stream += &chat(json!({"delta": delta, "finish_reason": "stop"})),
            false => {
                stream += &chat(json!({"delta": delta, "finish_reason": null}));
                stream += &chat(json!({"delta": {}, "finish_reason": "stop"}));
            }
        }
        stream += "data: [DONE]\n\n";
        let mut masks = rewriter(Api::ChatCompletions, VerdictOutcome::Masked);
        let (out, _) = run(&mut masks, stream.as_bytes(), 50);
        let said = super::said::read(Api::ChatCompletions, &out);
        let mut notes = Vec::new();
        for (_, event) in events(&out) {
            let list = event["choices"][0]["delta"]["annotations"].as_array();
            notes.extend(list.into_iter().flatten().cloned());
        }
        let mut found = cited(&said[&(0, "content".to_owned())], &notes);
        found.sort();
        let mut left = LEFT;
        left.sort_unstable();
        assert_eq!(found, left, "{out}");
        assert!(out.rfind("annotations") < out.rfind("[DONE]"));
        assert_eq!(
            run(&mut idle(Api::ChatCompletions), stream.as_bytes(), 9).0,
            stream
        );
    }
}

#[test]
fn annotation_events_wait_and_all_events_are_numbered() {
    let mut number = 0;
    let mut event = |kind: &str, member: &str, value: Value| {
        let event = json!({"type": format!("response.{kind}"), "item_id": "i", "output_index": 0, "content_index": 0,
            member: value, "sequence_number": number});
        number += 1;
        sse(&event)
    };
    let mut stream = String::new();
    for piece in TEXT.split_inclusive(' ') {
        stream += &event("output_text.delta", "delta", json!(piece));
        for citation in citations() {
            let end = usize::try_from(citation["end_index"].as_u64().unwrap()).unwrap();
            let heard = stream.matches("output_text.delta\n").count();
            let heard: String = TEXT.split_inclusive(' ').take(heard).collect();
            let behind = heard.chars().count();
            if (behind - piece.chars().count()..behind).contains(&end) {
                stream += &event("output_text.annotation.added", "annotation", citation);
            }
        }
    }
    stream += &event(
        "output_text.annotation.added",
        "annotation",
        cites(TEXT, "last one"),
    );
    stream += &event("output_text.done", "text", json!(TEXT));
    let part = json!({"type": "output_text", "text": TEXT, "annotations": citations()});
    stream += &event("content_part.done", "part", part);
    let mut masks = rewriter(Api::Responses, VerdictOutcome::Masked);
    let (out, _) = run(&mut masks, stream.as_bytes(), 50);
    let mut notes = Vec::new();
    for (index, (name, event)) in events(&out).into_iter().enumerate() {
        assert_eq!(event["sequence_number"], index, "{name} {out}");
        match name.as_str() {
            "response.output_text.annotation.added" => notes.push(event["annotation"].clone()),
            "response.content_part.done" => {
                let part = &event["part"];
                let text = part["text"].as_str().unwrap();
                assert_eq!(cited(text, part["annotations"].as_array().unwrap()), LEFT);
                let mut found = cited(text, &notes);
                found.sort();
                let mut left = LEFT;
                left.sort_unstable();
                assert_eq!(found, left);
            }
            _ => {}
        }
    }
    assert_eq!(
        run(&mut idle(Api::Responses), stream.as_bytes(), 9).0,
        stream
    );
}

#[test]
fn tokens_of_held_text_are_gone_however_alike_the_pieces_are() {
    let mut stream = String::new();
    for piece in ["x ", "x ", "x ", "x ", "E-123456", " x ", "x "] {
        let logprobs = json!({"content": [{"token": piece}]});
        stream += &chat(
            json!({"delta": {"content": piece}, "logprobs": logprobs, "finish_reason": null}),
        );
    }
    let logprobs = json!({"content": [{"token": "E-1"}]});
    stream += &chat(json!({"delta": {}, "logprobs": logprobs, "finish_reason": null}));
    stream += &chat(json!({"delta": {}, "logprobs": null, "finish_reason": "stop"}));
    stream += "data: [DONE]\n\n";
    for hold in [2, 64] {
        let held = StopRules {
            terms: vec![Term::pattern("ID", r"E-\d{6}").unwrap()],
            outcome: VerdictOutcome::Masked,
            shadow: false,
            hold,
        };
        let held = Arc::new(held);
        let make = move |_: &Channel| -> Option<Box<dyn TextFilter>> {
            Some(Box::new(StopList::new(
                Arc::clone(&held),
                SharedReport::default(),
                false,
            )))
        };
        let mut masks = Rewriter::new(Api::ChatCompletions, Box::new(make));
        let (out, _) = run(&mut masks, stream.as_bytes(), 50);
        assert!(!out.contains("E-1"), "{out}");
    }
    let shown = stream.replace("E-123456", "nothing").replace(
        "\"delta\":{},\"logprobs\":{\"content\":[{\"token\":\"E-1\"}]}",
        "\"delta\":{},\"logprobs\":null",
    );
    assert_eq!(
        run(&mut idle(Api::ChatCompletions), shown.as_bytes(), 9).0,
        shown
    );
}
